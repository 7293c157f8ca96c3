"""Squares turned over their diagonal, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.table.blocking import panel_width
from fastcands.simd.transpose import transpose_square
from fastcands.simd.vector import address


@kernel
def _turn(source, start, out, at):
    transpose_square(source, address(source, start), source.shape[1], address(out, at), out.shape[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_square_inside_larger_arrays(dtype):
    side = panel_width(dtype) // 2
    rng = np.random.default_rng(0)
    source = rng.normal(size=(side + 3, side + 5)).astype(dtype)
    source[2, 3], source[3, 3] = np.nan, -np.inf
    out = np.full((side + 2, side + 7), 5, dtype)
    expected = out.copy()
    expected[1 : side + 1, 4 : side + 4] = source[2 : side + 2, 3 : side + 3].T
    _turn(source, 2 * source.shape[1] + 3, out, out.shape[1] + 4)
    np.testing.assert_array_equal(out, expected)
