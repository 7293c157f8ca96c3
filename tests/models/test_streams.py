"""What is read to predict the words of a text, position by position."""

from __future__ import annotations

import numpy as np
import pytest

from fastcands.data import EncodedText
from fastcands.models.streams import runs_to, stream_words

TEXT = EncodedText.from_documents([[5, 6, 7], [8], [3, 4, 5, 6, 2], [9, 1]], boundary_id=0)


def documents() -> list[list[int]]:
    ends = np.flatnonzero(TEXT.ids == 0)
    return [list(range(first, end + 1)) for first, end in zip([0, *(ends[:-1] + 1)], ends, strict=True)]


@pytest.mark.parametrize("with_last", [False, True])
def test_words_before_each_position(with_last: bool) -> None:
    positions = np.array([[0, 4, 1], [1, 5, 9], [2, 6, 10]])
    last = np.array([7, 3, 12]) if with_last else None
    words, starts = stream_words(TEXT, positions, last)
    before = [0, 0, *TEXT.ids.tolist()]  # before the text stands a boundary
    assert words[1:].tolist() == [[before[p + 1] for p in row] for row in positions]
    assert words[0, 1:].tolist() == [before[p] for p in positions[0, 1:]]  # nothing is before the text's start
    # starts of documents are 0, 4, 6 and 12; the last column jumps
    assert starts.tolist() == [[True, True, True], [False, False, True], [False, True, False]]


@pytest.mark.parametrize("shift", [0, 1])
def test_a_stream_that_continues_has_no_start(shift: int) -> None:
    _, starts = stream_words(TEXT, np.array([[2], [3]]), np.array([1 + shift]))
    assert starts.tolist() == [[bool(shift)], [False]]


@pytest.mark.parametrize("wanted", [[], [0], [13], [2, 2, 3], [1, 7, 10, 10, 14], list(range(15)), [5, 12]])
def test_runs_are_documents_up_to_the_last_position(wanted: list[int]) -> None:
    runs = runs_to(TEXT, np.array(wanted, np.int64))
    expected = []
    for document in documents():
        here = [p for p in wanted if p in document]
        if here:
            expected += [p for p in document if p <= max(here)]
    total = int(runs.ends[-1]) if wanted else 0
    assert total == len(expected)
    if wanted:
        assert runs.positions(0, total).tolist() == expected
        assert runs.positions(0, 1).tolist() + runs.positions(1, total).tolist() == expected
    assert [expected[place] for place in runs.places] == wanted
