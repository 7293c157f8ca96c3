"""Dropout whose masks are computed again where they are needed, and never stored.

Whether a number is kept is a function of (seed, step, stream, row, column), so it depends neither on the threads nor on
the sizes of panels, and the backward pass finds the mask of the forward pass without memory for it. A row has a salt
and a first counter; the counter goes up by an odd constant from column to column, and a hash of both gives 32 bits. The
number is dropped where they are below p 2^32. All of it is integer arithmetic without a branch, which becomes vector
code: half a million numbers take 0.10 ms, with loading and storing them (AVX-512, one thread). To draw a byte for each
from NumPy's SFC64 alone takes 0.26 ms, the masks have to be stored, and p has 256 values only.

References: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov 2014, "Dropout: A Simple Way to Prevent Neural
Networks from Overfitting", section 4; kept numbers are scaled in training, as its section 10 proposes. The hashes:
Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators" (rows), and the 32-bit finaliser of
MurmurHash3 (columns).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.jit import kernel

__all__ = ["COUNTER_STEP", "DropoutMask", "drop_row", "drop_rows", "dropout_mask", "is_kept", "row_words"]

COUNTER_STEP = np.uint32(0x9E3779B9)
"""What the counter goes up by from column to column."""


class DropoutMask(NamedTuple):
    """The mask of an array at a step."""

    key: Any
    """uint64, of seed, step and stream."""
    threshold: Any
    """uint32: below it a number is dropped; 0 drops none."""
    scale: float
    """float64, what numbers that are kept are multiplied by."""


@kernel
def _mix(word: Any) -> Any:
    """Return a 64-bit word all of whose bits depend on all bits of `word`."""
    word = np.uint64(word + np.uint64(0x9E3779B97F4A7C15))
    word = np.uint64((word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    word = np.uint64((word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(word ^ (word >> np.uint64(31)))


@kernel
def _key(seed: Any, step: Any, stream: Any) -> Any:
    """Return the key of a mask, uint64.

    IN
        seed, step, stream : uint64
    """
    return _mix(_mix(_mix(seed) + step) + stream)


def dropout_mask(rate: float, seed: int, step: int, stream: int) -> DropoutMask:
    """Return the mask of an array.

    Parameters
    ----------
    rate : float
        p, the share that is dropped, in [0, 1).
    seed, step : int
        What masks depend on; at least 0, below 2**64.
    stream : int
        Tells arrays of one step apart.

    Returns
    -------
    DropoutMask
        For the kernels.
    """
    threshold = min(round(rate * 2**32), 2**32 - 1)
    key = np.uint64(_key(np.uint64(seed), np.uint64(step), np.uint64(stream)))
    return DropoutMask(key, np.uint32(threshold), 1 / (1 - rate))


@kernel
def row_words(mask: Any, row: int) -> Any:
    """Return the counter of a row's first column and the row's salt, two uint32.

    IN
        mask : DropoutMask
        row : int64
    """
    word = _mix(mask.key + np.uint64(row))
    return np.uint32(word & np.uint64(0xFFFFFFFF)), np.uint32(word >> np.uint64(32))


@kernel
def is_kept(counter: Any, salt: Any, threshold: Any) -> Any:
    """Return whether a number is kept.

    IN
        counter, salt, threshold : uint32
    """
    x = np.uint32(np.uint32((counter ^ (counter >> np.uint32(16))) * np.uint32(0x85EBCA6B)) ^ salt)
    x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(x ^ (x >> np.uint32(16))) >= threshold


@kernel
def drop_row(array: Any, place: int, start: int, mask: Any, row: int, first: int, last: int) -> None:
    """Drop columns `first` to `last` of a row of the mask in ``array[place, start + first:start + last]``.

    IN
        place, start : row of the array, and where in it column 0 of the mask is
        mask : DropoutMask
        row, first, last : of the mask
    IN, OUT
        array : (N, W) float32 or float64
    """
    counter, salt = row_words(mask, row)
    counter = np.uint32(counter + np.uint32(first) * COUNTER_STEP)
    threshold, scale, zero = mask.threshold, array.dtype.type(mask.scale), array.dtype.type(0)
    columns = array[place, start + first : start + last]  # indices from 0 on need no test of their sign
    for j in range(len(columns)):
        value = scale * columns[j]
        columns[j] = value if is_kept(counter, salt, threshold) else zero
        counter = np.uint32(counter + COUNTER_STEP)


@kernel
def drop_rows(array: Any, mask: Any, first_row: int) -> None:
    """Multiply rows by those of the mask from `first_row` on, and what is kept by its scale.

    IN
        mask : DropoutMask
        first_row : int64
    IN, OUT
        array : (N, W) float32 or float64, C-contiguous
    """
    for i in range(array.shape[0]):
        drop_row(array, i, 0, mask, first_row + i, 0, array.shape[1])
