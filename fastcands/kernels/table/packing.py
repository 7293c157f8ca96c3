"""Inputs in the order in which the products read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.simd.target import VECTOR_BYTES
from fastcands.simd.transpose import transpose_square
from fastcands.simd.vector import address

__all__ = ["pack_inputs", "pack_panel"]


@kernel
def pack_panel(inputs: Any, j: int, by_example: Any, by_feature: Any) -> None:
    """Copy the examples of one panel; what lies beyond the inputs is zero.

    IN
        inputs : (B, D) float32 or float64, C-contiguous
        j : panel
    OUT
        by_example : (panels, at least D, NR), of which panel j
        by_feature : (feature panels, panels NR, NR), of which rows j NR to (j + 1) NR
    """
    examples, width = inputs.shape
    depth, lanes = by_example.shape[1:]
    feature_panels = by_feature.shape[0]
    side = VECTOR_BYTES // inputs.itemsize
    whole_lanes, whole_width = min(lanes, examples - j * lanes) // side * side, width // side * side
    for lane in range(0, whole_lanes, side):
        for d in range(0, whole_width, side):
            transpose_square(
                inputs, address(inputs, (j * lanes + lane) * width + d), width,
                address(by_example, (j * depth + d) * lanes + lane), lanes,
            )  # fmt: skip
    for lane in range(lanes):
        i = j * lanes + lane
        if i < examples:
            for d in range(whole_width if lane < whole_lanes else 0, width):
                by_example[j, d, lane] = inputs[i, d]
            for d in range(width, depth):
                by_example[j, d, lane] = 0
            for p in range(feature_panels):
                here = min(lanes, width - p * lanes)
                for q in range(here):
                    by_feature[p, i, q] = inputs[i, p * lanes + q]
                for q in range(here, lanes):
                    by_feature[p, i, q] = 0
        else:
            for d in range(depth):
                by_example[j, d, lane] = 0
            for p in range(feature_panels):
                for q in range(lanes):
                    by_feature[p, i, q] = 0


@parallel_kernel
def pack_inputs(inputs: Any, by_example: Any, by_feature: Any, num_threads: int) -> None:
    """Copy the inputs into panels; what lies beyond them is zero. Parallel over blocks of examples.

    IN
        inputs : (B, D) float32 or float64
        num_threads : int
    OUT
        by_example : (panels, at least D, NR); lane l of panel j is example j NR + l
        by_feature : (feature panels, panels NR, NR), or (0, panels NR, NR) when it is not wanted;
            lane l of panel p is feature p NR + l
    """
    for index in prange(by_example.shape[0]):
        pack_panel(inputs, np.int64(index), by_example, by_feature)
