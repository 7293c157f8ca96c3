"""Row-sparse optimizers: a step reads and writes only the rows that have a gradient, in place.

An optimizer is a small immutable configuration. What it remembers between steps lives in arrays that the
caller holds: ``state = optimizer.init(table)``, then ``optimizer.update(table, state, gradient, step=...)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.row_update import adagrad_rows, sgd_rows
from fastcands.threads import get_num_threads
from fastcands.validation import as_finite, as_size, check_row_gradient, check_trainable
from fastcands.values import RowGradient

__all__ = ["SGD", "Adagrad", "Optimizer"]

LearningRate = float | Callable[[int], float]
State = dict[str, NDArray[Any]]


def _as_matrix(array: NDArray[Any]) -> NDArray[Any]:
    """View a vector as a matrix of one column, and a memmap as a plain array."""
    plain = np.asarray(array)
    return plain if plain.ndim == 2 else plain[:, None]


@dataclass(frozen=True)
class Optimizer(ABC):
    """What all optimizers share: the learning rate, the checks, and the order check, then change.

    A subclass says which arrays it remembers (`_initial_state`) and how the named rows change (`_step`).

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. Finite and not
        negative.

    Raises
    ------
    TypeError
        If `lr` is neither a number nor callable.
    ValueError
        If `lr` is negative or not finite.
    """

    lr: LearningRate

    def __post_init__(self) -> None:
        if not callable(self.lr):
            as_finite(self.lr, "lr", or_else=" or a function of the step")

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step : int
            Steps made before this one; the first step is 0.

        Returns
        -------
        float
            `lr`, or ``lr(step)`` where it is a function.

        Raises
        ------
        TypeError
            If the function returns something else than a number.
        ValueError
            If `step` is negative, or the function returns a negative number or one that is not finite.

        Examples
        --------
        >>> import fastcands as fc
        >>> fc.SGD(lambda step: 0.5 / (1 + step)).learning_rate(4)
        0.1
        """
        step = as_size(step, "step", minimum=0)
        return as_finite(self.lr(step), f"lr({step})") if callable(self.lr) else float(self.lr)

    def init(self, table: NDArray[Any]) -> State:
        """Return the arrays the optimizer needs for a table, as they are before the first step.

        Parameters
        ----------
        table : float32 or float64 array, shape (V, D) or (V,)
            What will be trained. It is not changed.

        Returns
        -------
        dict of str to array
            Each of the shape and dtype of `table`. Empty for an optimizer without memory.

        Raises
        ------
        TypeError
            If `table` is not an array of float32 or float64.
        ValueError
            If it has neither one nor two dimensions.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> state = fc.Adagrad(0.1).init(np.zeros((5, 2), np.float32))
        >>> {name: array.shape for name, array in state.items()}
        {'accumulator': (5, 2)}
        """
        check_trainable(table, "table", writable=False)
        return {name: np.full(table.shape, value, table.dtype) for name, value in self._initial_state().items()}

    def update(self, table: NDArray[Any], state: State, gradient: RowGradient, *, step: int = 0) -> None:
        """Make one step on the rows of the gradient, in place; no other row is read or written.

        Parameters
        ----------
        table : float32 or float64 array, shape (V, D) or (V,)
            Changed in place. Any strides; C-contiguous is fastest.
        state : dict of str to array
            What `init` returned for this table. Changed in place.
        gradient : RowGradient
            Rows of the dtype of `table`, with ``num_rows == V``.
        step : int, default 0
            Steps made before this one. It matters only where the learning rate is a function.

        Raises
        ------
        TypeError
            If an argument is of another type, or the dtypes of table, state and gradient differ.
        ValueError
            If shapes do not fit, ids are not rising or out of range, or an array is read-only. Nothing has
            been changed then.

        Notes
        -----
        The same bits for any number of threads. The rows are not searched for NaN or infinity: such an
        element spoils the same element of the table and of the state, and no other.

        Examples
        --------
        The step of an embedding whose rows `ids` were used:

        >>> import numpy as np
        >>> import fastcands as fc
        >>> table, optimizer = np.ones((4, 2), np.float32), fc.SGD(0.5)
        >>> state = optimizer.init(table)
        >>> gradient = fc.RowGradient.from_pairs([3, 1, 3], np.ones((3, 2), np.float32), num_rows=4)
        >>> optimizer.update(table, state, gradient)
        >>> table.tolist()
        [[1.0, 1.0], [0.5, 0.5], [1.0, 1.0], [0.0, 0.0]]
        """
        self.plan(table, state, gradient, step=step)()

    def plan(
        self, table: NDArray[Any], state: State, gradient: RowGradient, *, step: int = 0, name: str = "table"
    ) -> Callable[[], None]:
        """Check everything `update` would check and return the step, not yet made.

        With several tables: plan all, then make all, and no error can come between them.

        Parameters
        ----------
        table, state, gradient, step
            As in `update`.
        name : str, default "table"
            What messages call the table.

        Returns
        -------
        callable
            Without arguments; makes the step. Call it once, before the arrays change in another way.

        Raises
        ------
        TypeError, ValueError
            As in `update`.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> table, optimizer = np.ones(3, np.float32), fc.SGD(1.0)
        >>> gradient = fc.RowGradient.from_pairs([2], np.ones(1, np.float32), num_rows=3)
        >>> step = optimizer.plan(table, optimizer.init(table), gradient)
        >>> table.tolist()
        [1.0, 1.0, 1.0]
        >>> step()
        >>> table.tolist()
        [1.0, 1.0, 0.0]
        """
        check_trainable(table, name)
        self._check_state(table, state, name)
        if not isinstance(gradient, RowGradient):
            raise TypeError(f"gradient of {name} must be a RowGradient, got {type(gradient).__name__}")
        check_row_gradient(*gradient, shape=table.shape, dtype=table.dtype, name=name)
        lr = table.dtype.type(self.learning_rate(step))
        ids = np.ascontiguousarray(gradient.ids)
        rows = np.ascontiguousarray(_as_matrix(gradient.rows))
        arrays = {key: _as_matrix(array) for key, array in state.items()}
        if any(np.may_share_memory(rows, array) for array in (table, *arrays.values())):
            rows = rows.copy()  # a worker must not read what another one writes
        matrix, num_threads = _as_matrix(table), get_num_threads()
        return lambda: self._step(matrix, arrays, ids, rows, lr, num_threads)

    def _check_state(self, table: NDArray[Any], state: Mapping[str, NDArray[Any]], name: str) -> None:
        expected = sorted(self._initial_state())
        if not isinstance(state, dict) or sorted(state) != expected:
            came = sorted(state) if isinstance(state, dict) else type(state).__name__
            raise TypeError(f"state of {name} must be the dict that init() returns, with {expected}, got {came}")
        for key, array in state.items():
            check_trainable(array, f"state[{key!r}] of {name}")
            if array.shape != table.shape:
                raise ValueError(f"state[{key!r}] of {name} must have shape {table.shape}, got {array.shape}")
            if array.dtype != table.dtype:
                raise TypeError(f"state[{key!r}] of {name} must be {table.dtype} as it is, got {array.dtype}")

    @abstractmethod
    def _initial_state(self) -> dict[str, float]:
        """Return each remembered array's name and the value it is filled with."""

    @abstractmethod
    def _step(
        self,
        table: NDArray[Any],
        state: State,
        ids: NDArray[np.int64],
        rows: NDArray[Any],
        lr: Any,
        num_threads: int,
    ) -> None:
        """Change the rows `ids` of a matrix and its state; everything has been checked."""


@dataclass(frozen=True)
class SGD(Optimizer):
    """Plain gradient descent on the rows of the step.

    ``table[ids] -= lr * rows``

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. The function must
        depend on nothing else: it may be called several times a step.

    Raises
    ------
    TypeError
        If `lr` is neither a number nor callable.
    ValueError
        If `lr` is negative or not finite.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.SGD(0.1)
    SGD(lr=0.1)
    """

    def _initial_state(self) -> dict[str, float]:
        return {}

    def _step(
        self,
        table: NDArray[Any],
        state: State,
        ids: NDArray[np.int64],
        rows: NDArray[Any],
        lr: Any,
        num_threads: int,
    ) -> None:
        sgd_rows(table, ids, rows, lr, num_threads)


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad on the rows of the step: a rate for each number that falls with its past squared gradients.

    ``accumulator[ids] += rows**2; table[ids] -= lr * rows / (sqrt(accumulator[ids]) + epsilon)``

    Rare classes keep a high rate, which suits large vocabularies. Rows without a gradient would not change
    under dense Adagrad either, so the result is that of the dense optimizer.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. The function must
        depend on nothing else: it may be called several times a step.
    initial_accumulator : float, default 0.1
        What the accumulator starts from; not negative.
    epsilon : float, default 1e-7
        Added to the root; not negative. Not both may be 0: a zero gradient would then be divided by zero.

    Raises
    ------
    TypeError
        If an argument is not a number (`lr`: nor callable).
    ValueError
        If one is negative or not finite, or `initial_accumulator` and `epsilon` are both 0 in float32.

    References
    ----------
    Duchi, Hazan and Singer 2011, Journal of Machine Learning Research 12, section 1.3 (diagonal form).

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.Adagrad(0.2)
    Adagrad(lr=0.2, initial_accumulator=0.1, epsilon=1e-07)
    """

    initial_accumulator: float = 0.1
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        as_finite(self.initial_accumulator, "initial_accumulator")
        as_finite(self.epsilon, "epsilon")
        if np.float32(self.initial_accumulator) == 0 and np.float32(self.epsilon) == 0:
            raise ValueError("initial_accumulator and epsilon must not both be 0: a zero gradient gives 0 / 0")

    def _initial_state(self) -> dict[str, float]:
        return {"accumulator": float(self.initial_accumulator)}

    def _step(
        self,
        table: NDArray[Any],
        state: State,
        ids: NDArray[np.int64],
        rows: NDArray[Any],
        lr: Any,
        num_threads: int,
    ) -> None:
        adagrad_rows(table, state["accumulator"], ids, rows, lr, table.dtype.type(self.epsilon), num_threads)
