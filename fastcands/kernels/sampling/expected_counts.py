"""Expected counts of classes in a draw, from their probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["expected_counts", "inclusion_probabilities"]

_CONTRACT = frozenset({"contract"})
_LOG2_E = 1.4426950408889634
_LN2 = 0.6931471805599453
_INT32_END = 2.0**31
_EXPONENT_OF_ONE = np.int64(1023)
_MANTISSA_BITS = np.int64(52)


@kernel(fastmath=_CONTRACT)
def _one_minus_exp(x: float) -> float:
    """Return ``1 - exp(-x)`` for 0 <= x, relative error below 1e-10, without a branch."""
    x = min(x, 43.0)  # the rest of the way to 1 is less than half a last place
    power = np.int64(x * _LOG2_E + 0.5)
    r = np.float64(power) * _LN2 - x
    # exp(r) - 1 for abs(r) <= log(2) / 2, Taylor series
    y = 2.7557319223985893e-06
    y = y * r + 2.48015873015873e-05
    y = y * r + 1.984126984126984e-04
    y = y * r + 1.388888888888889e-03
    y = y * r + 8.333333333333333e-03
    y = y * r + 4.1666666666666664e-02
    y = y * r + 1.6666666666666666e-01
    y = y * r + 0.5
    y = y * r + 1.0
    scale = np.int64((_EXPONENT_OF_ONE - power) << _MANTISSA_BITS).view(np.float64)  # 2**-power
    return (1.0 - scale) - scale * (y * r)


@kernel(fastmath=_CONTRACT)
def expected_counts(counts: Any, num_sampled: int, num_tries: float) -> None:
    """Turn probabilities into expected counts, in place.

    ``p * num_sampled`` when no try was rejected, else ``1 - (1 - p)**num_tries``, rounded to float32 where TensorFlow
    rounds. Fast because logarithm and exponential are series in vector code; only p > 1/2 (one class at most) goes
    through the C library.

    IN
        num_sampled : int64
        num_tries : float64, a whole number
    OUT
        counts : (n,) float32, on entry the probabilities
    """
    if num_tries == np.float64(num_sampled):
        for i in range(len(counts)):
            counts[i] *= np.float32(num_sampled)
        return
    # TensorFlow's number of tries is an int32 and rounded to float32; beyond, there is no result to match
    tries = np.float64(np.float32(num_tries)) if num_tries < _INT32_END else num_tries
    for i in range(len(counts)):
        p = np.float64(counts[i])
        # -log1p(-p) = 2 * atanh(s), s <= 1/3 for p <= 1/2
        s = p / (2.0 - p)
        t = s * s
        y = 1.0 / 17.0
        y = y * t + 1.0 / 15.0
        y = y * t + 1.0 / 13.0
        y = y * t + 1.0 / 11.0
        y = y * t + 1.0 / 9.0
        y = y * t + 1.0 / 7.0
        y = y * t + 1.0 / 5.0
        y = y * t + 1.0 / 3.0
        rate = np.float32((y * t + 1.0) * s * 2.0)
        seen = np.float32(_one_minus_exp(np.float64(np.float32(tries * np.float64(rate)))))
        # a probability above 1/2 is left in place with its sign turned, for the loop below
        counts[i] = -counts[i] if p > 0.5 else seen
    for i in range(len(counts)):
        if counts[i] < 0.0:
            rate = np.float32(math.log1p(np.float64(counts[i])))
            counts[i] = np.float32(-math.expm1(tries * np.float64(rate)))


@kernel(fastmath=_CONTRACT)
def inclusion_probabilities(probabilities: Any, time: float, counts: Any) -> None:
    """Write the probability of arriving before `time` for each class whose arrivals have rate p.

    ``1 - exp(-p * time)``.

    IN
        probabilities : (n,) float64
        time : float64, above 0; infinite where every class of positive probability is included
    OUT
        counts : (n,) float32
    """
    for i in range(len(counts)):
        p = probabilities[i]
        counts[i] = np.float32(_one_minus_exp(p * time if p > 0.0 else 0.0))
