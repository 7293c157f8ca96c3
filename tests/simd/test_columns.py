"""Column operations and the exponential against NumPy in a wider type."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.table.blocking import panel_width
from fastcands.simd.columns import (
    exp_columns,
    probability_columns,
    scale_columns,
    softmax_columns,
    update_softmax_columns,
)
from fastcands.simd.vector import address

DTYPES = [np.float32, np.float64]
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


@kernel
def _exp(tile, reference):
    exp_columns(tile, address(tile, 0), tile.shape[0], tile.shape[1], address(reference, 0))


@kernel
def _softmax(tile, maximum, total):
    softmax_columns(tile, address(tile, 0), tile.shape[0], address(maximum, 0), address(total, 0))


@kernel
def _update(tile, maximum, total):
    update_softmax_columns(tile, address(tile, 0), tile.shape[0], address(maximum, 0), address(total, 0))


@kernel
def _scale(tile, factors, row_sums):
    scale_columns(tile, address(tile, 0), tile.shape[0], address(factors, 0), address(row_sums, 0))


@kernel
def _probability(tile, reference, factors, row_sums):
    probability_columns(
        tile,
        address(tile, 0),
        tile.shape[0],
        address(reference, 0),
        address(factors, 0),
        address(row_sums, 0),
    )


def _exp_of(x):
    """Return exp of a flat array through the column operation."""
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
@pytest.mark.parametrize("rows", [1, 5, 128])
def test_softmax_columns(dtype, rows):
    width = panel_width(dtype)
    tile = np.random.default_rng(rows).normal(size=(rows, width)).astype(dtype) * 10
    tile[0, 1] = -np.inf
    before = tile.astype(float)
    maximum, total = np.empty((2, width), dtype)
    _softmax(tile, maximum, total)
    highest = np.maximum(before.max(axis=0), -1e38)
    want = np.exp(before - highest)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(maximum, highest, rtol=eps)
    np.testing.assert_allclose(tile, want, rtol=100 * eps, atol=np.finfo(dtype).tiny)
    np.testing.assert_allclose(total, want.sum(axis=0), rtol=rows * eps + 100 * eps)


def test_a_column_without_a_candidate_sums_to_zero():
    width = panel_width(np.float32)
    tile = np.full((3, width), -np.inf, np.float32)
    maximum, total = np.empty((2, width), np.float32)
    _softmax(tile, maximum, total)
    assert (tile == 0).all()
    assert (total == 0).all()
    assert np.isfinite(maximum).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_update_equals_one_softmax_of_all_tiles(dtype):
    width = panel_width(dtype)
    tiles = np.random.default_rng(1).normal(size=(6, 8, width)).astype(dtype) * 20
    maximum, total = np.full(width, -1e38, dtype), np.zeros(width, dtype)
    for tile in tiles:
        before = tile.copy()
        _update(tile, maximum, total)
        np.testing.assert_array_equal(tile, before)
    everything = tiles.reshape(-1, width).astype(float)
    np.testing.assert_array_equal(maximum, everything.max(axis=0))
    np.testing.assert_allclose(
        total, np.exp(everything - everything.max(axis=0)).sum(axis=0), rtol=100 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_scale_and_probability_columns(dtype):
    rng = np.random.default_rng(2)
    width, rows = panel_width(dtype), 11
    logits = -rng.random((rows, width)).astype(dtype) * 5
    factors, reference = rng.random(width).astype(dtype), rng.normal(size=width).astype(dtype)
    eps = np.finfo(dtype).eps

    tile, sums = logits.copy(), np.ones((rows, width // 2), dtype)
    _scale(tile, factors, sums)
    np.testing.assert_array_equal(tile, logits * factors)
    np.testing.assert_allclose(sums.sum(axis=1), width // 2 + tile.astype(float).sum(axis=1), rtol=100 * eps)

    tile, sums = logits.copy(), np.zeros((rows, width // 2), dtype)
    _probability(tile, reference, factors, sums)
    want = np.exp(logits.astype(float) - reference) * factors
    np.testing.assert_allclose(tile, want, rtol=100 * eps)
    np.testing.assert_allclose(sums.sum(axis=1), want.sum(axis=1), rtol=100 * eps)
