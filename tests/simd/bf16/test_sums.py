"""Sums of packed blocks, and blocks of sums, against NumPy in float64."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.bf16.packing import pack_left
from fastcands.simd.bf16.sums import add_weighted_rows, scatter_block
from fastcands.simd.dot.blocks import BLOCK_BYTES, SIDE
from fastcands.simd.vector import address
from fastcands.workspace import scratch
from tests.bf16 import parts

WORDS = BLOCK_BYTES // 2
SPLIT = pytest.mark.parametrize("split", [0, 1])


@kernel
def _pack(source, split, out, place):
    pack_left(address(source, 0), source.shape[1], split, address(out, place))


@kernel
def _weighted(panel, blocks, split, factors, sums):
    add_weighted_rows(address(panel, 0), blocks, split, address(factors, 0), address(sums, 0))


@kernel
def _scatter(block, rows, numbers, out, begin, features):
    scatter_block(address(block, 0), rows, address(numbers, 0), address(out, begin), out.shape[1], features)


@pytest.mark.parametrize("rows", [1, 31, 32])
def test_scatter_writes_the_named_rows_and_features_only(rows):
    rng = np.random.default_rng(rows)
    block = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    for features in (1, 15, 16, 17, 31, 32, 40):
        numbers, here = rng.permutation(50)[:rows], min(features, SIDE)
        out = rng.normal(size=(50, 3 + features)).astype(np.float32)
        want = out.copy()
        want[numbers, 3 : 3 + here] = block[:rows, :here]
        _scatter(block, rows, numbers, out, 3, features)
        np.testing.assert_array_equal(out, want)


@SPLIT
@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_weighted_rows(blocks, split):
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
