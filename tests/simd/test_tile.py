"""Loops over a tile, and the exponential, against NumPy in a wider type."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.table.blocking import panel_width
from fastcands.simd.tile import exp_tile, scale_tile
from fastcands.simd.vector import address

DTYPES = [np.float32, np.float64]
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


@kernel
def _exp(tile, reference):
    exp_tile(tile, address(tile, 0), tile.shape[0], tile.shape[1], address(reference, 0))


@kernel
def _scale(tile, factors, row_sums):
    scale_tile(tile, address(tile, 0), tile.shape[0], address(factors, 0), address(row_sums, 0))


def _exp_of(x):
    """Return exp of a flat array through the loop over a tile."""
    width = panel_width(x.dtype)
    tile = np.zeros((-(-len(x) // width), width), x.dtype)
    tile.reshape(-1)[: len(x)] = x
    _exp(tile, np.zeros(width, x.dtype))
    return tile.reshape(-1)[: len(x)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_within_one_unit_in_the_last_place(dtype):
    low, high = (-87.33, 88.722) if dtype == np.float32 else (-708.39, 709.782)
    rng = np.random.default_rng(0)
    spread = np.concatenate([np.linspace(low, high, 300_001), rng.normal(size=100_000), [0.0, -0.0, -1e-30, 1e-8]])
    x = spread.astype(dtype)
    want = np.exp(x.astype(WIDER[dtype]))
    error = np.abs(_exp_of(x) - want) / np.spacing(want.astype(dtype)).astype(WIDER[dtype])
    assert error.max() < 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_where_the_result_is_no_ordinary_number(dtype):
    lowest = -87.4 if dtype == np.float32 else -708.5
    highest = 88.723 if dtype == np.float32 else 709.79
    x = np.array([lowest, -1e4, -1e30, -np.inf, np.nan, 0.0, highest, 1e30, np.inf], dtype)
    np.testing.assert_array_equal(_exp_of(x), np.array([0, 0, 0, 0, np.nan, 1, np.inf, np.inf, np.inf], dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_scale_tile(dtype):
    rng = np.random.default_rng(2)
    width, rows = panel_width(dtype), 11
    logits = -rng.random((rows, width)).astype(dtype) * 5
    factors = rng.random(width).astype(dtype)
    tile, sums = logits.copy(), np.ones((rows, width // 2), dtype)
    _scale(tile, factors, sums)
    np.testing.assert_array_equal(tile, logits * factors)
    np.testing.assert_allclose(
        sums.sum(axis=1), width // 2 + tile.astype(float).sum(axis=1), rtol=100 * np.finfo(dtype).eps
    )
