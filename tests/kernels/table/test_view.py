"""Addresses of rows and numbers against NumPy's own indexing."""

import ctypes

import ml_dtypes
import numpy as np
import pytest

from fastcands.kernels.table.view import number_at, row_address
from fastcands.losses.shards import as_biases, as_weights


def _read(where, dtype):
    return np.frombuffer((ctypes.c_char * np.dtype(dtype).itemsize).from_address(where), dtype)[0]


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize(("total", "shards"), [(1, 1), (7, 1), (7, 2), (7, 3), (7, 7), (12, 5), (3, 4)])
def test_each_row_of_shards(strategy, total, shards):
    table = np.arange(total * 2, dtype=np.float32).reshape(total, 2)
    if strategy == "mod":
        parts = [table[s::shards].copy() for s in range(shards)]
    else:
        parts = [part.copy() for part in np.array_split(table, shards)]
    if total < shards:  # TensorFlow's layout leaves the last shards empty
        parts = [np.concatenate([part, np.zeros((0, 2), np.float32)]) for part in parts]
    view = as_weights(parts, strategy).view
    for row in range(total):
        assert _read(row_address(view, row), np.float32) == table[row, 0]


@pytest.mark.parametrize("table", [np.arange(12.0).reshape(4, 3)[::2], np.arange(12.0).reshape(3, 4).T[:, 1:]])
def test_any_strides(table):
    view = as_weights(table).view
    for row in range(len(table)):
        where = row_address(view, row)
        assert [_read(where + d * view.feature_stride, float) for d in range(view.width)] == table[row].tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_numbers_of_every_dtype(dtype):
    values = np.array([0.0, -1.5, 3.140625, np.inf, 2.0**-20, -0.0], dtype)
    view = as_biases(values, "mod", len(values)).view
    read = [number_at(row_address(view, i), view.storage) for i in range(len(values))]
    assert read == values.astype(float).tolist()
