from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import EncodedText

DOCUMENTS = st.lists(st.lists(st.integers(0, 5), max_size=6), max_size=8)


def slow_contexts(documents: list[list[int]], boundary: int, n: int) -> list[list[int]]:
    """The context of every prediction: read each document word by word, forget all at its end."""
    contexts = []
    for document in documents:
        if not document:
            continue
        seen: list[int] = []
        for word in [*document, boundary][: len(document) + (document[-1] != boundary)]:
            contexts.append(([boundary] * n + seen)[-n:])
            seen = [] if word == boundary else [*seen, word]
    return contexts


@given(DOCUMENTS, st.integers(0, 6), st.integers(1, 9), st.randoms())
def test_contexts(documents: list[list[int]], boundary: int, n: int, shuffler: object) -> None:
    text = EncodedText.from_documents(documents, boundary)
    expected = np.array(slow_contexts(documents, boundary, n), np.int64).reshape(-1, n)
    contexts = text.contexts(np.arange(len(text)), n)
    assert contexts.dtype == np.int64
    assert contexts.flags.c_contiguous
    np.testing.assert_array_equal(contexts, expected)
    shuffler.shuffle(order := list(range(len(text))) * 2)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(text.contexts(order, n), expected[order])


@given(DOCUMENTS, st.integers(0, 6))
def test_documents_in_a_row(documents: list[list[int]], boundary: int) -> None:
    text = EncodedText.from_documents((np.array(d, np.int64) for d in documents), boundary)
    rest = text.ids.tolist()
    ends = 0
    for document in filter(None, documents):
        assert rest[: len(document)] == document
        rest = rest[len(document) :]
        ends += document.count(boundary)
        if document[-1] != boundary:
            assert rest.pop(0) == boundary
            ends += 1
    assert rest == []
    assert text.num_documents == ends
    assert text.ids.dtype == np.int32
    np.testing.assert_array_equal(text.counts(7), [text.ids.tolist().count(i) for i in range(7)])


@pytest.mark.parametrize("dtype", [np.int16, np.uint64, np.int32])
def test_positions_of_any_integer_type_and_layout(dtype: type) -> None:
    text = EncodedText.from_documents([[1, 2, 3, 4]], 0)
    positions = np.array([4, 9, 1, 9, 0], dtype)[::2]
    positions.flags.writeable = False
    np.testing.assert_array_equal(text.contexts(positions, 2), [[3, 4], [0, 1], [0, 0]])


def test_a_context_longer_than_the_text() -> None:
    text = EncodedText.from_documents([[7]], 3)
    np.testing.assert_array_equal(text.contexts([0, 1], 5), [[3] * 5, [3, 3, 3, 3, 7]])


def test_no_positions() -> None:
    assert EncodedText.from_documents([[7]], 3).contexts([], 4).shape == (0, 4)
    empty = EncodedText.from_documents([[], []], 3)
    assert len(empty) == empty.num_documents == 0
    assert empty.contexts([], 4).shape == (0, 4)


def test_read_only_ids_are_enough() -> None:
    ids = np.array([1, 2, 0], np.int32)
    ids.flags.writeable = False
    text = EncodedText(ids, 0)
    np.testing.assert_array_equal(text.contexts([2], 2), [[1, 2]])
    np.testing.assert_array_equal(text.counts(3), [1, 1, 1])


@pytest.mark.parametrize("bad", [-1, 3, 2**40])
def test_refused_positions(bad: int) -> None:
    text = EncodedText.from_documents([[1, 2]], 0)
    with pytest.raises(ValueError, match=rf"positions must be in \[0, len\(text\)\) = \[0, 3\), got {bad} at \[1\]"):
        text.contexts([0, bad], 2)


def test_refused_arguments() -> None:
    text = EncodedText.from_documents([[1, 2]], 0)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        text.contexts([0], 0)
    with pytest.raises(ValueError, match=r"positions must have 1 dimension, got shape \(1, 1\)"):
        text.contexts([[0]], 1)
    with pytest.raises(TypeError, match="positions must be integers, got float64"):
        text.contexts([0.5], 1)
    with pytest.raises(ValueError, match=r"positions must be in \[0, len\(text\)\) = \[0, 0\), got 0 at \[0\]"):
        EncodedText.from_documents([], 0).contexts([0], 1)
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        text.counts(0)
    with pytest.raises(ValueError, match=r"ids must be in \[0, num_classes\) = \[0, 2\), got 2 at \[1\]"):
        text.counts(2)
    with pytest.raises(ValueError, match=r"boundary_id must be in \[0, num_classes\) = \[0, 5\), got 9"):
        EncodedText(np.empty(0, np.int32), 9).check(5)


def test_refused_texts() -> None:
    with pytest.raises(TypeError, match=r"ids must be int32 of shape \(N,\), got int64 of shape \(2,\)"):
        EncodedText(np.array([1, 0]), 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"ids must be int32 of shape \(N,\), got int32 of shape \(1, 1\)"):
        EncodedText(np.zeros((1, 1), np.int32), 0)
    with pytest.raises(ValueError, match="ids must end with boundary_id = 0, got 1"):
        EncodedText(np.array([0, 1], np.int32), 0)
    with pytest.raises(ValueError, match=r"documents must be in \[0, 2\*\*31\) = \[0, 2147483648\), got -1 at \[0\]"):
        EncodedText.from_documents([[-1]], 0)
    with pytest.raises(ValueError, match=r"documents must be in .*, got 2147483648 at \[1\]"):
        EncodedText.from_documents([[0, 2**31]], 0)
    with pytest.raises(ValueError, match="boundary_id must be at least 0, got -1"):
        EncodedText.from_documents([], -1)
