"""Rows of tables in every layout and storage."""

import ml_dtypes
import numpy as np
import pytest

from fastcands.kernels.table.gather import gather_rows
from fastcands.losses.shards import as_weights

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


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_half_precision_number(dtype):
    table = np.arange(2**16, dtype=np.uint16).view(dtype).reshape(256, 256)
    rows = _gather(table, np.arange(256), 256, np.float32)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        np.testing.assert_array_equal(rows, table.astype(np.float32))


@pytest.mark.parametrize("threads", [1, 3, 7])
def test_any_number_of_threads_and_no_rows(threads):
    table = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    ids = np.array([4, 0, 0, 2])
    np.testing.assert_array_equal(_gather(table, ids, 3, np.float32, threads), table[ids])
    assert _gather(table, ids[:0], 3, np.float32, threads).shape == (0, 3)
