"""Addresses of rows and numbers against NumPy's own indexing."""

import ctypes

import ml_dtypes
import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.table.view import float16_value, number_at, row_address
from fastcands.losses.shards import as_biases, as_weights
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.memory import float32_bits


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


@kernel
def _bits_of_halves(halves, flush, out):
    mode = flush_denormals() if flush else 0
    for i in range(len(halves)):
        out[i] = float32_bits(float16_value(halves[i]))
    if flush:
        restore_denormals(mode)


@pytest.mark.parametrize("flush", [False, True])
def test_every_half_bit_by_bit(flush):
    """As NumPy's ``astype``; a NaN keeps payload and quietness, which NumPy leaves to the processor on some."""
    halves, out = np.arange(2**16, dtype=np.uint16), np.empty(2**16, np.uint32)
    _bits_of_halves(halves, flush, out)
    wide = halves.astype(np.uint32)
    nan = (wide & 0x7FFF) > 0x7C00
    with np.errstate(invalid="ignore"):
        want = halves.view(np.float16).astype(np.float32).view(np.uint32)
    np.testing.assert_array_equal(out[~nan], want[~nan])
    quiet = np.uint32(0x400000)
    np.testing.assert_array_equal(out[nan] | quiet, want[nan] | quiet)
    np.testing.assert_array_equal(out[nan], ((wide & 0x8000) << 16 | 0x7F800000 | (wide & 0x3FF) << 13)[nan])


@kernel
def _read_all(start, storage, count, flush, out):
    mode = flush_denormals() if flush else 0
    for i in range(count):
        out[i] = number_at(start + 2 * i, storage)
    if flush:
        restore_denormals(mode)


@pytest.mark.parametrize("flush", [False, True])
def test_every_half_as_a_bias(flush):
    values, out = np.arange(2**16, dtype=np.uint16).view(np.float16), np.empty(2**16)
    view = as_biases(values, "mod", len(values)).view
    _read_all(view.starts[0], view.storage, len(values), flush, out)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(out, values.astype(np.float64))
