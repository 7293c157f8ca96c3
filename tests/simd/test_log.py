"""The vector logarithm against NumPy in a wider type."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.log import log_vectors
from fastcands.simd.vector import address

WIDER = {np.float32: np.float64, np.float64: np.longdouble}


@kernel
def _log(x):
    log_vectors(x, address(x, 0), len(x))


@pytest.mark.parametrize("dtype", WIDER)
def test_within_two_units_in_the_last_place_on_all_of_its_range(dtype):
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    bits = rng.integers(1, np.array(np.inf, dtype).view(f"i{info.bits // 8}"), 400_000)  # every exponent alike
    near_one = 1 + (rng.random(200_000) - 0.5) * 10.0 ** -rng.integers(0, info.precision, 200_000)
    edges = [info.tiny, info.smallest_subnormal, info.max, 1, 0.5**0.5, 2**0.5, np.nextafter(dtype(1), dtype(0))]
    x = np.concatenate([bits.astype(f"i{info.bits // 8}").view(dtype), near_one.astype(dtype), np.array(edges, dtype)])
    got = x.copy()
    _log(got)
    want = np.log(x.astype(WIDER[dtype]))
    unit = np.spacing(np.maximum(np.abs(want), info.tiny).astype(dtype)).astype(WIDER[dtype])
    assert (np.abs(got - want) / unit).max() < 2
    assert got[x == 1].tolist() == [0.0] * np.count_nonzero(x == 1)


@pytest.mark.parametrize("dtype", WIDER)
def test_numbers_without_a_logarithm(dtype):
    x = np.array([0.0, -0.0, -1.0, -np.inf, np.inf, np.nan, -1e-40], dtype)
    _log(x)
    np.testing.assert_array_equal(x, np.array([-np.inf, -np.inf, np.nan, np.nan, np.inf, np.nan, np.nan], dtype))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 33])
def test_numbers_beyond_the_last_stay(n):
    x = np.full(n + 20, np.e)
    _log(x[:n])
    np.testing.assert_allclose(x[:n], 1, rtol=1e-15)
    assert (x[n:] == np.e).all()
