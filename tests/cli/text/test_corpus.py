"""A part of a corpus with a vocabulary of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastcands.cli.text.corpus import smaller
from fastcands.data import Corpus, PreparedCorpus, prepare_corpus


@pytest.fixture
def documents(tmp_path: Path) -> PreparedCorpus:
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text(" ".join(["a"] * number + ["b"] * 5 + [f"w{number}"]))
    return prepare_corpus(Corpus.from_paths([tmp_path]), "words", 100)


@pytest.mark.parametrize("tokens", [1, 60, 200, 10**9])
def test_a_part_of_a_corpus(documents: PreparedCorpus, tokens: int) -> None:
    part = smaller(documents, 5, tokens, seed=0)
    whole = [documents.vocabulary.decode(ids) for ids in split(documents.train)]
    picked = [part.vocabulary.decode(ids) for ids in split(part.train)]
    known = set(part.vocabulary.words)
    assert {"<unk>", "</s>"} < known
    assert len(known) <= 5
    reduced = [[word if word in known else "<unk>" for word in document] for document in whole]
    if tokens == 10**9:
        assert picked == reduced
    elif tokens >= 60:
        places = iter(reduced)  # in the order of the whole
        assert all(document in places for document in picked)
        assert tokens - 40 < len(part.train) <= tokens
    else:
        assert len(part.train) == 2  # a word and the end of its document
    assert len(part.valid) == len(documents.valid)
    assert part.vocabulary.decode(part.valid.ids) == [
        word if word in known else "<unk>" for word in documents.vocabulary.decode(documents.valid.ids)
    ]


def split(text: object) -> list[np.ndarray]:
    ids, boundary = text.ids, text.boundary_id  # type: ignore[attr-defined]
    return np.split(ids, np.flatnonzero(ids == boundary)[:-1] + 1)
