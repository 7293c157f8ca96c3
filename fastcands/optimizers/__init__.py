"""Row-sparse optimizers: a step reads and writes only the rows that have a gradient, in place.

An optimizer is a small immutable configuration. What it remembers between steps is in arrays that the caller holds:
``state = optimizer.init(table)``, then ``optimizer.update(table, state, gradient, step=...)``.
"""

from fastcands.optimizers.adagrad import Adagrad
from fastcands.optimizers.description import LearningRate as LearningRate
from fastcands.optimizers.interface import Optimizer as Optimizer
from fastcands.optimizers.interface import State as State
from fastcands.optimizers.interface import StateArray as StateArray
from fastcands.optimizers.lazy_adam import LazyAdam
from fastcands.optimizers.momentum import Momentum
from fastcands.optimizers.restore import from_dict as from_dict
from fastcands.optimizers.rowwise_adagrad import RowwiseAdagrad
from fastcands.optimizers.sgd import SGD

# the optimizers themselves: `import fastcands` gives them too, and `fastcands.warmup` compiles them
__all__ = ["SGD", "Adagrad", "LazyAdam", "Momentum", "RowwiseAdagrad"]
