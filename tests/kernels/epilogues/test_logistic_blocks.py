"""Blocks of logits of a logistic loss, against NumPy in float64."""

import numpy as np
import pytest

from fastcands.kernels.epilogues.block import FullBlock, SampledBlock, SumBlock
from fastcands.kernels.epilogues.logistic import LOGISTIC
from fastcands.simd.dot.blocks import SIDE
from fastcands.workspace import scratch
from tests.kernels.epilogues.blocks import WORDS, a_block, packed_pair, run_block, some_vectors, unpacked

SPLIT = pytest.mark.parametrize("split", [0, 1])
REAL = pytest.mark.parametrize("real", [1, 16, 17, 31, 32, 40])


def _counted(block, offsets, shifts, split, copies, totals, left):
    run_block(LOGISTIC, SampledBlock(split, block, offsets, copies, shifts, 0, totals, left, left))


def _add_losses(block, rows, offsets, totals):
    run_block(LOGISTIC, SumBlock(block, rows, offsets, 0, totals))


def _logistic(split, block, offsets, totals, factors, real, sums, left, right):
    run_block(LOGISTIC, FullBlock(split, block, offsets, 0, factors, real, totals, sums, left, right))


@SPLIT
@pytest.mark.parametrize("scale", [0.01, 1.0, 12.0])
def test_counted_losses_and_their_gradients(scale, split):
    rng = np.random.default_rng(4)
    block = scratch("block", (SIDE, SIDE), np.float32)
    block[:] = rng.normal(size=(SIDE, SIDE)) * scale
    block[5, :4] = [-np.inf, np.inf, np.nan, 0]
    block[6, :3] = [-87.0, 87.0, 1e30]
    offsets, shifts = rng.normal(size=(2, SIDE)).astype(np.float32)
    copies = rng.integers(1, 4, SIDE).astype(np.float32)
    totals = np.full(SIDE, 0.5, np.float32)
    left = scratch("left", ((1 + split) * WORDS,), np.uint16)
    _counted(block, offsets, shifts, split, copies, totals, left)
    z = (block + (offsets[:, None] - shifts)).astype(float)
    with np.errstate(over="ignore", invalid="ignore"):
        truth, gradient = copies @ np.logaddexp(0, z), copies[:, None] / (1 + np.exp(-z))
    np.testing.assert_allclose(totals, 0.5 + truth, rtol=4e-6)
    values = (left.reshape(1 + split, SIDE, SIDE).astype(np.uint32) << 16).view(np.float32).astype(float)
    np.testing.assert_allclose(values.sum(axis=0), gradient, rtol=2.0**-15.5 if split else 2.0**-7.99, atol=1e-37)
    assert values[0, 5, 0] == 0


@pytest.mark.parametrize("rows", [1, 32, 64])
def test_logistic_losses(rows):
    block, offsets = a_block(3.0, rows), np.random.default_rng(2).normal(size=rows).astype(np.float32)
    block[0, 5], offsets[rows // 2] = -np.inf, -np.inf
    totals = np.full(SIDE, 0.5, np.float32)
    _add_losses(block, rows, offsets, totals)
    losses = np.logaddexp(0, block.astype(float) + offsets[:, None])
    np.testing.assert_allclose(totals, 0.5 + losses.sum(axis=0), rtol=2e-6)


@SPLIT
@REAL
def test_logistic_losses_and_gradients(real, split):
    block = a_block(3.0)
    offsets, factors = some_vectors(2)
    offsets[9] = -np.inf
    block[:, real:] = np.nan
    left, right = packed_pair(split)
    sums, totals = scratch("sums", (SIDE, 16), np.float32), np.full(SIDE, 0.5, np.float32)
    sums[:] = 0.5
    _logistic(split, block, offsets, totals, factors, real, sums, left, right)
    z = block.astype(float) + offsets[:, None]
    losses = 0.5 + np.logaddexp(0, z[:, :real]).sum(axis=0)
    np.testing.assert_allclose(totals[:real], losses, rtol=2e-6)
    truth = factors / (1 + np.exp(-z))
    truth[:, real:] = 0
    got = unpacked(left, right, split)
    np.testing.assert_allclose(got, truth, rtol=2.0**-15 if split else 2.0**-7.9)
    size = np.abs(truth).sum(axis=1)
    assert (np.abs(sums.sum(axis=1, dtype=float) - 8 - truth.sum(axis=1)) <= 1e-5 * size + 1e-6).all()
    assert (got[9] == 0).all()
