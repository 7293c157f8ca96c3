"""The vector log1p and the logistic loss of columns against NumPy in a wider type."""

import numpy as np
import pytest
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.jit import kernel
from fastcands.kernels.table.blocking import panel_width
from fastcands.simd.logistic import emit_log1p, emit_softplus_and_sigmoid, logistic_columns
from fastcands.simd.vector import Lanes, address

DTYPES = [np.float32, np.float64]
WIDER = {np.float32: np.float64, np.float64: np.longdouble}


@intrinsic
def _log1p_vectors(typingctx, like, where, vectors):
    def codegen(context, builder, signature, arguments):
        lanes = Lanes(builder, signature.args[0].dtype)
        _, where, vectors = arguments
        with cgutils.for_range(builder, vectors) as loop:
            elements = builder.mul(loop.index, loop.index.type(lanes.count))
            at = lanes.at(where, lanes.bytes_of(elements))
            lanes.store(emit_log1p(lanes, lanes.load(at)), at)
        return context.get_dummy_value()

    return types.void(like, types.intp, types.intp), codegen


@intrinsic
def _softplus_and_sigmoid_vectors(typingctx, like, where, other, vectors):
    def codegen(context, builder, signature, arguments):
        lanes = Lanes(builder, signature.args[0].dtype)
        _, where, other, vectors = arguments
        with cgutils.for_range(builder, vectors) as loop:
            offset = lanes.bytes_of(builder.mul(loop.index, loop.index.type(lanes.count)))
            softplus, sigmoid = emit_softplus_and_sigmoid(lanes, lanes.load(lanes.at(where, offset)))
            lanes.store(softplus, lanes.at(where, offset))
            lanes.store(sigmoid, lanes.at(other, offset))
        return context.get_dummy_value()

    return types.void(like, types.intp, types.intp, types.intp), codegen


@kernel
def _softplus_and_sigmoid(z, sigmoid, vectors):
    _softplus_and_sigmoid_vectors(z, address(z, 0), address(sigmoid, 0), vectors)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softplus_and_sigmoid_within_two_units_in_the_last_place_on_all_of_their_range(dtype):
    info, wide, half = np.finfo(dtype), WIDER[dtype], panel_width(dtype) // 2
    rng = np.random.default_rng(0)
    floor = np.log(info.tiny)  # below, the results would be denormal
    points = [np.linspace(floor, -floor, 200_001), rng.normal(size=100_000), [0.0, 1e30, 1e-30, -1e-30]]
    z = np.concatenate(points).astype(dtype)
    z = np.resize(z[z > floor + 1], -(-len(z) // half) * half)
    softplus, sigmoid = z.copy(), np.empty_like(z)
    _softplus_and_sigmoid(softplus, sigmoid, len(z) // half)
    exact = z.astype(wide)
    small = np.exp(-np.abs(exact))
    for got, want in (
        (softplus, np.maximum(exact, 0) + np.log1p(small)),
        (sigmoid, np.where(exact > 0, 1, small) / (1 + small)),
    ):
        assert (np.abs(got - want) / np.spacing(want.astype(dtype)).astype(wide)).max() < 2
    z = np.resize(np.array([-np.inf, np.inf, np.nan, info.min], dtype), half)
    softplus = z.copy()
    _softplus_and_sigmoid(softplus, sigmoid[:half], 1)
    np.testing.assert_array_equal(softplus[:4][: len(z)], np.array([0, np.inf, np.nan, 0], dtype)[: len(z)])
    np.testing.assert_array_equal(sigmoid[:4][: len(z)], np.array([0, 1, np.nan, 0], dtype)[: len(z)])


@kernel
def _log1p(u, vectors):
    _log1p_vectors(u, address(u, 0), vectors)


@kernel
def _logistic(tile, copies, shifts, upstream, total):
    logistic_columns(
        tile, address(tile, 0), tile.shape[0], address(copies, 0), address(shifts, 0), address(upstream, 0),
        address(total, 0),
    )  # fmt: skip


def _run(tile, copies, shifts, upstream):
    """Return gradients and losses of a tile."""
    gradient, total = tile.copy(), np.empty(tile.shape[1], tile.dtype)
    _logistic(gradient, copies, shifts, upstream, total)
    return gradient, total


@pytest.mark.parametrize("dtype", DTYPES)
def test_log1p_within_two_units_in_the_last_place(dtype):
    rng = np.random.default_rng(0)
    points = [np.linspace(0, 1, 200_001), rng.random(100_000), np.exp(-rng.random(100_000) * 60), [0.0, 1.0, 1e-30]]
    u = np.concatenate(points).astype(dtype)
    half = panel_width(dtype) // 2
    got = np.resize(u, -(-len(u) // half) * half)
    _log1p(got, len(got) // half)
    got = got[: len(u)]
    want = np.log1p(u.astype(WIDER[dtype]))
    error = np.abs(got - want) / np.spacing(want.astype(dtype)).astype(WIDER[dtype])
    assert error.max() < 2
    assert got[u == 0].tolist() == [0.0] * np.count_nonzero(u == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 5, 128])
def test_logistic_columns(dtype, rows):
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
def test_logistic_columns_far_from_zero(dtype):
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
