"""Sizes of packed arrays, by which callers allocate what kernels fill."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from fastcands.simd.dot.blocks import BLOCK_BYTES, SIDE
from fastcands.simd.exp import LOWEST
from fastcands.simd.target import MR, VECTOR_BYTES

__all__ = ["BLOCK_WORDS", "LOWEST", "MR", "SIDE", "panel_width", "panels_for", "whole_tiles"]

BLOCK_WORDS = BLOCK_BYTES // 2
"""bfloat16 numbers of a packed block of SIDE x SIDE."""


def panel_width(dtype: DTypeLike) -> int:
    """Return how many numbers of `dtype` a panel (two vectors) holds."""
    return 2 * VECTOR_BYTES // np.dtype(dtype).itemsize


def panels_for(count: int, dtype: DTypeLike) -> int:
    """Return how many panels hold `count` numbers."""
    return -(-count // panel_width(dtype))


def whole_tiles(count: int) -> int:
    """Return `count` rounded up to a multiple of MR."""
    return -(-count // MR) * MR
