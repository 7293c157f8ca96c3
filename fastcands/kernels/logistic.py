"""Sampled logistic losses: the true classes' part."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange

__all__ = ["add_true_losses"]


@parallel_kernel
def add_true_losses(
    true_logits: Any, targets: Any, shifts: Any, upstream: Any, totals: Any, loss: Any, true_gradient: Any,
    num_threads: int,
) -> None:  # fmt: skip
    """Add the losses of an example's tiles and of its true classes. Parallel over examples.

    A logit z with target y costs ``log(1 + e^z) - y z``, and its gradient is ``1 / (1 + e^-z) - y``.

    IN
        true_logits : (B, T); -inf where there is no class
        targets : (B, T) float64; 0 where there is no class
        shifts : (at least B,), what is subtracted from an example's logits
        upstream : (at least B,), weight of each example's loss in the gradients
        totals : (blocks, lanes), losses of the candidates
        num_threads : int
    OUT
        loss : (B,)
        true_gradient : (B, T), gradient with respect to the true logits
    """
    examples, num_true = true_logits.shape
    for index in prange(num_threads):
        worker = np.int64(index)
        for i in range(worker * examples // num_threads, (worker + 1) * examples // num_threads):
            total = 0.0
            for b in range(totals.shape[0]):
                total += float(totals[b, i])
            for t in range(num_true):
                z = float(true_logits[i, t]) - float(shifts[i])
                small = math.exp(-abs(z))
                total += (0.0 if z <= 0 else z) + math.log1p(small)
                if targets[i, t] != 0:
                    total -= targets[i, t] * z
                sigmoid = 1 / (1 + small) if z >= 0 else small / (1 + small)
                true_gradient[i, t] = upstream[i] * (sigmoid - targets[i, t])
            loss[i] = total
