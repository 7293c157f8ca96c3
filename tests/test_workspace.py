"""Arrays of a call: laid down from declarations by name, aligned, kept for calls of the same sizes."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from fastcands import workspace
from fastcands.workspace import given, new_results, number, result, shared, shared_fields


class Sizes(NamedTuple):
    dtype: np.dtype
    n: int
    m: int


class Fields(NamedTuple):
    small: Any = shared(lambda n: (n.n,), np.int64, written="first", read="second")
    large: Any = shared(lambda n: (n.n, n.m), written="first", read="second")
    tail: Any = shared(lambda n: (3,), np.uint16, written="first", read="second")
    count: Any = number(lambda n: n.n * n.m, read="second")


class Swapped(NamedTuple):
    tail: Any = shared(lambda n: (3,), np.uint16, written="first", read="second")
    count: Any = number(lambda n: n.n * n.m, read="second")
    large: Any = shared(lambda n: (n.n, n.m), written="first", read="second")
    small: Any = shared(lambda n: (n.n,), np.int64, written="first", read="second")


class Job(NamedTuple):
    flag: bool
    inputs: Any = given(lambda n: (n.n,), read="first")
    loss: Any = result(lambda n: (n.m,), written="second")
    rows: Any = result(lambda n: (n.n, n.m), np.float64, written="second")


SIZES = Sizes(np.dtype(np.float32), 5, 7)


def _kinds(fields):
    return {name: (getattr(fields, name).shape, getattr(fields, name).dtype) for name in ("small", "large", "tail")}


def test_arrays_are_those_declared():
    fields = shared_fields(Fields, SIZES, lambda made: made)
    assert _kinds(fields) == {"small": ((5,), np.int64), "large": ((5, 7), np.float32), "tail": ((3,), np.uint16)}
    assert fields.count == 35
    for array in fields[:3]:
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_arrays_do_not_overlap():
    fields = shared_fields(Fields, SIZES, lambda made: made)
    for value, array in enumerate(fields[:3]):
        array[...] = value
    assert [set(array.reshape(-1).tolist()) for array in fields[:3]] == [{0}, {1}, {2}]


def test_two_swapped_lines_of_a_declaration_change_nothing():
    """Shape, dtype and field stand in one line, so no array can get the memory of another."""
    fields, swapped = (shared_fields(kind, SIZES, lambda made: made) for kind in (Fields, Swapped))
    assert _kinds(fields) == _kinds(swapped)
    assert fields.count == swapped.count


def test_calls_of_one_size_share_their_arrays(monkeypatch):
    monkeypatch.setattr(workspace, "_pool", workspace._Pool())
    first = shared_fields(Fields, SIZES, lambda made: made)
    assert shared_fields(Fields, SIZES, lambda made: made) is first
    other = shared_fields(Fields, SIZES._replace(n=500), lambda made: made)
    assert other.large.shape == (500, 7)
    again = shared_fields(Fields, SIZES, lambda made: made)
    assert _kinds(again) == _kinds(first)


def test_results_are_new_each_time():
    first, second = new_results(Job, SIZES), new_results(Job, SIZES)
    assert {name: (array.shape, array.dtype) for name, array in first.items()} == {
        "loss": ((7,), np.float32),
        "rows": ((5, 7), np.float64),
    }
    assert not any(np.shares_memory(first[name], second[name]) for name in first)


def test_results_that_are_made_already_are_kept():
    loss = np.empty(7, np.float32)
    results = new_results(Job, SIZES, made={"loss": loss})
    assert results["loss"] is loss
    assert results["rows"].shape == (5, 7)


@pytest.mark.parametrize("n", [1, 1 << 16])
def test_large_results_are_aligned(n):
    rows = new_results(Job, SIZES._replace(n=n))["rows"]
    if n > 1:
        assert rows.ctypes.data % 64 == 0
    assert rows.base is None or rows.base.dtype == np.uint8


def test_what_is_not_declared_is_no_result():
    with pytest.raises(TypeError, match="flag"):
        Job(**new_results(Job, SIZES))
