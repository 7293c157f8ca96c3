"""Micro-kernels against NumPy in float64, for both element types."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.table.blocking import panel_width
from fastcands.simd.gemm import gemm_nt, gemm_scatter, gemm_tn
from fastcands.simd.target import MR
from fastcands.simd.vector import address

DTYPES = [np.float32, np.float64]


@kernel
def _nt(table, panels, panel, depth, offsets, out):
    gemm_nt(address(table, 0), table.shape[1], panels, panel, depth, address(offsets, 0), address(out, 0))


@kernel
def _tn(table, panels, panel, depth, out):
    gemm_tn(address(table, 0), table.shape[1], panels, panel, depth, address(out, 0))


@kernel
def _scatter(tiles, panels, panel, out, rows, features, add):
    stride = tiles.shape[1] * tiles.shape[2]
    gemm_scatter(
        address(tiles, 0), tiles.shape[0], stride, panels, panel, address(out, 0), address(rows, 0), out.shape[1],
        features, add,
    )  # fmt: skip


def _close(got, want, left, right):
    """Check against the usual bound of a sum of products: eps times the sum of their magnitudes."""
    size = np.abs(left).astype(float) @ np.abs(right).astype(float) + np.abs(want)
    assert (np.abs(got - want) <= 2 * np.finfo(got.dtype).eps * size).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [4, 8, 20, 516])
def test_gemm_nt(dtype, depth):
    rng = np.random.default_rng(depth)
    width = panel_width(dtype)
    table = rng.normal(size=(MR, depth + 3)).astype(dtype)
    panels = rng.normal(size=(2, depth, width)).astype(dtype)
    offsets = rng.normal(size=MR).astype(dtype)
    out = np.full((MR, width), np.nan, dtype)
    _nt(table, panels, depth * width, depth, offsets, out)
    want = table[:, :depth].astype(float) @ panels[1].astype(float) + offsets[:, None]
    _close(out, want, table[:, :depth], panels[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [4, 12, 128])
def test_gemm_tn(dtype, depth):
    rng = np.random.default_rng(depth)
    width = panel_width(dtype)
    table = rng.normal(size=(depth, MR + 5)).astype(dtype)
    panels = rng.normal(size=(2, depth, width)).astype(dtype)
    before = rng.normal(size=(MR, width)).astype(dtype)
    out = before.copy()
    _tn(table, panels, depth * width, depth, out)
    want = before + table[:, :MR].astype(float).T @ panels[1].astype(float)
    _close(out, want, table[:, :MR].T, panels[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("add", [0, 1])
def test_gemm_scatter_writes_the_named_rows_and_features_only(dtype, add):
    rng = np.random.default_rng(add)
    width = panel_width(dtype)
    for count in (1, 3):
        tiles = rng.normal(size=(count, MR, width)).astype(dtype)
        panels = rng.normal(size=(1 + count * width, width)).astype(dtype)
        for features in range(1, width + 1):
            rows = rng.permutation(2 * MR)[:MR]
            before = rng.normal(size=(2 * MR, width + 2)).astype(dtype)
            out = before.copy()
            _scatter(tiles, panels, width, out, rows, features, add)
            left = tiles.transpose(1, 0, 2).reshape(MR, -1)
            want = left.astype(float) @ panels[1:, :features].astype(float) + add * before[rows, :features]
            _close(out[rows, :features], want, left, panels[1:, :features])
            untouched = np.setdiff1d(np.arange(2 * MR), rows)
            np.testing.assert_array_equal(out[untouched], before[untouched])
            np.testing.assert_array_equal(out[:, features:], before[:, features:])


def test_nan_and_infinity_come_through():
    width = panel_width(np.float32)
    table = np.zeros((MR, 4), np.float32)
    table[0, 0], table[1, 1] = np.nan, np.inf
    panels = np.ones((4, width), np.float32)
    out = np.empty((MR, width), np.float32)
    _nt(table, panels, 0, 4, np.zeros(MR, np.float32), out)
    assert np.isnan(out[0]).all()
    assert np.isposinf(out[1]).all()
    assert (out[2:] == 0).all()
