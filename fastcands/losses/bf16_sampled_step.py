"""Sampled losses by bfloat16 products: the same job as in float32, with other scratch and other stages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from fastcands.kernels.sampled_loss.bf16.gradients import PANELS_AT_ONCE
from fastcands.kernels.sampled_loss.bf16.job import TWINS, Bf16Workspace
from fastcands.kernels.table.blocking import BLOCK_WORDS, SIDE, whole_tiles
from fastcands.stages import Workspace
from fastcands.workspace import carve

__all__ = ["bf16_workspace"]

_DIGITS = 2048
_FLOAT32 = np.dtype(np.float32)
_PANELS, _STEPS = 8, 8
"""Panels and steps of features of one piece of work on the gradient of the inputs, at most."""


def _row_panels(candidates: int) -> int:
    """Return how many panels of 32 candidates make a block: 256 packed rows stay in the second-level cache."""
    return 8 if candidates >= 2048 else 4 if candidates >= 512 else 2 if candidates >= 128 else 1


def _whole(count: int) -> int:
    return -(-count // SIDE)


def _piece(panels: int, steps: int, threads: int) -> tuple[int, int]:
    """Return panels and steps of one piece of the inputs' gradient: the largest that leave work for each thread."""
    group, chunk = min(panels, _PANELS), min(steps, _STEPS)
    while -(-panels // group) * -(-steps // chunk) < threads and (group > 1 or chunk > 1):
        if group > 1:
            group = -(-group // 2)
        else:
            chunk = -(-chunk // 2)
    return group, chunk


def _scratch(
    examples: int, num_true: int, candidates: int, width: int, needs_grad: bool, threads: int, split: bool
) -> Iterator[tuple[tuple[int, ...], DTypeLike]]:
    """Yield shape and dtype of the arrays of a `Bf16Workspace`, in their order."""
    labels, padded, steps = examples * num_true, _whole(candidates) * SIDE, _whole(width)
    panels, row_panels = _whole(examples), _row_panels(candidates)
    blocks, words = -(-candidates // (row_panels * SIDE)), BLOCK_WORDS * (1 + split)
    kept = blocks if needs_grad else 0
    piece = _piece(panels, steps, threads)
    of_block = row_panels * steps if panels > PANELS_AT_ONCE else 1
    yield (6,), np.int64  # counters
    yield (4,), np.int64  # sizes
    yield (candidates,), np.int64  # classes
    yield (candidates,), np.int64  # addresses
    yield (padded,), _FLOAT32  # offsets
    yield (padded,), _FLOAT32  # copies
    yield (padded,), np.int64  # gradient_rows
    yield (labels,), np.int64  # label_candidates
    yield (labels,), np.int64  # label_order
    yield (labels + 1,), np.int64  # label_starts
    yield (labels,), np.int64  # label_gradient_rows
    yield (candidates,), np.float64  # log_counts
    yield (labels,), np.float64  # true_log_counts
    yield (candidates,), np.float64  # log_weights
    yield (2, max(candidates, labels)), np.int64  # orders
    yield (_DIGITS,), np.int64  # digits
    yield (labels, whole_tiles(width)), _FLOAT32  # label_weights
    yield (examples,), _FLOAT32  # log_normalizer
    yield (panels * SIDE,), _FLOAT32  # shifts
    yield (panels * SIDE,), _FLOAT32  # padded_upstream
    yield (examples, num_true), _FLOAT32  # true_logits
    yield (examples, num_true), _FLOAT32  # true_gradient
    yield (panels, steps, words), np.uint16  # packed_inputs
    yield (steps if needs_grad else 0, panels, words), np.uint16  # packed_inputs_t
    yield (threads, row_panels, steps, words), np.uint16  # packed_rows
    yield (-(-kept // TWINS), steps, TWINS * row_panels, words), np.uint16  # packed_rows_t
    yield (kept, row_panels, panels, words), np.uint16  # packed_gradients
    yield (blocks, panels, SIDE), _FLOAT32  # tile_max
    yield (blocks, panels, SIDE), _FLOAT32  # tile_sum
    yield (1,), np.int64  # exceeded
    yield (panels * SIDE,), _FLOAT32  # factors
    yield (threads * SIDE, steps * SIDE + 16), _FLOAT32  # rows, a line apart where their length is a power of two
    yield (3 * threads, SIDE, SIDE), _FLOAT32  # tile
    yield (threads if needs_grad else 0, TWINS * row_panels, words), np.uint16  # packed_gradients_t
    yield (threads, 2, SIDE), _FLOAT32  # references
    yield (threads, max(of_block, piece[0] * piece[1]) * SIDE * SIDE), _FLOAT32  # sums


def bf16_workspace(
    examples: int, num_true: int, candidates: int, width: int, needs_grad: bool, threads: int, split: bool
) -> Workspace:
    """Return the `Bf16Workspace` of one call, laid down.

    Parameters
    ----------
    examples, num_true, candidates, width : int
        B, T, S and D.
    needs_grad : bool
        Whether there will be a backward pass.
    threads : int
        Workers.
    split : bool
        Whether factors have lo parts.
    """
    shapes = examples, num_true, candidates, width, needs_grad, threads, split
    piece = _piece(_whole(examples), _whole(width), threads)
    return carve(
        ("bf16", *shapes), lambda: _scratch(*shapes),
        lambda arrays: Workspace(Bf16Workspace._make((*arrays, int(split), piece))),
    )  # fmt: skip
