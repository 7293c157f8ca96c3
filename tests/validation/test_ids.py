"""Checks of ids and labels: what passes unchanged, what is converted, and what each refusal says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastcands.validation import ids as validation


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64", "uint64", ">i4"])
def test_ids_of_any_integer_dtype(dtype: str) -> None:
    ids = validation.as_class_ids(np.array([[0, 100], [7, 3]], dtype), "ids", num_classes=101)
    assert ids.dtype == np.int64
    assert ids.dtype.isnative
    assert ids.flags.c_contiguous
    assert_array_equal(ids, [[0, 100], [7, 3]])


def test_ids_are_not_copied_without_need() -> None:
    ids = np.arange(5)
    assert validation.as_class_ids(ids, "ids", num_classes=5) is ids


def test_ids_without_a_limit_may_be_anything_of_64_bits() -> None:
    assert validation.as_class_ids([-1, 2**63 - 1], "ids").tolist() == [-1, 2**63 - 1]


@pytest.mark.parametrize("empty", [[], [[]], (), np.zeros((0, 3), np.int32)])
def test_empty_ids(empty: Any) -> None:
    ids = validation.as_class_ids(empty, "ids", num_classes=1)
    assert ids.dtype == np.int64
    assert ids.shape == np.shape(empty)


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([0, 5, 6], ValueError, "ids must be in [0, num_classes) = [0, 5), got 5 at [1]"),
        ([[0, 1], [4, -1]], ValueError, "ids must be in [0, num_classes) = [0, 5), got -1 at [1, 1]"),
        (
            np.uint64([1, 2**64 - 1]),
            ValueError,
            f"ids must be in [0, num_classes) = [0, 5), got {2**64 - 1} at [1]",
        ),
        (np.array(9), ValueError, "ids must be in [0, num_classes) = [0, 5), got 9 at []"),
        ([1.0], TypeError, "ids must be integers, got float64"),
        (np.zeros(0), TypeError, "ids must be integers, got float64"),
        ([True], TypeError, "ids must be integers, got bool"),
        (["1"], TypeError, "ids must be integers, got <U1"),
        ([None], TypeError, "ids must be integers, got object"),
        ([2**70], TypeError, "ids must be integers, got object"),
    ],
)
def test_bad_ids(ids: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        validation.as_class_ids(ids, "ids", num_classes=5)
    assert str(caught.value) == message


def test_ids_of_the_wrong_rank_or_beyond_int64() -> None:
    with pytest.raises(ValueError, match=r"ids must have 1 dimension, got shape \(1, 1\)"):
        validation.as_class_ids([[1]], "ids", ndim=1)
    with pytest.raises(ValueError, match=r"ids must have 2 dimensions, got shape \(1,\)"):
        validation.as_class_ids([1], "ids", ndim=2)
    with pytest.raises(ValueError, match=rf"ids must be below 2\*\*63, got {2**63}"):
        validation.as_class_ids(np.uint64([2**63]), "ids")


@pytest.mark.parametrize("num_true", [None, 1])
def test_labels_of_one_class_may_be_a_vector(num_true: int | None) -> None:
    labels = validation.as_labels([3, 1], num_true=num_true, num_classes=4)
    assert labels.tolist() == [[3], [1]]
    assert validation.as_labels([[3], [1]], num_true=num_true).tolist() == [[3], [1]]


def test_labels_of_no_rows() -> None:
    assert validation.as_labels([]).shape == (0, 1)
    assert validation.as_labels(np.zeros((0, 3), int), num_true=3).shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "num_true", "error", "message"),
    [
        (
            np.ones((2, 3)),
            1,
            TypeError,
            "labels must be integers, got float64 of shape (2, 3): are labels and inputs swapped?",
        ),
        (np.ones(2), 1, TypeError, "labels must be integers, got float64"),
        ([1, 2], 2, ValueError, "labels must have shape (B, num_true), got (2,)"),
        (3, 1, ValueError, "labels must have shape (B, 1) or (B,), got ()"),
        ([[[1]]], None, ValueError, "labels must have shape (B, num_true), got (1, 1, 1)"),
        ([[1, 2]], 1, ValueError, "labels must have num_true = 1 columns, got shape (1, 2)"),
        ([[1, 2]], 3, ValueError, "labels must have num_true = 3 columns, got shape (1, 2)"),
        (np.zeros((2, 0), int), None, ValueError, "labels must have at least one column, got shape (2, 0)"),
        ([[1], [4]], 1, ValueError, "labels must be in [0, num_classes) = [0, 4), got 4 at [1, 0]"),
    ],
)
def test_bad_labels(labels: Any, num_true: int | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        validation.as_labels(labels, num_true=num_true, num_classes=4)
    assert str(caught.value) == message


def as_they_are(labels: Any) -> Any:
    return labels


def read_only(labels: Any) -> Any:
    labels = labels.copy()
    labels.setflags(write=False)
    return labels


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize("num_true", [None, 2])
@pytest.mark.parametrize("layout", [as_they_are, read_only])
def test_labels_are_not_copied_without_need(layout: Any, num_true: int | None, writable: bool) -> None:
    given = layout(np.array([[0, 4], [3, 3]]))
    labels = validation.as_labels(given, num_true=num_true, num_classes=5, writable=writable)
    assert_array_equal(labels, given)
    assert (labels is given) == (not writable or given.flags.writeable)
    assert labels.flags.writeable or not writable


LABELS = np.array([[0, 4, 1], [3, 3, 2]])


@pytest.mark.parametrize(
    "given",
    [LABELS.tolist(), LABELS.astype(">i8"), LABELS.astype(np.uint8), np.asfortranarray(LABELS), LABELS.view(np.matrix)],
    ids=["list", "other byte order", "uint8", "Fortran order", "subclass"],
)
def test_labels_are_converted(given: Any) -> None:
    labels = validation.as_labels(given, num_classes=5)
    assert type(labels) is np.ndarray or isinstance(given, np.matrix)
    assert labels.dtype == np.int64
    assert labels.dtype.isnative
    assert labels.flags.c_contiguous
    assert_array_equal(labels, LABELS)


@pytest.mark.parametrize("bad", [-1, 5, 2**62, -(2**63)])
def test_bad_labels_in_arrays_are_found(bad: int) -> None:
    labels = LABELS.copy()
    labels[1, 2] = bad
    with pytest.raises(ValueError, match=rf"labels must be in \[0, num_classes\) = \[0, 5\), got {bad} at \[1, 2\]"):
        validation.as_labels(labels, num_classes=5)


@pytest.mark.parametrize(("value", "kind"), [(True, "bool"), (1.0, "float"), ("1", "str")])
def test_ignore_index(value: Any, kind: str) -> None:
    assert validation.as_ignore_index(None) is None
    assert validation.as_ignore_index(np.int32(-3)) == -3
    with pytest.raises(TypeError, match=f"ignore_index must be an integer or None, got {kind}"):
        validation.as_ignore_index(value)
