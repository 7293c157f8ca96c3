"""The class table: weights and biases of every class, and an optimizer that changes the rows of a step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastcands.gradients import Gradients, RowGradient
from fastcands.optimizers import Adagrad, Optimizer
from fastcands.table.dtypes import as_table_dtype
from fastcands.table.results import StepResult
from fastcands.table.shards import shard_slices
from fastcands.table.storage import StoredTable, check_state
from fastcands.table.uninterrupted import Uninterrupted
from fastcands.validation.error_state import own_error_state
from fastcands.validation.finite import check_examples
from fastcands.validation.numbers import as_size
from fastcands.validation.seeds import as_generator
from fastcands.validation.tables import as_class_table, check_table_size, check_trainable

__all__ = ["ClassTable", "Loss"]

_BLOCK = 1 << 22
"""Initial weights computed at once: a bfloat16 table never exists in float32 as a whole."""


class Loss(Protocol):
    """What a table needs from a loss; every loss of the library has it."""

    def value_and_grad(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None
    ) -> tuple[NDArray[Any], Gradients]:
        """Return the loss of each example and the gradients of ``sum(upstream * loss)``."""


class ClassTable(StoredTable):
    """Weights (V, D) and biases (V,) of an output layer, trained in place.

    Weights start uniform in ``[-1, 1) / sqrt(dim)``, biases at zero:
    ``np.random.default_rng(seed).random((num_classes, dim), np.float32)``, less 0.5, times ``2 / sqrt(dim)``.

    Parameters
    ----------
    num_classes : int
        V, at least 1.
    dim : int
        D, at least 1.
    dtype : {'float32', 'float64', 'bfloat16'}, default 'float32'
        Of weights, biases and the optimizer's state. With bfloat16 only the weights are stored in it: biases and the
        optimizer's state are float32, and the weights of a step are rounded up or down at random, so that small steps
        are not lost. It needs the package ``ml_dtypes``.
    bias : bool, default True
        Whether there are biases.
    optimizer : Optimizer, default Adagrad(lr=0.1)
        How `train_step` changes the rows.
    seed : None, int, sequence of int, numpy.random.SeedSequence or Generator, default None
        Of the initial weights and of the rounding of bfloat16; None takes fresh entropy.

    Attributes
    ----------
    weights : array, shape (V, D)
        The table itself, not a copy.
    biases : array, shape (V,), or None
        The same.
    optimizer : Optimizer
        As given.
    optimizer_state : dict
        ``{'weights': …, 'biases': …}``, each what ``optimizer.init`` returned, as the steps have changed it.
    rounding_seed : int
        Seed of the random bits by which bfloat16 is rounded, together with step, class and feature.
    step, num_classes, dim : int
        Steps made so far, V and D.

    Raises
    ------
    TypeError
        If a size is not an integer, `dtype` is none of the three, or `optimizer` is not one.
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table = fc.ClassTable(1000, 16, optimizer=fc.Adagrad(lr=0.5), seed=1)
    >>> loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(1000, seed=2), num_sampled=20)
    >>> labels, inputs = [[3], [7]], np.ones((2, 16), np.float32)
    >>> before = table.evaluate(labels, inputs).loss
    >>> result = table.train_step(loss, labels, inputs)
    >>> table.evaluate(labels, inputs).loss < before, table.step
    (True, 1)
    """

    @own_error_state
    def __init__(
        self,
        num_classes: int,
        dim: int,
        *,
        dtype: DTypeLike = "float32",
        bias: bool = True,
        optimizer: Optimizer = Adagrad(lr=0.1),  # noqa: B008 - immutable
        seed: Any = None,
    ) -> None:
        num_classes, dim = as_size(num_classes, "num_classes"), as_size(dim, "dim")
        check_table_size(num_classes, dim)
        kind = as_table_dtype(dtype)
        random, narrow = as_generator(seed), kind.name == "bfloat16"
        arithmetic = np.dtype(np.float32) if narrow else kind
        weights = np.empty((num_classes, dim), kind)
        rows = max(1, _BLOCK // dim)
        for start in range(0, num_classes, rows):
            block = random.random((min(rows, num_classes - start), dim), arithmetic)
            block -= 0.5
            block *= 2 / math.sqrt(dim)
            weights[start : start + rows] = block
        biases = np.zeros(num_classes, arithmetic) if bias else None
        self._adopt(weights, biases, optimizer, None, random)

    @classmethod
    @own_error_state
    def from_arrays(
        cls,
        weights: NDArray[Any],
        biases: NDArray[Any] | None = None,
        *,
        optimizer: Optimizer = Adagrad(lr=0.1),  # noqa: B008 - immutable
        optimizer_state: Mapping[str, dict[str, NDArray[Any]]] | None = None,
        seed: Any = None,
    ) -> Self:
        """Make a table of existing arrays, without a copy: training changes them.

        Parameters
        ----------
        weights : float32, float64 or bfloat16 array, shape (V, D)
            Any strides. Read-only arrays (a memmap opened with mode 'r', say) can be evaluated, not trained.
        biases : array of the same dtype, shape (V,), or None
            None for a layer without biases. With bfloat16 weights, float32 is the better dtype for biases.
        optimizer : Optimizer, default Adagrad(lr=0.1)
            How `train_step` changes the rows.
        optimizer_state : dict, optional
            State of another table's optimizer, ``{'weights': …, 'biases': …}``; it is shared, not copied. New by
            default.
        seed : None, int, sequence of int, numpy.random.SeedSequence or Generator, default None
            Of the rounding of bfloat16, as in `ClassTable`.

        Returns
        -------
        ClassTable
            A table at step 0.

        Raises
        ------
        TypeError
            If `weights` or `biases` are not arrays of such dtypes, or `optimizer` is not one.
        ValueError
            If the shapes do not fit together, or there are no classes or no features.

        Notes
        -----
        Several tables, or a table and an embedding, may share an array: each sees the steps of the others. Pass
        `optimizer_state` to share the state of the optimizer too.

        Examples
        --------
        An output layer that shares its weights with an embedding:

        >>> import numpy as np
        >>> import fastcands as fc
        >>> embedding = np.zeros((5, 2), np.float32)
        >>> table = fc.ClassTable.from_arrays(embedding, optimizer=fc.SGD(1.0))
        >>> _ = table.train_step(fc.SoftmaxLoss(), [0], np.ones((1, 2), np.float32))
        >>> [round(float(w), 2) for w in embedding[0]]
        [0.8, 0.8]
        """
        table = cls.__new__(cls)
        weights, biases = as_class_table(weights, biases)
        table._adopt(weights, biases, optimizer, optimizer_state, as_generator(seed))
        return table

    def _adopt(
        self,
        weights: NDArray[Any],
        biases: NDArray[Any] | None,
        optimizer: Optimizer,
        state: Mapping[str, dict[str, NDArray[Any]]] | None,
        random: np.random.Generator,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer such as Adagrad(lr=0.1), got {type(optimizer).__name__}")
        self.weights = weights
        self.biases = biases
        self.optimizer = optimizer
        arrays = self._arrays()
        if state is None:
            self._optimizer_state = {name: optimizer.init(array) for name, array in arrays.items()}
            self._state_is_own = True
        else:
            check_state(optimizer, arrays, state)
            self._optimizer_state = dict(state)
        self.rounding_seed = int(random.integers(2**63))
        self.step = 0

    @own_error_state
    def train_step(
        self, loss: Loss, labels: ArrayLike, inputs: ArrayLike, upstream: ArrayLike | None = None
    ) -> StepResult:
        """Compute the loss and its gradients, and change the rows they touch.

        Parameters
        ----------
        loss : loss object
            `SampledSoftmaxLoss`, `SoftmaxLoss` or any object with their ``value_and_grad``.
        labels : integer array, shape (B, T) or (B,)
            True classes of each example; also ragged, where the loss takes such labels.
        inputs : array, shape (B, D)
            What the model computed for each example.
        upstream : array, shape (B,), optional
            Weight of each example in the objective ``sum(upstream * loss)``: 1 / B for a mean. Ones by default.

        Returns
        -------
        StepResult
            The loss of each example and the gradient of the inputs, for the layers before the table.

        Raises
        ------
        TypeError, ValueError
            As the loss raises them; if the table is read-only; if the gradients do not fit the table; if a loss, a
            gradient of the inputs or a number that the step would write is NaN or infinite, naming the place. Then the
            table, its state and `step` are unchanged. In the last two cases alone the loss's sampler has moved: it has
            drawn the candidates of the refused step.

        Notes
        -----
        Time and memory do not grow with V when the loss is a sampled one. The same bits for any threads. Matrix
        products have the precision of the loss, see `set_matmul_precision`; the update of the rows always has that of
        the table.

        A step is complete or has no effect. All errors are raised before the first row changes, and a signal that
        comes while rows change (Ctrl-C, a timer) is handled afterwards. After a KeyboardInterrupt the table is
        unchanged if `step` is; otherwise the step is complete.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> table = fc.ClassTable(6, 2, optimizer=fc.SGD(0.1), seed=0)
        >>> inputs = np.ones((2, 2), np.float32)
        >>> result = table.train_step(fc.SoftmaxLoss(), [5, 0], inputs, upstream=[0.5, 0.5])
        >>> table.step, result.d_inputs.shape
        (1, (2, 2))
        """
        if not hasattr(loss, "value_and_grad"):
            raise TypeError(f"loss must have value_and_grad, as SoftmaxLoss() has, got {type(loss).__name__}")
        arrays = self._arrays()
        for name, array in arrays.items():  # before the loss, which changes the state of its sampler
            check_trainable(array, name)
        self.optimizer.learning_rate(self.step)
        if self._compiled_for is not self.optimizer:
            self._compile_updates()
        values, gradients = loss.value_and_grad(self.weights, self.biases, labels, inputs, upstream)
        check_examples(values, gradients.inputs, inputs, upstream)
        row_gradients: dict[str, Any] = {"weights": gradients.weights, "biases": gradients.biases}
        steps = [self._row_step(name, array, row_gradients[name]) for name, array in arrays.items()]
        # weights that are not finite show in the gradient of the inputs, biases are looked at
        known = self._state_is_own and getattr(loss, "inputs_show_rows", False)
        moderate = [each.check(by_gradient=known and each.keeps_finite) for each in steps]
        self._state_is_own = all(moderate)
        if self._file is not None:
            self._file.begin_changes()
        with Uninterrupted():
            for each in steps:
                each.make()
            self.step += 1
        return StepResult(values, gradients.inputs)

    def _row_step(self, name: str, array: NDArray[Any], gradient: Any) -> Any:
        # weights and biases round by different bits
        seed = self.rounding_seed ^ (name == "biases")
        return self.optimizer._row_step(
            array, self._optimizer_state[name], gradient, step=self.step, seed=seed, name=name
        )

    def _compile_updates(self) -> None:
        """Update with a gradient without rows, so that errors of the compiler come before rows change."""
        for name, array in self._arrays().items():
            half = array.dtype.name == "bfloat16"
            rows = np.zeros((0, *array.shape[1:]), np.float32 if half else array.dtype)
            step = self._row_step(name, array, RowGradient(np.zeros(0, np.int64), rows, len(array)))
            step.check(by_gradient=True)
            step.check()
            step.make()
        self._compiled_for = self.optimizer

    def shards(self, num_shards: int, partition_strategy: Literal["div", "mod"] = "div") -> list[Self]:
        """Return tables that are parts of this one and share its memory.

        Parameters
        ----------
        num_shards : int
            From 1 to V.
        partition_strategy : {'div', 'mod'}, default 'div'
            With 'div' shard s has the consecutive classes between ``shard_bounds(V, num_shards)[s]`` and
            ``[s + 1]``; with 'mod' it has the classes s, s + num_shards, s + 2 num_shards, ….

        Returns
        -------
        list of ClassTable
            At this table's step. Their weights, biases and optimizer state are views, so training a part changes the
            rows of this table. The losses and ``fc.nn`` accept a list of their weights with the same
            `partition_strategy`.

        Raises
        ------
        TypeError
            If `num_shards` is not an integer.
        ValueError
            If it is not in [1, V], or `partition_strategy` is another one.

        Examples
        --------
        Several processes can each save and load one part:

        >>> import fastcands as fc
        >>> table = fc.ClassTable(10, 4, seed=0)
        >>> [part.num_classes for part in table.shards(3)]
        [4, 3, 3]
        >>> bool((table.shards(3, "mod")[1].weights == table.weights[1::3]).all())
        True
        """
        parts = []
        for number, classes in enumerate(shard_slices(self.num_classes, num_shards, partition_strategy)):
            part = type(self).__new__(type(self))
            part.weights, part.optimizer, part.step = self.weights[classes], self.optimizer, self.step
            part.biases = None if self.biases is None else self.biases[classes]
            part._optimizer_state = {
                name: {key: array[classes] for key, array in state.items()}
                for name, state in self.optimizer_state.items()
            }
            part.rounding_seed = self.rounding_seed ^ (number + 1 << 1)
            parts.append(part)
        return parts
