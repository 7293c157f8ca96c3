"""Blocks of logits between products, against NumPy in float64."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.bfloat16 import BLOCK_BYTES, SIDE, pack_left
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.matrix_columns import add_weighted_rows, scatter_block
from fastcands.simd.matrix_rows import exp_block, logistic_block
from fastcands.simd.vector import address
from fastcands.workspace import scratch
from tests.matrix_tiles import no_tiles, parts

WORDS = BLOCK_BYTES // 2
SPLIT = pytest.mark.parametrize("split", [0, 1])


@kernel
def _exp(block, offsets, shifts, split, peaks, totals, left):
    mode = flush_denormals()
    exp_block(
        address(block, 0), address(offsets, 0), address(shifts, 0), split, address(peaks, 0), address(totals, 0),
        address(left, 0), address(left, 0),
    )  # fmt: skip
    restore_denormals(mode)


@kernel
def _pack(source, split, out, place):
    pack_left(address(source, 0), source.shape[1], split, address(out, place))


@kernel
def _weighted(panel, blocks, split, factors, sums):
    add_weighted_rows(address(panel, 0), blocks, split, address(factors, 0), address(sums, 0))


@kernel
def _scatter(block, rows, numbers, out, begin, columns):
    scatter_block(address(block, 0), rows, address(numbers, 0), address(out, begin), out.shape[1], columns)


@pytest.mark.parametrize("rows", [1, 31, 32])
def test_scatter_writes_the_named_rows_and_columns_only(rows):
    if no_tiles():
        return
    rng = np.random.default_rng(rows)
    block = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    for columns in (1, 15, 16, 17, 31, 32, 40):
        numbers, here = rng.permutation(50)[:rows], min(columns, SIDE)
        out = rng.normal(size=(50, 3 + columns)).astype(np.float32)
        want = out.copy()
        want[numbers, 3 : 3 + here] = block[:rows, :here]
        _scatter(block, rows, numbers, out, 3, columns)
        np.testing.assert_array_equal(out, want)


def _run(block, split, offsets=None, shifts=None):
    zeros = np.zeros(SIDE, np.float32)
    left = scratch("left", ((1 + split) * WORDS,), np.uint16)
    peaks, totals = np.full(SIDE, -3, np.float32), np.full(SIDE, 0.5, np.float32)
    offsets, shifts = zeros if offsets is None else offsets, zeros if shifts is None else shifts
    _exp(block, offsets, shifts, split, peaks, totals, left)
    return peaks, totals, left


@SPLIT
@pytest.mark.parametrize("scale", [0.01, 1.0, 12.0])
def test_exponentials_their_sums_and_the_packed_block(scale, split):
    if no_tiles():
        return
    block = scratch("block", (SIDE, SIDE), np.float32)
    block[:] = np.random.default_rng(1).normal(size=(SIDE, SIDE)) * scale
    offsets, shifts = np.random.default_rng(2).normal(size=(2, SIDE)).astype(np.float32)
    peaks, totals, left = _run(block, split, offsets, shifts)
    logits = block + (offsets[:, None] - shifts)
    truth = np.exp(logits.astype(float))
    np.testing.assert_array_equal(peaks, np.maximum(logits.max(axis=0), -3))
    np.testing.assert_allclose(totals, 0.5 + truth.sum(axis=0), rtol=4e-6)
    values = (left.reshape(1 + split, SIDE, SIDE).astype(np.uint32) << 16).view(np.float32).astype(float)
    np.testing.assert_allclose(values.sum(axis=0), truth, rtol=2.0**-15.5 if split else 2.0**-7.99)


@SPLIT
def test_extreme_logits(split):
    if no_tiles():
        return
    block = scratch("block", (SIDE, SIDE), np.float32)
    block[:] = 0
    block[0, :9] = [-np.inf, np.inf, np.nan, -87, -88, -95, -1e30, 88, 89]
    peaks, totals, left = _run(block, split)
    got = (left[:9].astype(np.uint32) << 16).view(np.float32)
    assert got[0] == 0
    assert np.isposinf(got[[1, 8]]).all()
    assert np.isnan(got[2])
    assert got[3] == pytest.approx(np.exp(-87), rel=2**-7.9)
    assert (got[4:7] == 0).all()
    assert got[7] == pytest.approx(np.exp(88), rel=2**-7.9)
    np.testing.assert_array_equal(peaks[:9], [0, np.inf, 0, 0, 0, 0, 0, 88, 89])
    assert np.isnan(totals[2])
    np.testing.assert_allclose(totals[[0, 3, 4, 5, 6]], 31.5, rtol=1e-6)


@kernel
def _logistic(block, offsets, shifts, split, copies, totals, left):
    mode = flush_denormals()
    logistic_block(
        address(block, 0), address(offsets, 0), address(shifts, 0), split, address(copies, 0), address(totals, 0),
        address(left, 0), address(left, 0),
    )  # fmt: skip
    restore_denormals(mode)


@SPLIT
@pytest.mark.parametrize("scale", [0.01, 1.0, 12.0])
def test_logistic_losses_and_their_gradients(scale, split):
    if no_tiles():
        return
    rng = np.random.default_rng(4)
    block = scratch("block", (SIDE, SIDE), np.float32)
    block[:] = rng.normal(size=(SIDE, SIDE)) * scale
    block[5, :4] = [-np.inf, np.inf, np.nan, 0]
    block[6, :3] = [-87.0, 87.0, 1e30]
    offsets, shifts = rng.normal(size=(2, SIDE)).astype(np.float32)
    copies = rng.integers(1, 4, SIDE).astype(np.float32)
    totals = np.full(SIDE, 0.5, np.float32)
    left = scratch("left", ((1 + split) * WORDS,), np.uint16)
    _logistic(block, offsets, shifts, split, copies, totals, left)
    z = (block + (offsets[:, None] - shifts)).astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        truth, gradient = copies @ np.logaddexp(0, z), copies[:, None] / (1 + np.exp(-z))
    np.testing.assert_allclose(totals, 0.5 + truth, rtol=4e-6)
    values = (left.reshape(1 + split, SIDE, SIDE).astype(np.uint32) << 16).view(np.float32).astype(float)
    np.testing.assert_allclose(values.sum(axis=0), gradient, rtol=2.0**-15.5 if split else 2.0**-7.99, atol=1e-37)
    assert values[0, 5, 0] == 0


@SPLIT
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_weighted_rows(blocks, split):
    if no_tiles():
        return
    rng = np.random.default_rng(blocks)
    rows = rng.normal(size=(SIDE, blocks * SIDE)).astype(np.float32)
    factors = rng.normal(size=blocks * SIDE).astype(np.float32)
    panel = scratch("panel", (blocks * (1 + split) * WORDS,), np.uint16)
    for k in range(blocks):
        _pack(np.ascontiguousarray(rows[:, k * SIDE : (k + 1) * SIDE]), split, panel, k * (1 + split) * WORDS)
    sums = scratch("sums", (SIDE, 16), np.float32)
    _weighted(panel, blocks, split, factors, sums)
    high, low = (part.astype(float) for part in parts(rows, split))
    size = np.abs(rows) @ np.abs(factors)
    assert (np.abs(sums.sum(axis=1, dtype=float) - (high + low) @ factors) <= 3e-7 * size).all()
