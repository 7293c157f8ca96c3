"""Messages for numbers that are not finite, or would not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Written", "check_examples", "not_finite_row"]


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
    # what was found by computing the step is in what the step would write
    name, after = next((name, after) for name, _, after in written if not np.isfinite(after).all())
    first = int(np.argmin(np.isfinite(after)))
    place = _place(row, first, is_vector or len(after) < len(gradient))
    return ValueError(
        f"{name} must stay finite, but the step would write {after[first]} at {place}: gradient, learning rate or "
        f"{name} too large (the row's gradient is up to {np.abs(gradient).max():.3g})"
    )


def check_examples(losses: NDArray[Any], gradients: NDArray[Any], inputs: Any, upstream: Any) -> None:
    """Refuse examples whose loss, or the gradient of whose inputs, is NaN or infinite.

    Parameters
    ----------
    losses : array, shape (B,)
        Of the examples.
    gradients : array, shape (B, D)
        Of their inputs.
    inputs : array, shape (B, D)
        As the caller gave them.
    upstream : array, shape (B,), or None
        As the caller gave it.
    """
    good = np.isfinite(losses)
    if good.all() and np.isfinite(gradients).all():
        return
    i = int(np.argmin(good & np.isfinite(gradients).all(axis=1)))
    if upstream is not None and not np.isfinite(np.asarray(upstream)[i]):
        raise ValueError(f"upstream[{i}] must be finite, got {np.asarray(upstream)[i]}")
    first = _first(np.asarray(inputs)[i])
    if first is not None:
        raise ValueError(f"inputs[{i}, {first}] must be finite, got {np.asarray(inputs)[i, first]}")
    what = f"the loss of example {i} is {losses[i]}"
    if good[i]:
        what = f"the gradient of inputs[{i}] has {gradients[i, _first(gradients[i])]}"
    raise ValueError(f"{what}: inputs or the rows of its classes are not finite, or too large")
