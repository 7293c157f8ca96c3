"""Blocks of logits of a softmax, against NumPy in float64."""

import numpy as np
import pytest

from fastcands.kernels.epilogues.block import FullBlock, SampledBlock, SumBlock
from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.simd.dot.blocks import SIDE
from fastcands.workspace import scratch
from tests.kernels.epilogues.blocks import WORDS, a_block, packed_pair, run_block, some_vectors, unpacked

SPLIT = pytest.mark.parametrize("split", [0, 1])
REAL = pytest.mark.parametrize("real", [1, 16, 17, 31, 32, 40])


def _exp(block, offsets, shifts, split, maxima, totals, left):
    run_block(SOFTMAX, SampledBlock(split, block, offsets, 0, shifts, maxima, totals, left, left))


def _add(block, rows, offsets, maxima, totals):
    run_block(SOFTMAX, SumBlock(block, rows, offsets, maxima, totals))


def _probabilities(split, block, offsets, shifts, factors, real, sums, left, right):
    run_block(SOFTMAX, FullBlock(split, block, offsets, shifts, factors, real, 0, sums, left, right))


def _run(block, split, offsets=None, shifts=None):
    zeros = np.zeros(SIDE, np.float32)
    left = scratch("left", ((1 + split) * WORDS,), np.uint16)
    maxima, totals = np.full(SIDE, -3, np.float32), np.full(SIDE, 0.5, np.float32)
    offsets, shifts = zeros if offsets is None else offsets, zeros if shifts is None else shifts
    _exp(block, offsets, shifts, split, maxima, totals, left)
    return maxima, totals, left


@SPLIT
@pytest.mark.parametrize("scale", [0.01, 1.0, 12.0])
def test_exponentials_their_sums_and_the_packed_block(scale, split):
    block = scratch("block", (SIDE, SIDE), np.float32)
    block[:] = np.random.default_rng(1).normal(size=(SIDE, SIDE)) * scale
    offsets, shifts = np.random.default_rng(2).normal(size=(2, SIDE)).astype(np.float32)
    maxima, totals, left = _run(block, split, offsets, shifts)
    logits = block + (offsets[:, None] - shifts)
    truth = np.exp(logits.astype(float))
    np.testing.assert_array_equal(maxima, np.maximum(logits.max(axis=0), -3))
    np.testing.assert_allclose(totals, 0.5 + truth.sum(axis=0), rtol=4e-6)
    values = (left.reshape(1 + split, SIDE, SIDE).astype(np.uint32) << 16).view(np.float32).astype(float)
    np.testing.assert_allclose(values.sum(axis=0), truth, rtol=2.0**-15.5 if split else 2.0**-7.99)


@SPLIT
def test_extreme_logits(split):
    block = scratch("block", (SIDE, SIDE), np.float32)
    block[:] = 0
    block[0, :9] = [-np.inf, np.inf, np.nan, -87, -88, -95, -1e30, 88, 89]
    maxima, totals, left = _run(block, split)
    got = (left[:9].astype(np.uint32) << 16).view(np.float32)
    assert got[0] == 0
    assert np.isposinf(got[[1, 8]]).all()
    assert np.isnan(got[2])
    assert got[3] == pytest.approx(np.exp(-87), rel=2**-7.9)
    assert (got[4:7] == 0).all()
    assert got[7] == pytest.approx(np.exp(88), rel=2**-7.9)
    np.testing.assert_array_equal(maxima[:9], [0, np.inf, 0, 0, 0, 0, 0, 88, 89])
    assert np.isnan(totals[2])
    np.testing.assert_allclose(totals[[0, 3, 4, 5, 6]], 31.5, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 32, 64])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_exponentials_are_added_to_running_sums(scale, rows):
    offsets = np.random.default_rng(2).normal(size=rows).astype(np.float32)
    maxima, totals = np.full(SIDE, -1e38, np.float32), np.zeros(SIDE, np.float32)
    logits = []
    for seed in range(3):
        block = a_block(scale, rows, seed)
        logits.append(block.astype(float) + offsets[:, None])
        _add(block, rows, offsets, maxima, totals)
    truth = np.concatenate(logits)
    np.testing.assert_allclose(maxima, truth.max(axis=0), rtol=1e-7)
    sums = np.log(totals.astype(float)) + maxima
    np.testing.assert_allclose(
        sums, np.log(np.exp(truth - truth.max(axis=0)).sum(axis=0)) + truth.max(axis=0), rtol=4e-6
    )


def test_extreme_logits_in_running_sums():
    block = a_block(0.0)
    block[:, 0] = -np.inf
    block[3, 1] = np.nan
    block[3, 2] = np.inf
    block[3, 3] = 1e30
    block[:, 4] = -1e30
    block[5, 5] = -np.inf
    maxima, totals = np.full(SIDE, -1e38, np.float32), np.zeros(SIDE, np.float32)
    _add(block, SIDE, np.zeros(SIDE, np.float32), maxima, totals)
    np.testing.assert_array_equal(maxima[:6], np.float32([-1e38, 0, np.inf, 1e30, -1e30, 0]))
    assert np.isnan(totals[1:3]).all()
    np.testing.assert_allclose(totals[[0, 3, 4, 5, 6]], [0, 1, 32, 31, 32], rtol=1e-6)


@SPLIT
@REAL
def test_probabilities_their_row_sums_and_both_packed_orders(real, split):
    block = a_block(3.0)
    offsets, shifts, factors = some_vectors(3)
    offsets[9] = -np.inf
    block[:, real:] = np.nan
    left, right = packed_pair(split)
    sums = scratch("sums", (SIDE, 16), np.float32)
    sums[:] = 0.5
    _probabilities(split, block, offsets, shifts, factors, real, sums, left, right)
    truth = np.exp(block.astype(float) + offsets[:, None] - shifts) * factors
    truth[:, real:] = 0
    got = unpacked(left, right, split)
    np.testing.assert_allclose(got, truth, rtol=2.0**-15 if split else 2.0**-7.9)
    size = np.abs(truth).sum(axis=1)
    assert (np.abs(sums.sum(axis=1, dtype=float) - 8 - truth.sum(axis=1)) <= 1e-5 * size + 1e-6).all()
    assert (got[9] == 0).all()
