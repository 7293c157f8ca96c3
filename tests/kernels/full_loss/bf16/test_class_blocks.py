"""Packed blocks of exact losses against the definition of the blocks."""

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest

from fastcands.kernels.full_loss.bf16.class_blocks import (
    bf16_pack_inputs,
    mask_labels,
    pack_class_rows,
    prefetch_rows,
)
from fastcands.kernels.table.view import TableView
from fastcands.losses.shards import as_weights
from fastcands.workspace import scratch
from tests.bf16 import bits, parts

SIDE, WORDS = 32, 1024
SPLIT = pytest.mark.parametrize("split", [0, 1])


class Rows(NamedTuple):
    """The fields of a job that packing rows reads."""

    table: TableView
    split: int = 0
    addresses: Any = None
    rows: Any = None
    packed_rows: Any = None
    packed_rows_t: Any = None


class Labels(NamedTuple):
    """The fields of a job that masking true classes reads."""

    label_rows: Any
    label_examples: Any
    tile: Any


def _blocks(matrix, right, split):
    """Return the packed blocks of a matrix, (rows of blocks, columns of blocks, words), zeros beyond it."""
    rows, columns = (-(-size // SIDE) for size in matrix.shape)
    padded = np.zeros((rows * SIDE, columns * SIDE), np.float32)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    packed = []
    for part in parts(padded, split)[: 1 + split]:
        blocks = bits(part).reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2)
        if right:  # tile, pair of rows, column, row of the pair
            blocks = blocks.reshape(rows, columns, 16, 2, 2, 16).transpose(0, 1, 4, 2, 5, 3)
        packed.append(blocks.reshape(rows, columns, WORDS))
    return np.concatenate(packed, axis=2)


@SPLIT
@pytest.mark.parametrize("examples", [1, 32, 33, 70])
@pytest.mark.parametrize("width", [1, 31, 32, 65])
def test_inputs(width, examples, split):
    inputs = np.random.default_rng(0).normal(size=(examples, width)).astype(np.float32)
    panels, steps, words = -(-examples // SIDE), -(-width // SIDE), WORDS * (1 + split)
    for keep in (True, False):
        packed = scratch("packed", (panels, steps, words), np.uint16)
        packed_t = scratch("packed t", (steps if keep else 0, panels, words), np.uint16)
        packed[:], packed_t[:] = 7, 7
        bf16_pack_inputs(inputs, scratch("tile", (2, SIDE, SIDE), np.float32), split, packed, packed_t, 2)
        np.testing.assert_array_equal(packed, _blocks(inputs.T, True, split).swapaxes(0, 1))
        if keep:
            np.testing.assert_array_equal(packed_t, _blocks(inputs, True, split).swapaxes(0, 1))


@SPLIT
@pytest.mark.parametrize("width", [1, 32, 33, 96])
@pytest.mark.parametrize(("first", "last"), [(0, 64), (3, 4), (5, 70), (90, 100)])
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("transposed", [False, True])
def test_rows_of_a_table(transposed, dtype, first, last, width, split):
    table = np.random.default_rng(1).normal(size=(100, width)).astype(dtype)
    table = np.asfortranarray(table) if transposed else table
    row_panels, steps, words, workers, worker = 4, -(-width // SIDE), WORDS * (1 + split), 2, 1
    addresses = np.zeros((workers, SIDE), np.int64)
    rows = np.full((workers * SIDE, steps * SIDE + 16), np.nan, np.float32)
    packed_rows = scratch("packed rows", (workers, row_panels, steps, words), np.uint16)
    packed_rows_t = scratch("packed rows t", (workers, steps, row_panels, words), np.uint16)
    for transposed_too in (packed_rows_t, packed_rows_t[:0]):
        packed_rows[:], packed_rows_t[:] = 7, 7
        job = Rows(as_weights(table).view, split, addresses, rows, packed_rows, transposed_too)
        pack_class_rows(job, first, last, worker)
        wanted = table[first:last].astype(np.float32)
        here = -(-len(wanted) // SIDE)
        np.testing.assert_array_equal(packed_rows[worker, :here], _blocks(wanted, False, split))
        assert (packed_rows[worker, here:] == 7).all()
        assert (packed_rows[0] == 7).all()
        if len(transposed_too):
            np.testing.assert_array_equal(packed_rows_t[worker, :, :here], _blocks(wanted.T, False, split))
        else:
            assert (packed_rows_t == 7).all()


def test_prefetching_touches_nothing():
    table = np.ones((40, 33), np.float32)
    job = Rows(as_weights(table).view)
    for first, last in ((0, 40), (40, 40), (40, 7)):
        for part in range(3):
            prefetch_rows(job, first, last, part, 3)
    assert (table == 1).all()


def test_true_classes_are_left_out_of_their_tile_only():
    tile = np.zeros((2, 64, SIDE), np.float32)
    job = Labels(np.array([5, 99, 100, 163, 164, 130, 130]), np.array([32, 33, 34, 63, 40, 41, 41]), tile)
    mask_labels(job, 1, 7, 100, 64, 1)
    expected = np.zeros_like(tile)
    for row, example in ((0, 2), (63, 31), (30, 9)):
        expected[1, row, example] = -np.inf
    np.testing.assert_array_equal(tile, expected)
