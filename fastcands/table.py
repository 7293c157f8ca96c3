"""The class table: weights and biases of every class, and an optimizer that changes the rows of a step."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastcands.losses import SoftmaxLoss
from fastcands.optimizers import Adagrad, Optimizer
from fastcands.validation import as_labels, as_size, check_class_table, check_trainable
from fastcands.values import Gradients

__all__ = ["ClassTable", "Evaluation", "Loss", "StepResult"]


class Loss(Protocol):
    """What a table asks of a loss; every loss of the library has it."""

    def value_and_grad(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None
    ) -> tuple[NDArray[Any], Gradients]:
        """Return the loss of each row and the gradients of ``sum(upstream * loss)``."""


class StepResult(NamedTuple):
    """What one training step gives back to the model around the table.

    Attributes
    ----------
    loss : array, shape (B,)
        The loss of each row, before the step and without `upstream`.
    d_inputs : array, shape (B, D)
        The gradient of ``sum(upstream * loss)`` with respect to the inputs, from the table before the step.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table = fc.ClassTable(10, 2, seed=0)
    >>> result = table.train_step(fc.SoftmaxLoss(), [1, 2, 3], np.ones((3, 2), np.float32))
    >>> result.loss.shape, result.d_inputs.shape
    ((3,), (3, 2))
    """

    loss: NDArray[Any]
    d_inputs: NDArray[Any]


class Evaluation(NamedTuple):
    """Exact quality of a table on held-out rows.

    Attributes
    ----------
    loss : float
        Mean softmax cross-entropy over all classes, in nats.
    perplexity : float
        ``exp(loss)``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table = fc.ClassTable.from_arrays(np.zeros((8, 2), np.float32), None)
    >>> round(table.evaluate([1, 2, 3], np.ones((3, 2), np.float32)).perplexity, 4)
    8.0
    """

    loss: float
    perplexity: float


class ClassTable:
    """Weights (V, D) and biases (V,) of an output layer, trained in place.

    Weights start uniform in ``[-1, 1) / sqrt(dim)``, biases at zero:
    ``np.random.default_rng(seed).random((num_classes, dim), np.float32)``, less 0.5, times ``2 / sqrt(dim)``.

    Parameters
    ----------
    num_classes : int
        V, at least 1.
    dim : int
        D, at least 1.
    dtype : {'float32', 'float64'}, default 'float32'
        Of weights, biases and what the optimizer remembers.
    bias : bool, default True
        Whether there are biases.
    optimizer : Optimizer, default Adagrad(lr=0.1)
        How `train_step` changes the rows.
    seed : None, int, sequence of int, numpy.random.SeedSequence or Generator, default None
        Of the initial weights; None takes fresh entropy.

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
    step, num_classes, dim : int
        Steps made so far, V and D.

    Raises
    ------
    TypeError
        If a size is not an integer, `dtype` is neither float32 nor float64, or `optimizer` is not one.
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
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise TypeError(f"dtype must be float32 or float64, got {kind}")
        weights = np.empty((num_classes, dim), kind)
        np.random.default_rng(seed).random(out=weights, dtype=np.float64 if kind == np.float64 else np.float32)
        weights -= 0.5
        weights *= 2 / math.sqrt(dim)
        self._adopt(weights, np.zeros(num_classes, kind) if bias else None, optimizer)

    @classmethod
    def from_arrays(
        cls,
        weights: NDArray[Any],
        biases: NDArray[Any] | None = None,
        *,
        optimizer: Optimizer = Adagrad(lr=0.1),  # noqa: B008 - immutable
    ) -> Self:
        """Make a table of existing arrays, without a copy: training changes them.

        Parameters
        ----------
        weights : float32 or float64 array, shape (V, D)
            Any strides. Read-only arrays (a memmap opened with mode 'r', say) can be evaluated, not trained.
        biases : array of the same dtype, shape (V,), or None
            None for a layer without biases.
        optimizer : Optimizer, default Adagrad(lr=0.1)
            How `train_step` changes the rows.

        Returns
        -------
        ClassTable
            A table at step 0.

        Raises
        ------
        TypeError
            If `weights` or `biases` are not arrays of one dtype, float32 or float64, or `optimizer` is not
            one.
        ValueError
            If the shapes do not fit together, or there are no classes or no columns.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> weights = np.zeros((5, 2), np.float32)
        >>> table = fc.ClassTable.from_arrays(weights, None, optimizer=fc.SGD(1.0))
        >>> _ = table.train_step(fc.SoftmaxLoss(), [0], np.ones((1, 2), np.float32))
        >>> [round(float(w), 2) for w in weights[0]]
        [0.8, 0.8]
        """
        table = cls.__new__(cls)
        check_class_table(weights, biases)
        table._adopt(weights, biases, optimizer)
        return table

    def _adopt(self, weights: NDArray[Any], biases: NDArray[Any] | None, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer such as Adagrad(lr=0.1), got {type(optimizer).__name__}")
        self.weights = weights
        self.biases = biases
        self.optimizer = optimizer
        self.optimizer_state = {name: optimizer.init(array) for name, array in self._arrays().items()}
        self.step = 0

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {"weights": self.weights}
        if self.biases is not None:
            arrays["biases"] = self.biases
        return arrays

    @property
    def num_classes(self) -> int:
        """V, the rows of the table."""
        return int(self.weights.shape[0])

    @property
    def dim(self) -> int:
        """D, the columns of the table."""
        return int(self.weights.shape[1])

    def __repr__(self) -> str:
        """Return the sizes, dtype, optimizer and step."""
        bias = "" if self.biases is not None else ", bias=False"
        return (
            f"ClassTable({self.num_classes}, {self.dim}, dtype='{self.weights.dtype}'{bias}, "
            f"optimizer={self.optimizer}, step={self.step})"
        )

    def train_step(
        self, loss: Loss, labels: ArrayLike, inputs: ArrayLike, upstream: ArrayLike | None = None
    ) -> StepResult:
        """Compute the loss and its gradients, and change the rows they touch.

        Parameters
        ----------
        loss : loss object
            `SampledSoftmaxLoss`, `SoftmaxLoss` or any object with their ``value_and_grad``.
        labels : integer array, shape (B, T) or (B,)
            True classes of each row.
        inputs : array, shape (B, D)
            What the model computed for each row, of the dtype of the table.
        upstream : array, shape (B,), optional
            Weight of each row in the objective ``sum(upstream * loss)``: 1 / B for a mean. Ones by default.

        Returns
        -------
        StepResult
            The loss of each row and the gradient of the inputs, for the layers before the table.

        Raises
        ------
        TypeError, ValueError
            As the loss raises them; if the table is read-only; if the gradients do not fit the table; if a
            loss is NaN or infinite, which names the first such row. The table, its state and `step` are then
            as before. Only in the last two cases has the loss's sampler moved on.

        Notes
        -----
        Time and memory do not grow with V when the loss is a sampled one. The same bits for any threads.

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
        for name, array in self._arrays().items():  # before the loss: its sampler would move on
            check_trainable(array, name)
        self.optimizer.learning_rate(self.step)
        values, gradients = loss.value_and_grad(self.weights, self.biases, labels, inputs, upstream)
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            raise ValueError(
                f"the loss of row {row} is {values[row]}: "
                "inputs or the rows of its classes are not finite, or too large"
            )
        row_gradients: dict[str, Any] = {"weights": gradients.weights, "biases": gradients.biases}
        updates = [
            self.optimizer.plan(array, self.optimizer_state[name], row_gradients[name], step=self.step, name=name)
            for name, array in self._arrays().items()
        ]
        for update in updates:
            update()
        self.step += 1
        return StepResult(values, gradients.inputs)

    def evaluate(self, labels: ArrayLike, inputs: ArrayLike, batch_size: int = 1024) -> Evaluation:
        """Return the exact mean softmax loss over all classes, and the perplexity.

        Parameters
        ----------
        labels : integer array, shape (N, T) or (N,)
            True classes of each row; with T of them each has the target 1 / T.
        inputs : array, shape (N, D)
            What the model computed for each row.
        batch_size : int, default 1024
            Rows taken at once. It bounds the memory and changes the mean only in its last bits.

        Returns
        -------
        Evaluation
            ``(loss, perplexity)``; the mean is taken in float64.

        Raises
        ------
        TypeError, ValueError
            If labels or inputs do not fit the table or each other, or there are no rows.

        Notes
        -----
        Time O(N V D). Memory beyond the arguments does not grow with V.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> table = fc.ClassTable.from_arrays(np.zeros((50, 4), np.float32), np.zeros(50, np.float32))
        >>> loss, perplexity = table.evaluate([0, 7], np.ones((2, 4), np.float32))
        >>> round(perplexity, 3)
        50.0
        """
        batch_size = as_size(batch_size, "batch_size")
        labels_ = as_labels(labels, num_classes=self.num_classes)
        inputs_ = np.asarray(inputs)
        if inputs_.shape != (len(labels_), self.dim):
            raise ValueError(f"inputs must have shape ({len(labels_)}, {self.dim}), got {inputs_.shape}")
        if len(labels_) == 0:
            raise ValueError("labels must have at least one row: the mean of none is undefined")
        exact = SoftmaxLoss()
        total = 0.0
        for start in range(0, len(labels_), batch_size):
            rows = slice(start, start + batch_size)
            values = exact.value(self.weights, self.biases, labels_[rows], inputs_[rows])
            total += float(np.sum(values, dtype=np.float64))
        mean = total / len(labels_)
        with np.errstate(over="ignore"):  # a loss above 709 nats has an infinite perplexity in float64
            return Evaluation(mean, float(np.exp(mean)))
