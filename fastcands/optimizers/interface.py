"""What all optimizers do: describe and make their state, check a step, and then make it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import RowGradient
from fastcands.optimizers.description import BY_NAME, Configuration
from fastcands.optimizers.row_step import State, is_bfloat16, prepare
from fastcands.validation.error_state import own_error_state
from fastcands.validation.optimizers import StateArray, as_clip_norm, check_rising, check_state
from fastcands.validation.seeds import as_unsigned_seed
from fastcands.validation.tables import check_row_gradient, check_trainable

__all__ = ["Optimizer", "State", "StateArray"]

_LAST_STEP = "last_step"


@dataclass(frozen=True, repr=False)
class Optimizer(Configuration, ABC):
    """A configuration that can make steps: what all optimizers share.

    A subclass is a frozen dataclass of its options. It names the numbers it remembers (`_per_weight`, `_per_row`,
    `_counts_steps`) and returns the rule of a step (`_rule`), for which `fastcands.kernels.optimizers` has the formula.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        BY_NAME[cls.__name__] = cls

    def state_arrays(self, table: NDArray[Any]) -> dict[str, StateArray]:
        """Describe the arrays that `init` makes, without making them.

        Parameters
        ----------
        table : float32, float64 or bfloat16 array, shape (V, D) or (V,)
            What will be trained. It is not changed.

        Returns
        -------
        dict of str to StateArray
            Shape, dtype and first value of each: enough to lay them out in a file.

        Raises
        ------
        TypeError, ValueError
            As in `init`.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> fc.RowwiseAdagrad(0.1).state_arrays(np.zeros((5, 2), np.float32))
        {'accumulator': StateArray(shape=(5,), dtype=dtype('float32'), fill=0.1)}
        """
        check_trainable(table, "table", writable=False)
        dtype = np.dtype(np.float32) if is_bfloat16(table) else table.dtype
        arrays = {name: StateArray(table.shape, dtype, fill) for name, fill in self._per_weight().items()}
        arrays |= {name: StateArray(table.shape[:1], dtype, fill) for name, fill in self._per_row().items()}
        if self._counts_steps:
            arrays[_LAST_STEP] = StateArray(table.shape[:1], np.dtype(np.int64), -1)
        return arrays

    @own_error_state
    def init(self, table: NDArray[Any]) -> State:
        """Return the arrays the optimizer needs for a table, as they are before the first step.

        Parameters
        ----------
        table : float32, float64 or bfloat16 array, shape (V, D) or (V,)
            What will be trained. It is not changed.

        Returns
        -------
        dict of str to array
            Of the shapes that the class documents; float32 for a bfloat16 table, else of its dtype, and int64 for
            steps. Empty for an optimizer that remembers nothing.

        Raises
        ------
        TypeError
            If `table` is not an array of float32, float64 or bfloat16.
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
        # np.zeros takes memory only where it is written, np.full everywhere at once
        return {
            name: np.full(shape, fill, dtype) if fill else np.zeros(shape, dtype)
            for name, (shape, dtype, fill) in self.state_arrays(table).items()
        }

    @own_error_state
    def update(
        self, table: NDArray[Any], state: State, gradient: RowGradient, *, step: int | None = None, seed: int = 0
    ) -> None:
        """Make one step on the rows of the gradient, in place; no other row is read or written.

        Parameters
        ----------
        table : float32, float64 or bfloat16 array, shape (V, D) or (V,)
            Changed in place. Any strides; C-contiguous is fastest.
        state : dict of str to array
            What `init` returned for this table. Changed in place.
        gradient : RowGradient
            Rows of the dtype of `table`, float32 or bfloat16 for a bfloat16 one, with ``num_rows == V``.
        step : int, optional
            Steps made before this one. Needed where the result depends on it: if `lr` is a function, the table is
            bfloat16, or the class says so.
        seed : int, default 0
            Of the random bits that round to bfloat16; at least 0, below 2**64. Give each table its own.

        Raises
        ------
        TypeError
            If an argument is of another type, or the dtypes of table, state and gradient differ.
        ValueError
            If shapes do not fit, ids are not rising or out of range, an array is read-only, or `step` is needed and
            missing. Nothing has been changed then.

        Notes
        -----
        The same bits for any number of threads and any strides. The rows are not searched for NaN or infinity: such
        an element spoils the same element of the table and of the state, and no other. Where the optimizer keeps one
        number for each row, it may spoil its row.

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
        self.plan(table, state, gradient, step=step, seed=seed)()

    @own_error_state
    def plan(
        self,
        table: NDArray[Any],
        state: State,
        gradient: RowGradient,
        *,
        step: int | None = None,
        seed: int = 0,
        name: str = "table",
    ) -> Callable[[], None]:
        """Check everything `update` would check and return the step, not yet made.

        With several tables: plan all, then make all, and no error can come between them.

        Parameters
        ----------
        table, state, gradient, step, seed
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
        check_state(self.state_arrays(table), state, name)
        if not isinstance(gradient, RowGradient):
            raise TypeError(f"gradient of {name} must be a RowGradient, got {type(gradient).__name__}")
        check_row_gradient(*gradient, shape=table.shape, dtype=table.dtype, name=name)
        if step is None:
            if self._needs_step or callable(self.lr) or is_bfloat16(table):
                raise ValueError(f"step must be given: with {type(self).__name__} the change of {name} depends on it")
            step = 0
        lr = self.learning_rate(step)
        if self._counts_steps:
            check_rising(state[_LAST_STEP], gradient.ids, step, name)
        return prepare(
            table,
            [state[key] for key in self._per_weight()],
            [state[key] for key in self._per_row()],
            state.get(_LAST_STEP),
            gradient,
            rule=self._rule(lr, int(step)),
            weight_decay=float(self.weight_decay),
            clip_norm=as_clip_norm(self.clip_norm),
            seed=as_unsigned_seed(seed),
            step=int(step),
        ).make

    def _per_weight(self) -> dict[str, float]:
        """Return what is remembered for each weight: names of arrays like the table, and their first values."""
        return {}

    def _per_row(self) -> dict[str, float]:
        """Return what is remembered for each row: names of arrays of V numbers, and their first values."""
        return {}

    @property
    def _counts_steps(self) -> bool:
        """Whether ``last_step`` is remembered for each row, so that the rule can make up for missed steps."""
        return False

    @property
    def _needs_step(self) -> bool:
        """Whether the result depends on the step even where the learning rate is a number."""
        return self._counts_steps

    @abstractmethod
    def _rule(self, lr: float, step: int) -> tuple[float, ...]:
        """Return the rule of a step, a named tuple of floats."""
