"""What every optimizer step on rows shares: memory asked for ahead of its use, and the limit on a row's gradient.

Every id comes once, so a row belongs to one worker and no sum crosses rows: the bits do not depend on the
threads. The loops over a row hold no branch: LLVM turns them into vector code, square root and division
included, so that memory sets the pace. Denormal numbers count as zero (see `fastcands.simd.denormals`): squares of
gradients near 1e-20 are full of them.

Arrays are indexed with two numbers, and functions are given numbers and addresses. A view of a row, held in a
variable, or an array handed to a function, is counted as a reference: additions that the processors of all workers
have to agree on and that wait for what was written before, several a row. A step then takes 1.3 to 2 times as long.

Rows lie anywhere, and the hardware does not know where the next one is, so each row's memory is asked for eight rows
ahead. For rows of 128 numbers that takes a fifth off a step, which then runs at the speed of a bare
``table[ids] += rows``; one row ahead gains two thirds of that, sixteen nothing more. Of longer rows the first lines are
enough: from there on the hardware sees what is coming.
"""

from __future__ import annotations

import math

import numpy as np

from fastcands.jit import kernel
from fastcands.simd.memory import float32_at, float64_at, prefetch

__all__ = ["AT_MOST", "READ_AHEAD", "ask_for", "clip_factor", "square_sum"]

READ_AHEAD = 8
"""Rows whose memory is requested in advance."""

AT_MOST = 512
"""Bytes requested of each."""

_LINE = 64
"""Bytes of a cache line."""

_DOWN = 2.0**-520
"""Brings every float64 where its square is finite."""


@kernel
def ask_for(start: int, span: int) -> None:
    """Ask for memory, without waiting for it.

    IN
        start : an address
        span : bytes
    """
    for offset in range(0, span, _LINE):
        prefetch(start + offset)


@kernel(fastmath=frozenset({"reassoc", "contract"}))
def square_sum(start: int, width: int, itemsize: int) -> float:
    """Return the sum of squares of a row in float64, which no float32 row can overflow.

    The order of the sum is the compiler's, one for each lane of a vector: the same for every row of that length.

    IN
        start : address of the first number
        width : how many there are
        itemsize : 4 for float32, 8 for float64
    """
    total = 0.0
    if itemsize == 4:
        for d in range(width):
            x = np.float64(float32_at(start, d))  # float() would leave it float32
            total += x * x
    else:
        for d in range(width):
            y = float64_at(start, d)
            total += y * y
    return total


@kernel
def _large_norm(start: int, width: int) -> float:
    """Return the norm of a float64 row whose squares overflow."""
    total = 0.0
    for d in range(width):
        x = float64_at(start, d) * _DOWN
        total += x * x
    return math.sqrt(total) / _DOWN


@kernel
def clip_factor(start: int, width: int, itemsize: int, clip_norm: float) -> float:
    """Return the factor in [0, 1] that takes a row's L2 norm to at most `clip_norm`.

    A row with NaN has the factor 1, one with infinity the factor 0: bad numbers stay bad and spread no further. So has
    a float32 row 10^38 times too long: the factor would be denormal.

    IN
        start, width, itemsize : the row, as in `square_sum`
        clip_norm : float64, positive
    """
    norm = math.sqrt(square_sum(start, width, itemsize))
    if norm == np.inf and itemsize == 8:
        norm = _large_norm(start, width)
    return clip_norm / norm if norm > clip_norm else 1.0
