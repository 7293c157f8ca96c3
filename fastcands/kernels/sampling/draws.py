"""Conversion of a sampler's draw for a loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["widen_draw"]


@kernel
def widen_draw(
    sampled: Any, num_classes: int, true_counts: Any, sampled_counts: Any, true_wide: Any, sampled_wide: Any
) -> bool:
    """Copy expected counts to float64; return whether they and the candidates are what a loss can use.

    One call instead of a dozen NumPy calls, which would take as long as the loss of a small batch.

    IN
        sampled : (S,) int64, to be in [0, num_classes)
        num_classes : V
        true_counts : (N,) float32, to be positive and finite
        sampled_counts : (S,) float32, the same
    OUT
        true_wide : (N,) float64
        sampled_wide : (S,) float64
    """
    good = True
    for k in range(len(sampled)):
        good &= bool(np.uint64(sampled[k]) < np.uint64(num_classes))
        count = sampled_counts[k]
        good &= bool((count > 0) & (count < np.inf))
        sampled_wide[k] = count
    for k in range(len(true_counts)):
        count = true_counts[k]
        good &= bool((count > 0) & (count < np.inf))
        true_wide[k] = count
    return good
