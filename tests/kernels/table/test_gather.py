"""Rows of tables in every layout and storage."""

import ml_dtypes
import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.table.gather import gather_rows, gather_rows_of
from fastcands.losses.shards import as_weights
from fastcands.simd.denormals import flush_denormals, restore_denormals

DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]


def _gather(table, ids, depth, dtype, threads=2):
    addresses = ids * table.strides[0] + table.__array_interface__["data"][0]
    rows = np.full((len(ids), depth), np.nan, dtype)
    gather_rows(addresses, as_weights(table).view, rows, threads)
    return rows


@pytest.mark.parametrize("out", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "columns", "every second", "reversed"])
def test_rows_are_copied_exactly_and_padded_with_zeros(dtype, layout, out):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(40, 26)).astype(dtype)
    table = {
        "rows": base,
        "columns": np.asfortranarray(base),
        "every second": base[::2, ::2],
        "reversed": base[::-1, ::-1],
    }[layout]
    ids = rng.integers(0, len(table), 33)
    rows = _gather(table, ids, 32, out)
    np.testing.assert_array_equal(rows[:, : table.shape[1]], table[ids].astype(np.float64).astype(out))
    assert (rows[:, table.shape[1] :] == 0).all()


@kernel
def _gather_flushed(addresses, table, rows):
    mode = flush_denormals()
    gather_rows_of(addresses, 0, len(addresses), table, rows, 0)
    restore_denormals(mode)


@pytest.mark.parametrize("out", [np.float32, np.float64])
@pytest.mark.parametrize("apart", [1, 2, -3])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_half_precision_number(dtype, apart, out):
    """Also where denormals are flushed: float16 has none in float32; those of bfloat16 are copied as float32."""
    table = np.empty((256, 3 * 256), dtype)[:, ::apart][:, :256]
    table[...] = np.arange(2**16, dtype=np.uint16).view(dtype).reshape(256, 256)
    rows = _gather(table, np.arange(256), 256, out)
    flushed = np.empty_like(rows)
    start, step = table.__array_interface__["data"][0], table.strides[0]
    _gather_flushed(start + np.arange(256) * step, as_weights(table).view, flushed)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        want = table.astype(np.float32).astype(out)
    np.testing.assert_array_equal(rows, want)
    tiny = np.abs(want) < np.finfo(np.float32).tiny
    if dtype == np.float16:
        assert not tiny[want != 0].any()
    lost = tiny & (dtype != np.float16) & (out == np.float64)  # a conversion from float32 is arithmetic
    np.testing.assert_array_equal(flushed, np.where(lost, 0, want))


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_any_number_of_threads_and_no_rows(threads):
    table = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    ids = np.array([4, 0, 0, 2])
    np.testing.assert_array_equal(_gather(table, ids, 3, np.float32, threads), table[ids])
    assert _gather(table, ids[:0], 3, np.float32, threads).shape == (0, 3)
