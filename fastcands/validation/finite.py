"""Messages for numbers that are not finite, or would not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.ids import index_text

__all__ = ["Written", "not_finite_example", "not_finite_row"]


class Written(NamedTuple):
    """A row of an array that a step writes, or one number of an array that has one for each row."""

    name: str
    before: NDArray[Any]
    after: NDArray[Any]


def _first(numbers: NDArray[Any]) -> int | None:
    """Return the place of the first number that is not finite, in the flattened array."""
    wrong = ~np.isfinite(numbers.reshape(-1))
    return int(wrong.argmax()) if wrong.any() else None


def _place(row: int, feature: int, is_vector: bool) -> str:
    return f"[{row}]" if is_vector else f"[{row}, {feature}]"


def not_finite_row(
    u: int, row: int, gradient: NDArray[Any], written: Sequence[Written], *, is_vector: bool
) -> ValueError:
    """Return the error for a row that a step would make NaN or infinite.

    Parameters
    ----------
    u, row : int
        The row of the gradient, and that of the table.
    gradient : array, shape (D,)
        The gradient of the row.
    written : sequence of Written
        The table first, then what the optimizer remembers.
    is_vector : bool
        Whether table and gradient have one number a row.
    """
    table = written[0].name
    first = _first(gradient)
    if first is not None:
        place = _place(u, first, is_vector)
        return ValueError(
            f"gradient rows of {table} must be finite, got {gradient[first]} in row {row}, at gradient.rows{place}"
        )
    for name, before, _ in written:
        first = _first(before)
        if first is not None:
            place = _place(row, first, is_vector or len(before) < len(gradient))
            return ValueError(f"{name} must be finite, got {before[first]} at {place}")
    for name, _, after in written:
        first = _first(after)
        if first is not None:
            place = _place(row, first, is_vector or len(after) < len(gradient))
            return ValueError(
                f"{name} must stay finite, but the step would write {after[first]} at {place}: gradient, learning rate "
                f"or {name} too large (the row's gradient is up to {np.abs(gradient).max():.3g})"
            )
    return ValueError(f"{table} must stay finite, but the step overflows in row {row}")


def not_finite_example(
    i: int, loss: Any, gradient: NDArray[Any], inputs: Any, upstream: Any
) -> ValueError:
    """Return the error for an example whose loss, or the gradient of whose inputs, is NaN or infinite.

    Parameters
    ----------
    i : int
        The example.
    loss : float
        Its loss.
    gradient : array, shape (D,)
        The gradient of its inputs.
    inputs : array, shape (B, D)
        Of all examples.
    upstream : array, shape (B,), or None
        Of all examples.
    """
    if upstream is not None and not np.isfinite(np.asarray(upstream)[i]):
        return ValueError(f"upstream[{i}] must be finite, got {np.asarray(upstream)[i]}")
    own = np.asarray(inputs)[i]
    first = _first(own)
    if first is not None:
        return ValueError(f"inputs{index_text(i * len(own) + first, (i + 1, len(own)))} must be finite, got {own[first]}")
    what, why = f"the loss of example {i} is {loss}", "inputs or the rows of its classes are not finite, or too large"
    if np.isfinite(loss):
        what = f"the gradient of inputs[{i}] has {gradient[_first(gradient)]}"
    return ValueError(f"{what}: {why}")
