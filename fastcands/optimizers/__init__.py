"""Row-sparse optimizers: a step reads and writes only the rows that have a gradient, in place.

An optimizer is a small immutable configuration. What it remembers between steps lives in arrays that the
caller holds: ``state = optimizer.init(table)``, then ``optimizer.update(table, state, gradient, step=...)``.
"""

from fastcands.optimizers.adagrad import Adagrad
from fastcands.optimizers.description import from_dict
from fastcands.optimizers.interface import LearningRate, Optimizer, State, StateArray
from fastcands.optimizers.lazy_adam import LazyAdam
from fastcands.optimizers.momentum import Momentum
from fastcands.optimizers.rowwise_adagrad import RowwiseAdagrad
from fastcands.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "LazyAdam",
    "LearningRate",
    "Momentum",
    "Optimizer",
    "RowwiseAdagrad",
    "State",
    "StateArray",
    "from_dict",
]
