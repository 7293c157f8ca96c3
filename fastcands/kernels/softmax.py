"""Sampled softmax: the normaliser, the loss, and the factors that turn tiles into gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.simd.columns import exp_columns
from fastcands.simd.vector import address

__all__ = ["normalise"]


@parallel_kernel
def normalise(
    true_logits: Any, targets: Any, upstream: Any, peaks: Any, totals: Any, loss: Any, true_gradient: Any,
    num_threads: int,
) -> None:  # fmt: skip
    """Join the tiles' maxima and sums and the true logits: the loss, and the factors of its gradient.

    loss = logsumexp(all logits) - sum(targets * true logits). Parallel over panels of examples.

    IN
        true_logits : (B, T); -inf where there is no class
        targets : (B, T) float64, rows sum to 1; 0 where there is no class
        upstream : (B,), weight of each example's loss in the gradients
        num_threads : int
    IN, OUT
        peaks : (blocks, panels, PANEL), maxima; becomes the factor that turns a tile into gradients
    IN
        totals : (blocks, panels, PANEL), sums
    OUT
        loss : (B,)
        true_gradient : (B, T), gradient with respect to the true logits
    """
    blocks, panels, lanes = peaks.shape
    examples, num_true = true_logits.shape
    for index in prange(num_threads):
        worker = np.int64(index)
        for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
            highest = peaks[0, j].copy()
            for b in range(blocks):
                for lane in range(lanes):
                    highest[lane] = max(highest[lane], peaks[b, j, lane])
            for lane in range(min(lanes, examples - j * lanes)):
                for t in range(num_true):
                    highest[lane] = max(highest[lane], true_logits[j * lanes + lane, t])
            exp_columns(peaks, address(peaks, j * lanes), blocks, panels * lanes, address(highest, 0))
            for lane in range(lanes):
                i = j * lanes + lane
                if i >= examples:
                    for b in range(blocks):
                        peaks[b, j, lane] = 0
                    continue
                total = 0.0
                for b in range(blocks):
                    total += float(totals[b, j, lane]) * float(peaks[b, j, lane])
                high = float(highest[lane])
                mean = 0.0
                for t in range(num_true):
                    total += math.exp(float(true_logits[i, t]) - high)
                    if targets[i, t] != 0:
                        mean += float(targets[i, t]) * (float(true_logits[i, t]) - high)
                normaliser = math.log(total)
                loss[i] = normaliser - mean
                factor = upstream[i] * math.exp(-normaliser)
                for b in range(blocks):
                    peaks[b, j, lane] *= factor
                for t in range(num_true):
                    share = math.exp(float(true_logits[i, t]) - high - normaliser)
                    true_gradient[i, t] = upstream[i] * (share - targets[i, t])
