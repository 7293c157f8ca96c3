"""Losses whose candidates differ from example to example.

Each example reads its own T + S rows. So there is no matrix product to divide into tiles, and the time depends on
memory. True classes come first in every array.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.kernels.epilogues.per_logit import terms_of
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.kernels.table.label_logits import dot

__all__ = ["example_input_gradients", "example_logits", "example_softmax", "example_terms"]


@parallel_kernel
def example_logits(
    table: Any, addresses: Any, inputs: Any, offsets: Any, rows: Any, logits: Any, num_threads: int
) -> None:
    """``logits[i, k] = inputs[i] @ row k of example i + offsets[i, k]``; parallel over i.

    IN
        table : TableView
        addresses : (B, K) int64, where each row starts
        inputs : (B, D)
        offsets : (B, K)
        num_threads : int
    SCRATCH
        rows : (num_threads, K, at least D)
    OUT
        logits : (B, K)
    """
    examples, count = addresses.shape
    width = table.width
    for index in prange(num_threads):
        worker = np.int64(index)
        own, flat = rows[worker], addresses.reshape(-1)
        for i in range(worker * examples // num_threads, (worker + 1) * examples // num_threads):
            gather_rows_of(flat, i * count, (i + 1) * count, table, own, 0)
            for k in range(count):
                logits[i, k] = dot(inputs, i, own, k, width) + offsets[i, k]


@parallel_kernel
def example_softmax(logits: Any, targets: Any, upstream: Any, loss: Any, num_threads: int) -> None:
    """Turn each example's logits into its softmax cross-entropy and the gradient of its logits. Parallel over examples.

    IN
        targets : (B, T) float64, of the first T logits; the others have target 0
        upstream : (B,), weight of each example's loss in the gradients
        num_threads : int
    IN, OUT
        logits : (B, T + S), -inf where masked; replaced by their gradient
    OUT
        loss : (B,)
    """
    examples, count = logits.shape
    num_true = targets.shape[1]
    for index in prange(num_threads):
        worker = np.int64(index)
        for i in range(worker * examples // num_threads, (worker + 1) * examples // num_threads):
            total = 0.0
            gain = 0.0
            high = -math.inf
            for k in range(count):
                high = max(high, np.float64(logits[i, k]))
            high = max(high, -1e300)
            for k in range(count):
                total += math.exp(np.float64(logits[i, k]) - high)
            for t in range(num_true):
                if targets[i, t] != 0:
                    gain += np.float64(targets[i, t]) * (np.float64(logits[i, t]) - high)
            total = math.log(total)
            for k in range(count):
                target = np.float64(targets[i, k]) if k < num_true else 0.0
                logits[i, k] = upstream[i] * (math.exp(np.float64(logits[i, k]) - high - total) - target)
            loss[i] = total - gain


@parallel_kernel
def example_terms(
    logits: Any, targets: Any, shifts: Any, upstream: Any, terms: int, loss: Any, num_threads: int
) -> None:
    """Turn each example's logits into a loss of single logits and the gradient of the logits. Parallel over examples.

    IN
        targets : (B, T) float64, of the first T logits; the others have target 0
        shifts : (B,), subtracted from the logits
        upstream : (B,), weight of each example's loss in the gradients
        terms : address, see `per_logit.terms_of`
        num_threads : int
    IN, OUT
        logits : (B, T + S), -inf where masked; replaced by their gradient
    OUT
        loss : (B,)
    """
    examples, count = logits.shape
    num_true = targets.shape[1]
    for index in prange(num_threads):
        worker = np.int64(index)
        for i in range(worker * examples // num_threads, (worker + 1) * examples // num_threads):
            total = 0.0
            corrections = 0.0
            for k in range(count):
                z = np.float64(logits[i, k]) - np.float64(shifts[i])
                target = np.float64(targets[i, k]) if k < num_true else 0.0
                term, slope, more, change = terms_of(terms, z, target)
                total += term
                corrections += more
                logits[i, k] = upstream[i] * (slope + change)
            loss[i] = total + corrections


@parallel_kernel
def example_input_gradients(
    table: Any, addresses: Any, gradient: Any, rows: Any, d_inputs: Any, num_threads: int
) -> None:
    """``d_inputs[i] = gradient[i] @ rows of example i``; parallel over i.

    IN
        table : TableView
        addresses : (B, K) int64, where each row starts
        gradient : (B, K), of the logits
        num_threads : int
    SCRATCH
        rows : (num_threads, K, at least D)
    OUT
        d_inputs : (B, D)
    """
    examples, count = addresses.shape
    width = table.width
    for index in prange(num_threads):
        worker = np.int64(index)
        own, flat = rows[worker], addresses.reshape(-1)
        for i in range(worker * examples // num_threads, (worker + 1) * examples // num_threads):
            gather_rows_of(flat, i * count, (i + 1) * count, table, own, 0)
            for d in range(width):
                d_inputs[i, d] = 0
            for k in range(count):
                share = gradient[i, k]
                for d in range(width):
                    d_inputs[i, d] += share * own[k, d]
