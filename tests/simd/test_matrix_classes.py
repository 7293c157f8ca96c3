"""Blocks of logits of exact losses, against NumPy in float64."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.bfloat16 import BLOCK_BYTES, SIDE
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.matrix import block_product, configure_tiles, release_tiles
from fastcands.simd.matrix_classes import (
    add_exponentials,
    add_logistic_losses,
    logistic_block,
    probability_block,
    product_beside_logistic,
    product_beside_probabilities,
)
from fastcands.simd.vector import address
from fastcands.workspace import scratch
from tests.matrix_tiles import no_tiles

WORDS = BLOCK_BYTES // 2
SPLIT = pytest.mark.parametrize("split", [0, 1])
REAL = pytest.mark.parametrize("real", [1, 16, 17, 31, 32, 40])


@kernel
def _add(block, rows, offsets, peaks, totals):
    mode = flush_denormals()
    add_exponentials(address(block, 0), rows, address(offsets, 0), address(peaks, 0), address(totals, 0))
    restore_denormals(mode)


@kernel
def _add_losses(block, rows, offsets, totals):
    add_logistic_losses(address(block, 0), rows, address(offsets, 0), address(totals, 0))


@kernel
def _probabilities(split, block, offsets, shifts, factors, real, sums, left, right):
    mode = flush_denormals()
    probability_block(
        split, address(block, 0), address(offsets, 0), address(shifts, 0), address(factors, 0), real, address(sums, 0),
        address(left, 0), address(right, 0),
    )  # fmt: skip
    restore_denormals(mode)


@kernel
def _logistic(split, block, offsets, totals, factors, real, sums, left, right):
    mode = flush_denormals()
    logistic_block(
        split, address(block, 0), address(offsets, 0), address(totals, 0), address(factors, 0), real, address(sums, 0),
        address(left, 0), address(right, 0),
    )  # fmt: skip
    restore_denormals(mode)


@kernel
def _product(columns, inputs, steps, split, out):
    configure_tiles()
    block_product(address(columns, 0), address(inputs, 0), steps, split, 0, address(out, 0), SIDE)
    release_tiles()


@kernel
def _beside_probabilities(columns, inputs, steps, out, split, block, offsets, shifts, factors, real, sums, left, right):
    mode = flush_denormals()
    configure_tiles()
    product_beside_probabilities(
        address(columns, 0), address(inputs, 0), steps, split, address(out, 0), address(block, 0), address(offsets, 0),
        address(shifts, 0), address(factors, 0), real, address(sums, 0), address(left, 0), address(right, 0),
    )  # fmt: skip
    release_tiles()
    restore_denormals(mode)


@kernel
def _beside_logistic(columns, inputs, steps, out, split, block, offsets, totals, factors, real, sums, left, right):
    mode = flush_denormals()
    configure_tiles()
    product_beside_logistic(
        address(columns, 0), address(inputs, 0), steps, split, address(out, 0), address(block, 0), address(offsets, 0),
        address(totals, 0), address(factors, 0), real, address(sums, 0), address(left, 0), address(right, 0),
    )  # fmt: skip
    release_tiles()
    restore_denormals(mode)


def _block(scale, rows=SIDE, seed=0):
    block = scratch("block", (rows, SIDE), np.float32)
    block[:] = np.random.default_rng(seed).normal(size=block.shape) * scale
    return block


def _vectors(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, SIDE)).astype(np.float32)


def _unpacked(left, right, split):
    """Return the sum of the parts of a left block; a right one must hold the same."""
    packed = left.reshape(1 + split, SIDE, SIDE)
    lines = packed.reshape(-1, 16, 2, 2, 16).transpose(0, 3, 1, 4, 2)  # part, tile, line, column, neighbour in k
    np.testing.assert_array_equal(right.reshape(lines.shape), lines)
    return (packed.astype(np.uint32) << 16).view(np.float32).astype(float).sum(axis=0)


def _packed(split):
    return (scratch(name, ((1 + split) * WORDS,), np.uint16) for name in ("left", "right"))


@pytest.mark.parametrize("rows", [1, 32, 64])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_exponentials_join_running_sums(scale, rows):
    if no_tiles():
        return
    offsets = np.random.default_rng(2).normal(size=rows).astype(np.float32)
    peaks, totals = np.full(SIDE, -1e38, np.float32), np.zeros(SIDE, np.float32)
    logits = []
    for seed in range(3):
        block = _block(scale, rows, seed)
        logits.append(block.astype(float) + offsets[:, None])
        _add(block, rows, offsets, peaks, totals)
    truth = np.concatenate(logits)
    np.testing.assert_allclose(peaks, truth.max(axis=0), rtol=1e-7)
    sums = np.log(totals.astype(float)) + peaks
    np.testing.assert_allclose(
        sums, np.log(np.exp(truth - truth.max(axis=0)).sum(axis=0)) + truth.max(axis=0), rtol=4e-6
    )


def test_extreme_logits_in_running_sums():
    if no_tiles():
        return
    block = _block(0.0)
    block[:, 0] = -np.inf
    block[3, 1] = np.nan
    block[3, 2] = np.inf
    block[3, 3] = 1e30
    block[:, 4] = -1e30
    block[5, 5] = -np.inf
    peaks, totals = np.full(SIDE, -1e38, np.float32), np.zeros(SIDE, np.float32)
    _add(block, SIDE, np.zeros(SIDE, np.float32), peaks, totals)
    np.testing.assert_array_equal(peaks[:6], np.float32([-1e38, 0, np.inf, 1e30, -1e30, 0]))
    assert np.isnan(totals[1:3]).all()
    np.testing.assert_allclose(totals[[0, 3, 4, 5, 6]], [0, 1, 32, 31, 32], rtol=1e-6)


@SPLIT
@REAL
def test_probabilities_their_row_sums_and_both_packed_orders(real, split):
    if no_tiles():
        return
    block = _block(3.0)
    offsets, shifts, factors = _vectors(3)
    offsets[9] = -np.inf
    block[:, real:] = np.nan
    left, right = _packed(split)
    sums = scratch("sums", (SIDE, 16), np.float32)
    sums[:] = 0.5
    _probabilities(split, block, offsets, shifts, factors, real, sums, left, right)
    truth = np.exp(block.astype(float) + offsets[:, None] - shifts) * factors
    truth[:, real:] = 0
    got = _unpacked(left, right, split)
    np.testing.assert_allclose(got, truth, rtol=2.0**-15 if split else 2.0**-7.9)
    size = np.abs(truth).sum(axis=1)
    assert (np.abs(sums.sum(axis=1, dtype=float) - 8 - truth.sum(axis=1)) <= 1e-5 * size + 1e-6).all()
    assert (got[9] == 0).all()


@pytest.mark.parametrize("rows", [1, 32, 64])
def test_logistic_losses(rows):
    if no_tiles():
        return
    block, offsets = _block(3.0, rows), np.random.default_rng(2).normal(size=rows).astype(np.float32)
    block[0, 5], offsets[rows // 2] = -np.inf, -np.inf
    totals = np.full(SIDE, 0.5, np.float32)
    _add_losses(block, rows, offsets, totals)
    losses = np.logaddexp(0, block.astype(float) + offsets[:, None])
    np.testing.assert_allclose(totals, 0.5 + losses.sum(axis=0), rtol=2e-6)


@SPLIT
@REAL
def test_logistic_losses_and_gradients(real, split):
    if no_tiles():
        return
    block = _block(3.0)
    offsets, factors = _vectors(2)
    offsets[9] = -np.inf
    block[:, real:] = np.nan
    left, right = _packed(split)
    sums, totals = scratch("sums", (SIDE, 16), np.float32), np.full(SIDE, 0.5, np.float32)
    sums[:] = 0.5
    _logistic(split, block, offsets, totals, factors, real, sums, left, right)
    z = block.astype(float) + offsets[:, None]
    losses = 0.5 + np.logaddexp(0, z[:, :real]).sum(axis=0)
    np.testing.assert_allclose(totals[:real], losses, rtol=2e-6)
    truth = factors / (1 + np.exp(-z))
    truth[:, real:] = 0
    got = _unpacked(left, right, split)
    np.testing.assert_allclose(got, truth, rtol=2.0**-15 if split else 2.0**-7.9)
    size = np.abs(truth).sum(axis=1)
    assert (np.abs(sums.sum(axis=1, dtype=float) - 8 - truth.sum(axis=1)) <= 1e-5 * size + 1e-6).all()
    assert (got[9] == 0).all()


@SPLIT
@pytest.mark.parametrize("steps", [1, 5, 8, 11])
@pytest.mark.parametrize(("alone", "beside"), [(_probabilities, _beside_probabilities), (_logistic, _beside_logistic)])
def test_a_product_beside_a_block_changes_neither(alone, beside, steps, split):
    if no_tiles():
        return
    rng = np.random.default_rng(steps)
    panels = [scratch(name, (steps * (1 + split) * WORDS,), np.uint16) for name in ("columns", "inputs")]
    for panel in panels:
        panel[:] = rng.normal(size=panel.shape).astype(np.float32).view(np.uint32) >> 16
    block, (offsets, extra, factors) = _block(3.0), _vectors(3)
    results = []
    for name in ("first", "second"):
        left, right = (scratch(name + side, ((1 + split) * WORDS,), np.uint16) for side in ("left", "right"))
        out, sums = (scratch(name + which, (SIDE, width), np.float32) for which, width in (("out", SIDE), ("sums", 16)))
        sums[:] = 0.5
        totals = extra.copy()
        arguments = split, block, offsets, totals, factors, 30, sums, left, right
        if name == "first":
            _product(*panels, steps, split, out)
            alone(*arguments)
        else:
            beside(*panels, steps, out, *arguments)
        results.append((out, totals, sums, left, right))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)
