"""The vector log1p, softplus and sigmoid against NumPy in a wider type."""

import numpy as np
import pytest
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.jit import kernel
from fastcands.kernels.table.blocking import panel_width
from fastcands.simd.logistic import emit_log1p, emit_softplus_and_sigmoid
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
