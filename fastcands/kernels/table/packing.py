"""Inputs packed into panels, the order in which products read them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.target import VECTOR_BYTES
from fastcands.simd.transpose import transpose_square
from fastcands.simd.vector import address

__all__ = ["copy_block", "pack_inputs", "pack_panel"]


@kernel
def pack_panel(inputs: Any, j: int, packed: Any, packed_t: Any) -> None:
    """Copy the examples of one panel; beyond the inputs it is filled with zeros.

    IN
        inputs : (B, D) float32 or float64, C-contiguous
        j : panel
    OUT
        packed : (panels, at least D, NR); panel j is written
        packed_t : (feature panels, panels NR, NR); rows j NR to (j + 1) NR are written
    """
    examples, width = inputs.shape
    depth, nr = packed.shape[1:]
    feature_panels = packed_t.shape[0]
    side = VECTOR_BYTES // inputs.itemsize
    whole_examples, whole_width = min(nr, examples - j * nr) // side * side, width // side * side
    for e in range(0, whole_examples, side):
        for d in range(0, whole_width, side):
            transpose_square(
                inputs, address(inputs, (j * nr + e) * width + d), width,
                address(packed, (j * depth + d) * nr + e), nr,
            )  # fmt: skip
    for e in range(nr):
        i = j * nr + e
        if i < examples:
            for d in range(whole_width if e < whole_examples else 0, width):
                packed[j, d, e] = inputs[i, d]
            for d in range(width, depth):
                packed[j, d, e] = 0
            for p in range(feature_panels):
                here = min(nr, width - p * nr)
                for q in range(here):
                    packed_t[p, i, q] = inputs[i, p * nr + q]
                for q in range(here, nr):
                    packed_t[p, i, q] = 0
        else:
            for d in range(depth):
                packed[j, d, e] = 0
            for p in range(feature_panels):
                for q in range(nr):
                    packed_t[p, i, q] = 0


@parallel_kernel
def pack_inputs(inputs: Any, packed: Any, packed_t: Any, num_threads: int) -> None:
    """Copy the inputs into panels; beyond the inputs these are filled with zeros. Parallel over panels of examples.

    IN
        inputs : (B, D) float32 or float64
        num_threads : int
    OUT
        packed : (panels, at least D, NR); number l of a row of panel j belongs to example j NR + l
        packed_t : (feature panels, panels NR, NR), or (0, panels NR, NR) if it is not needed; number l of a row of
            panel p belongs to feature p NR + l
    """
    for index in prange(packed.shape[0]):
        pack_panel(inputs, np.int64(index), packed, packed_t)


@kernel
def copy_block(inputs: Any, first: int, begin: int, tile: Any, w: int) -> None:
    """``tile[w] = inputs[first:first + 32, begin:begin + 32]``, zero beyond them.

    IN
        inputs : (B, D) float32
        first, begin : first example and feature
        w : index of the tile
    OUT
        tile : (workers, 32, 32)
    """
    examples, features = min(SIDE, inputs.shape[0] - first), min(SIDE, inputs.shape[1] - begin)
    for i in range(examples):
        for d in range(features):
            tile[w, i, d] = inputs[first + i, begin + d]
        for d in range(features, SIDE):
            tile[w, i, d] = 0
    for i in range(examples, SIDE):
        for d in range(SIDE):
            tile[w, i, d] = 0
