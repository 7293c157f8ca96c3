"""Tiles of a softmax against NumPy in a wider type."""

import numpy as np
import pytest

from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.kernels.table.blocking import panel_width
from tests.kernels.epilogues.tiles import run_tile

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 5, 128])
def test_reduce(dtype, rows):
    width = panel_width(dtype)
    tile = np.random.default_rng(rows).normal(size=(rows, width)).astype(dtype) * 10
    tile[0, 1] = -np.inf
    before = tile.astype(float)
    maximum, total = np.empty((2, width), dtype)
    run_tile(SOFTMAX, "reduce", tile, tile_max=maximum, tile_sum=total)
    highest = np.maximum(before.max(axis=0), -1e38)
    want = np.exp(before - highest)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(maximum, highest, rtol=eps)
    np.testing.assert_allclose(tile, want, rtol=100 * eps, atol=np.finfo(dtype).tiny)
    np.testing.assert_allclose(total, want.sum(axis=0), rtol=rows * eps + 100 * eps)


def test_an_example_without_a_candidate_sums_to_zero():
    width = panel_width(np.float32)
    tile = np.full((3, width), -np.inf, np.float32)
    maximum, total = np.empty((2, width), np.float32)
    run_tile(SOFTMAX, "reduce", tile, tile_max=maximum, tile_sum=total)
    assert (tile == 0).all()
    assert (total == 0).all()
    assert np.isfinite(maximum).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_accumulate_equals_one_softmax_of_all_tiles(dtype):
    width = panel_width(dtype)
    tiles = np.random.default_rng(1).normal(size=(6, 8, width)).astype(dtype) * 20
    maximum, total = np.full(width, -1e38, dtype), np.zeros(width, dtype)
    for tile in tiles:
        before = tile.copy()
        run_tile(SOFTMAX, "accumulate", tile, tile_max=maximum, tile_sum=total)
        np.testing.assert_array_equal(tile, before)
    everything = tiles.reshape(-1, width).astype(float)
    np.testing.assert_array_equal(maximum, everything.max(axis=0))
    np.testing.assert_allclose(
        total, np.exp(everything - everything.max(axis=0)).sum(axis=0), rtol=100 * np.finfo(dtype).eps
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_differentiate(dtype):
    rng = np.random.default_rng(2)
    width, rows = panel_width(dtype), 11
    logits = -rng.random((rows, width)).astype(dtype) * 5
    scale, shifts = rng.random(width).astype(dtype), rng.normal(size=width).astype(dtype)
    eps = np.finfo(dtype).eps
    tile, sums = logits.copy(), np.zeros((rows, width // 2), dtype)
    run_tile(SOFTMAX, "differentiate", tile, shifts=shifts, scale=scale, row_sums=sums)
    want = np.exp(logits.astype(float) - shifts) * scale
    np.testing.assert_allclose(tile, want, rtol=100 * eps)
    np.testing.assert_allclose(sums.sum(axis=1), want.sum(axis=1), rtol=100 * eps)
