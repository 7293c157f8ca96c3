"""Tiles and terms of the logistic loss against NumPy in a wider type."""

import numpy as np
import pytest

from fastcands.kernels.epilogues.logistic import LOGISTIC
from fastcands.kernels.epilogues.per_logit import terms_of_all
from fastcands.kernels.table.blocking import panel_width
from tests.kernels.epilogues.tiles import run_tile

DTYPES = [np.float32, np.float64]
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


def _run(tile, copies, shifts, upstream):
    """Return gradients and losses of a tile."""
    gradient, total, highest = tile.copy(), np.empty(tile.shape[1], tile.dtype), np.empty(tile.shape[1], tile.dtype)
    run_tile(
        LOGISTIC, "reduce", gradient, copies=copies, shifts=shifts, scale=upstream, tile_max=highest, tile_sum=total
    )
    assert (highest == 1).all()
    return gradient, total


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 5, 128])
def test_reduce(dtype, rows):
    width, wide = panel_width(dtype), WIDER[dtype]
    rng = np.random.default_rng(rows)
    tile = (rng.normal(size=(rows, width)) * 10).astype(dtype)
    copies = rng.integers(1, 4, rows).astype(dtype)
    shifts, upstream = rng.normal(size=(2, width)).astype(dtype)
    gradient, total = _run(tile, copies, shifts, upstream)
    z = (tile - shifts).astype(wide)  # rounded once, as there
    eps = np.finfo(dtype).eps
    want = copies.astype(wide)[:, None] * np.logaddexp(0, z)
    np.testing.assert_allclose(total, want.sum(axis=0), rtol=(rows + 4) * eps)
    want = copies.astype(wide)[:, None] * upstream.astype(wide) / (1 + np.exp(-z))
    np.testing.assert_allclose(gradient, want, rtol=6 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_from_zero(dtype):
    width, eps = panel_width(dtype), np.finfo(dtype).eps
    lowest = -80.0 if dtype == np.float32 else -700.0
    z = np.concatenate([np.linspace(lowest, -lowest, 4 * width - 3), [1e30, 1e-30, 0.0]]).astype(dtype)
    ones, zeros = np.ones(width, dtype), np.zeros(width, dtype)
    for part in z.reshape(4, 1, width):
        gradient, total = _run(part, np.ones(1, dtype), zeros, ones)
        exact = part[0].astype(np.longdouble)
        np.testing.assert_allclose(total, np.logaddexp(0, exact), rtol=4 * eps)
        np.testing.assert_allclose(gradient[0], 1 / (1 + np.exp(-exact)), rtol=6 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_that_are_no_ordinary_numbers(dtype):
    width = panel_width(dtype)
    tile = np.zeros((3, width), dtype)
    tile[1, :4] = -np.inf, np.inf, np.nan, -1e30
    ones = np.ones(width, dtype)
    gradient, total = _run(tile, np.ones(3, dtype), np.zeros(width, dtype), ones)
    np.testing.assert_array_equal(gradient[1, :4], np.array([0, 1, np.nan, 0], dtype))
    np.testing.assert_allclose(total[:4], [2 * np.log(2), np.inf, np.nan, 2 * np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(gradient[[0, 2]], np.full((2, width), 0.5, dtype))  # the other rows' numbers stay
    np.testing.assert_allclose(total[4:], 3 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_parts_agree(dtype):
    """The value of an exact loss, and its gradients, are those of `reduce` added to what is there."""
    rng, width, rows = np.random.default_rng(4), panel_width(dtype), 9
    logits = rng.normal(size=(rows, width)).astype(dtype) * 3
    copies, shifts, scale = np.ones(rows, dtype), rng.normal(size=width).astype(dtype), rng.random(width).astype(dtype)
    gradient, total = _run(logits, copies, shifts, scale)
    tile, sums = logits.copy(), np.full(width, 2, dtype)
    run_tile(LOGISTIC, "accumulate", tile, copies=copies, shifts=shifts, tile_sum=sums)
    np.testing.assert_array_equal(tile, logits)
    np.testing.assert_array_equal(sums, total + dtype(2))
    sums, row_sums = np.full(width, 2, dtype), np.ones((rows, width // 2), dtype)
    run_tile(
        LOGISTIC, "differentiate", tile, copies=copies, shifts=shifts, scale=scale, tile_sum=sums, row_sums=row_sums
    )
    np.testing.assert_array_equal(tile, gradient)
    np.testing.assert_array_equal(sums, total + dtype(2))
    halves = gradient[:, : width // 2] + gradient[:, width // 2 :]
    np.testing.assert_array_equal(row_sums, 1 + halves)


@pytest.mark.parametrize("z", [0.0, 1.5, -1.5, 40.0, -40.0, 1e3, -1e3])
@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_terms(z, target):
    terms = np.empty((4, 1))
    terms_of_all(LOGISTIC.terms, np.array([z]), np.array([target]), terms)
    loss, slope, more, change = terms[:, 0]
    np.testing.assert_allclose(loss, np.logaddexp(0, z), rtol=1e-15)
    np.testing.assert_allclose(slope, 1 / (1 + np.exp(-z)) if z > -500 else np.exp(z), rtol=1e-15, atol=1e-300)
    assert (more, change) == (-target * z, -target)


def test_a_masked_logit_costs_nothing():
    terms = np.empty((4, 1))
    terms_of_all(LOGISTIC.terms, np.array([-np.inf]), np.array([0.0]), terms)
    assert terms[:, 0].tolist() == [0, 0, 0, 0]
