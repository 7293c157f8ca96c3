"""Numbers stored as bfloat16: read as float32, written back with stochastic rounding.

bfloat16 has 8 bits of precision. Rounded to nearest, a step smaller than 1/256 of a weight is lost, and late in
training nearly all steps are. Stochastic rounding goes up with a probability proportional to the lost bits, so that
the stored number is right on average: small steps add up.

The random bits are a function of (seed, step, row, feature), so they depend neither on the threads nor on the other
rows of the step. A row has a salt and a first counter; the counter goes up by an odd constant from feature to feature,
and a hash of both gives the bits. As it is carried along, not computed from the 64-bit number of the feature, the
counter stays a 32-bit number in vector code; otherwise the hash takes four times as long. All of it is integer
arithmetic without a branch, which becomes vector code inside the loop of a step.

Reference: Gupta, Agrawal, Gopalakrishnan, Narayanan 2015, "Deep Learning with Limited Numerical Precision",
section 3. The hashes: Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators" (the 64-bit mixer of
rows), and the 32-bit finaliser of MurmurHash3 (features).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import by_type, kernel
from fastcands.simd.memory import as_float32, float32_bits

__all__ = ["COUNTER_STEP", "as_number", "as_stored", "from_bfloat16", "row_words", "to_bfloat16"]

COUNTER_STEP = np.uint32(0x9E3779B9)
"""What the counter goes up by from feature to feature."""

_INFINITY = np.uint32(0x7F800000)


@kernel
def _mix(word: Any) -> Any:
    """Return a 64-bit word all of whose bits depend on all bits of `word`."""
    word = np.uint64(word + np.uint64(0x9E3779B97F4A7C15))
    word = np.uint64((word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    word = np.uint64((word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(word ^ (word >> np.uint64(31)))


@kernel
def row_words(seed: Any, step: int, row: int) -> Any:
    """Return the counter of a row's first feature and the row's salt, two uint32.

    IN
        seed : uint64
        step, row : int64
    """
    key = _mix(_mix(_mix(seed) + np.uint64(step)) + np.uint64(row))
    return np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))


@kernel
def from_bfloat16(bits: Any) -> Any:
    """Return the float32 value of a bfloat16 number, exactly.

    IN
        bits : uint16
    """
    return as_float32(np.uint32(np.uint32(bits) << np.uint32(16)))


@kernel
def to_bfloat16(number: Any, counter: Any, salt: Any) -> Any:
    """Return a number as bfloat16, rounded up or down with probabilities that keep the mean.

    A random 16-bit number is added to the 16 bits that are cut off: the larger these are, the more likely is the
    carry. Numbers that bfloat16 has stay as they are. NaN stays NaN. A finite number beyond the largest of bfloat16
    becomes the largest, never infinity.

    IN
        number : float32
        counter, salt : uint32
    """
    exact = float32_bits(np.float32(number))
    x = np.uint32(np.uint32((counter ^ (counter >> np.uint32(16))) * np.uint32(0x85EBCA6B)) ^ salt)
    x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    magnitude = np.uint32(exact & np.uint32(0x7FFFFFFF))
    # a carry out of the 32 bits needs a NaN, which is not rounded
    upper = np.uint32(np.uint32(exact + np.uint32(x >> np.uint32(16))) >> np.uint32(16))
    overflows = (np.uint32(upper & np.uint32(0x7FFF)) == np.uint32(0x7F80)) & (magnitude < _INFINITY)
    upper = np.uint32(upper - np.uint32(overflows))
    quiet = np.uint32(np.uint32(exact >> np.uint32(16)) | np.uint32(0x40))
    return np.uint16(quiet if magnitude > _INFINITY else upper)


@by_type
def as_number(stored: Any) -> Any:
    """Return the value of a weight as it is stored: a uint16 is bfloat16.

    IN
        stored : float32, float64 or uint16
    """
    return stored


@by_type
def as_stored(before: Any, number: Any, counter: Any, salt: Any) -> Any:
    """Return a number as it is stored where `before` was: rounded if that is a uint16.

    IN
        before : float32, float64 or uint16
        number : of the type of `before`, or float32
        counter, salt : uint32
    """
    return number


@as_number.register(np.uint16)
def _value_of_bits(stored: Any) -> Any:
    return from_bfloat16(stored)


@as_stored.register(np.uint16)
def _rounded(before: Any, number: Any, counter: Any, salt: Any) -> Any:
    return to_bfloat16(number, counter, salt)
