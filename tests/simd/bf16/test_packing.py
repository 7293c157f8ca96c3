"""Packers and products of packed blocks against NumPy: factors rounded to bfloat16, sums in float64."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.bf16.packing import (
    interleave_block,
    pack_left,
    pack_left_transposed,
    pack_right,
    pack_right_transposed,
)
from fastcands.simd.dot import block_product, configure, release
from fastcands.simd.dot.blocks import BLOCK_BYTES, SIDE
from fastcands.simd.vector import address
from fastcands.workspace import scratch
from tests.bf16 import bits, parts

SPLIT = pytest.mark.parametrize("split", [0, 1])
WORDS = BLOCK_BYTES // 2


@kernel
def _left(source, split, out, place):
    pack_left(address(source, 0), source.shape[1], split, address(out, place))


@kernel
def _right(source, split, out, place):
    pack_right(address(source, 0), source.shape[1], split, address(out, place))


@kernel
def _left_transposed(source, split, out, place):
    pack_left_transposed(address(source, 0), source.shape[1], split, address(out, place))


@kernel
def _right_transposed(source, split, out, place):
    pack_right_transposed(address(source, 0), source.shape[1], split, address(out, place))


@kernel
def _product(left, right, steps, split, add, out):
    configure()
    block_product(address(left, 0), address(right, 0), steps, split, add, address(out, 0), out.shape[1])
    release()


PACKERS = {
    "left": (_left, False, False),
    "right": (_right, True, False),
    "left transposed": (_left_transposed, False, True),
    "right transposed": (_right_transposed, True, True),
}


@kernel
def _interleave(block, split, out):
    interleave_block(address(block, 0), split, address(out, 0))


def _order(block, right, transposed):
    """Return a block in the order in which a packer must leave it."""
    block = block.T if transposed else block
    return block.reshape(16, 2, 2, 16).transpose(2, 0, 3, 1).reshape(-1) if right else block.reshape(-1)


def _hostile(rng, shape):
    x = (rng.normal(size=shape) * 2.0 ** rng.integers(-60, 60, shape)).astype(np.float32)
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, 3.4e38, 1 + 2.0**-8, 1 + 3 * 2.0**-8]
    x[rng.integers(0, shape[0], 60), rng.integers(0, 32, 60)] = rng.choice(np.array(special, np.float32), 60)
    return x


@SPLIT
@pytest.mark.parametrize("name", PACKERS)
def test_packed_numbers_are_those_of_numpy_bit_for_bit(name, split):
    pack, right, transposed = PACKERS[name]
    source = _hostile(np.random.default_rng(split), (SIDE, 37))
    out = scratch("packed", (3 * WORDS,), np.uint16)
    out[:] = 4711
    pack(source, split, out, WORDS)
    for part in range(1 + split):
        got = out[(1 + part) * WORDS : (2 + part) * WORDS]
        with np.errstate(over="ignore"):
            want = _order(parts(source[:, :32], True)[part], right, transposed)
        numbers = ~np.isnan(want)
        np.testing.assert_array_equal(got[numbers], bits(want)[numbers])
        assert (np.isnan(want) == np.isnan((got.astype(np.uint32) << 16).view(np.float32))).all()
    untouched = [out[:WORDS]] if split else [out[:WORDS], out[2 * WORDS :]]
    assert all((part == 4711).all() for part in untouched)


def _panel(pack, matrices, split, name):
    out = scratch(name, (len(matrices) * (1 + split) * WORDS,), np.uint16)
    for k, matrix in enumerate(matrices):
        pack(np.ascontiguousarray(matrix), split, out, k * (1 + split) * WORDS)
    return out


def _padded(x):
    rows, columns = (-(-n // SIDE) * SIDE for n in x.shape)
    out = np.zeros((rows, columns), np.float32)
    out[: x.shape[0], : x.shape[1]] = x
    return out


@SPLIT
@pytest.mark.parametrize("depth", [1, 2, 31, 32, 33, 64, 257])
def test_a_product_with_every_remainder(depth, split):
    """Rows, columns and depth are padded with zeros; the error is that of sums in float32."""
    rng = np.random.default_rng(depth)
    for rows, columns in ((32, 32), (1, 1), (31, 2), (17, 16), (15, 33 - 1)):
        left = (rng.normal(size=(rows, depth)) * 3).astype(np.float32)
        right = rng.normal(size=(depth, columns)).astype(np.float32)
        a, b = _padded(left), _padded(right)
        steps = a.shape[1] // SIDE
        pa = _panel(_left, np.split(a, steps, axis=1), split, "left")
        pb = _panel(_right, np.split(b, steps, axis=0), split, "right")
        out = scratch("sums", (SIDE, 48), np.float32)
        out[:] = np.nan
        _product(pa, pb, steps, split, 0, out)
        high_left, low_left = (x.astype(float) for x in parts(left, split))
        high_right, low_right = (x.astype(float) for x in parts(right, split))
        want = high_left @ high_right + low_left @ high_right + high_left @ low_right
        size = np.abs(left).astype(float) @ np.abs(right)
        bound = 1.2e-7 * (2 + np.sqrt(3 * depth)) * size
        assert (np.abs(out[:rows, :columns] - want) <= bound).all()
        truth = left.astype(float) @ right
        assert (np.abs(out[:rows, :columns] - truth) <= bound + (3 * 2.0**-16 if split else 2.0**-6.99) * size).all()
        assert np.isnan(out[:, SIDE:]).all()
        assert (out[rows:, :columns] == 0).all()
        assert (out[:rows, columns:SIDE] == 0).all()


@SPLIT
def test_adding_goes_on_where_the_last_call_ended(split):
    rng = np.random.default_rng(5)
    steps, size = 6, (1 + split) * WORDS
    left = _panel(_left, rng.normal(size=(steps, SIDE, SIDE)).astype(np.float32), split, "left")
    right = _panel(_right, rng.normal(size=(steps, SIDE, SIDE)).astype(np.float32), split, "right")
    once, twice = scratch("once", (SIDE, SIDE), np.float32), scratch("twice", (SIDE, SIDE), np.float32)
    _product(left, right, steps, split, 0, once)
    _product(left, right, 2, split, 0, twice)
    _product(left[2 * size :], right[2 * size :], steps - 2, split, 1, twice)
    np.testing.assert_array_equal(once, twice)
    assert np.abs(once).max() > 1


@SPLIT
def test_nan_and_infinity_come_through(split):
    left, right = np.zeros((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32)
    left[0, 3], left[1, 5], left[20, 31] = np.nan, np.inf, -np.inf
    right[0, 7] = np.nan
    out = scratch("sums", (SIDE, SIDE), np.float32)
    _product(_panel(_left, [left], split, "left"), _panel(_right, [right], split, "right"), 1, split, 0, out)
    assert np.isnan(out[0]).all()
    assert np.isnan(out[:, 7]).all()
    others = np.arange(SIDE) != 7
    if split:  # an infinite hi part meets lo parts of either sign, or 0
        assert np.isnan(out[[1, 20]]).all()
    else:
        assert np.isposinf(out[1, others]).all()
        assert np.isneginf(out[20, others]).all()
    assert (out[2:20][:, others] == 0).all()


@SPLIT
def test_a_left_block_becomes_a_right_one_with_even_and_odd_columns(split):
    block = scratch("block", (1 + split, SIDE, SIDE), np.uint16)
    block[:] = np.random.default_rng(3).integers(0, 1 << 16, block.shape)
    out = scratch("out", (1 + split, 2, 16, 16, 2), np.uint16)
    _interleave(block, split, out)
    # part, line, neighbour in k, column, even or odd -> part, even or odd, line, column, neighbour
    want = block.reshape(-1, 16, 2, 16, 2).transpose(0, 4, 1, 3, 2)
    np.testing.assert_array_equal(out, want)
