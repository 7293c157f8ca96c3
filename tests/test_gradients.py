"""Row gradients: sums of repeated ids against np.add.at, the same bits for any threads, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc


def added_at(ids: Any, rows: Any, num_rows: int) -> Any:
    dense = np.zeros((num_rows, *rows.shape[1:]), np.float64)
    np.add.at(dense, ids, rows.astype(np.float64))
    return dense


@settings(max_examples=100, deadline=None)
@given(
    num_rows=st.integers(1, 12),
    num_pairs=st.integers(0, 40),
    width=st.sampled_from([None, 0, 1, 3, 16, 17]),
    dtype=st.sampled_from([np.float32, np.float64]),
    id_dtype=st.sampled_from([np.int64, np.int32, np.uint8, np.uint64]),
    seed=st.integers(0, 1000),
)
def test_from_pairs_is_add_at(
    num_rows: int, num_pairs: int, width: int | None, dtype: Any, id_dtype: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, num_rows, num_pairs).astype(id_dtype)
    rows = rng.normal(size=num_pairs if width is None else (num_pairs, width)).astype(dtype)
    gradients = []
    for n in (1, 2, 3, 7):
        with fc.num_threads(n):
            gradients.append(fc.RowGradient.from_pairs(ids, rows, num_rows))
    first = gradients[0]
    assert first.ids.dtype == np.int64
    assert first.rows.dtype == dtype
    assert first.num_rows == num_rows
    assert_array_equal(first.ids, np.unique(ids))
    assert_allclose(first.to_dense(), added_at(ids, rows, num_rows), atol=1e-5 if dtype == np.float32 else 1e-13)
    for other in gradients[1:]:
        assert_array_equal(other.ids, first.ids)
        assert other.rows.tobytes() == first.rows.tobytes()


def test_sums_run_in_the_order_of_the_pairs() -> None:
    """In float32 another order gives another sum."""
    rows = np.array([1e8, 1, -1e8, 1], np.float32)
    assert fc.RowGradient.from_pairs([0, 0, 0, 0], rows, 1).rows.tolist() == [1]
    assert fc.RowGradient.from_pairs([0, 0, 0, 0], rows[[0, 2, 1, 3]], 1).rows.tolist() == [2]


def strided(rows: Any) -> Any:
    return np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)[::2, ::3]


def reversed_(rows: Any) -> Any:
    return rows[::-1].copy()[::-1]


def readonly(rows: Any) -> Any:
    copy = rows.copy()
    copy.setflags(write=False)
    return copy


@pytest.mark.parametrize("layout", [np.asfortranarray, strided, reversed_, readonly])
def test_any_layout_of_rows_and_ids(layout: Any) -> None:
    rng = np.random.default_rng(0)
    ids, rows = rng.integers(0, 5, 20), rng.normal(size=(20, 4)).astype(np.float32)
    expected = fc.RowGradient.from_pairs(ids, rows, 5)
    ours = fc.RowGradient.from_pairs(np.repeat(ids, 2)[::2], layout(rows), 5)
    assert_array_equal(ours.rows, expected.rows)
    vector = fc.RowGradient.from_pairs(ids, layout(rows)[:, 1], 5)
    assert_array_equal(vector.rows, expected.rows[:, 1])


def test_the_rows_given_are_not_changed() -> None:
    ids, rows = np.array([1, 0, 1]), np.arange(6, dtype=np.float32).reshape(3, 2)
    gradient = fc.RowGradient.from_pairs(ids, rows, 2)
    gradient.rows[:] = -1
    assert_array_equal(rows, np.arange(6).reshape(3, 2))
    assert_array_equal(ids, [1, 0, 1])


def test_nothing_is_an_empty_gradient() -> None:
    for ids in ([], np.zeros(0, np.int64)):
        gradient = fc.RowGradient.from_pairs(ids, np.zeros((0, 3), np.float32), 4)
        assert gradient.rows.shape == (0, 3)
        assert_array_equal(gradient.to_dense(), np.zeros((4, 3)))


def test_a_huge_table_costs_nothing() -> None:
    gradient = fc.RowGradient.from_pairs([2**61, 5, 2**61], np.ones((3, 2), np.float32), 2**62)
    assert gradient.ids.tolist() == [5, 2**61]
    assert gradient.rows.tolist() == [[1, 1], [2, 2]]


def test_nan_stays_in_its_row() -> None:
    gradient = fc.RowGradient.from_pairs([0, 1, 0], np.array([1, 2, np.nan]), 2)
    assert_array_equal(gradient.rows, [np.nan, 2])


ROWS = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("ids", "rows", "num_rows", "error", "message"),
    [
        ([0, 4], ROWS, 4, ValueError, r"ids must be in \[0, num_rows\) = \[0, 4\), got 4 at \[1\]"),
        ([-1, 4], ROWS, 4, ValueError, r"ids must be in \[0, num_rows\) = \[0, 4\), got -1 at \[0\]"),
        ([0.0, 1.0], ROWS, 4, TypeError, "ids must be integers, got float64"),
        ([[0, 1]], ROWS, 4, ValueError, r"ids must have 1 dimension, got shape \(1, 2\)"),
        ([0], ROWS, 4, ValueError, r"rows must have shape \(1, D\) or \(1,\) as ids do, got \(2, 3\)"),
        ([0, 1], ROWS[None], 4, ValueError, r"rows must have shape .* got \(1, 2, 3\)"),
        ([0, 1], np.float32(1), 4, ValueError, r"rows must have shape .* got \(\)"),
        ([0, 1], ROWS.astype(int), 4, TypeError, "rows must be float32 or float64, got int64"),
        ([0, 1], ROWS.astype(np.float16), 4, TypeError, "rows must be float32 or float64, got float16"),
        ([0, 1], ROWS.astype(">f4"), 4, TypeError, "rows must be float32 or float64, got >f4"),
        ([0, 1], ROWS, 0, ValueError, "num_rows must be at least 1, got 0"),
        ([0, 1], ROWS, 4.0, TypeError, "num_rows must be an integer, got float"),
    ],
)
def test_bad_pairs(ids: Any, rows: Any, num_rows: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fc.RowGradient.from_pairs(ids, rows, num_rows)
