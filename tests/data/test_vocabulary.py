from __future__ import annotations

import os
import random
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import BOUNDARY, UNKNOWN, Vocabulary

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1)
COUNTS = st.dictionaries(WORDS | st.sampled_from([UNKNOWN, BOUNDARY]), st.integers(1, 9), max_size=30)


def test_special_words_stand_where_their_counts_put_them() -> None:
    counts = {"a": 9, "b": 5, BOUNDARY: 6, "c": 2, "d": 2, "e": 2, UNKNOWN: 1}
    vocabulary = Vocabulary.build(counts, size=4)
    assert vocabulary.words == ("a", UNKNOWN, BOUNDARY, "b")  # 9, 1 + 2 + 2 + 2, 6, 5
    assert (vocabulary.unknown_id, vocabulary.boundary_id) == (1, 2)


def test_nothing_unknown_ranks_last() -> None:
    assert Vocabulary.build({"a": 1, BOUNDARY: 1}, size=9).words[-1] == UNKNOWN
    assert set(Vocabulary.build({}, size=3).words) == {UNKNOWN, BOUNDARY}


@given(COUNTS, st.integers(3, 40), st.integers(1, 9), st.randoms())
def test_ids_fall_with_the_training_frequency(
    counts: dict[str, int], size: int, min_count: int, shuffler: random.Random
) -> None:
    vocabulary = Vocabulary.build(counts, size, min_count)
    ordinary = counts.keys() - {UNKNOWN, BOUNDARY}
    kept = set(vocabulary.words) - {UNKNOWN, BOUNDARY}

    text = [word for word, count in counts.items() for _ in range(count)]
    frequencies = np.bincount(vocabulary.encode(text), minlength=len(vocabulary))
    assert frequencies.sum() == len(text)
    assert np.all(np.diff(frequencies) <= 0)

    eligible = {word for word in ordinary if counts[word] >= min_count}
    assert kept <= eligible
    assert len(kept) == min(len(eligible), size - 2)
    least = min((counts[word] for word in kept), default=0)
    assert all(counts[word] <= least for word in eligible - kept)

    items = list(counts.items())
    shuffler.shuffle(items)
    assert Vocabulary.build(dict(items), size, min_count) == vocabulary


def test_words_of_no_count_are_kept_when_asked_for() -> None:
    counts = {"a": 2, "b": 0}
    assert Vocabulary.build(counts, size=9, min_count=0).words[0] == "a"
    assert "b" in Vocabulary.build(counts, size=9, min_count=0)
    assert "b" not in Vocabulary.build(counts, size=9)


def test_the_cut_through_rare_words_takes_no_side() -> None:
    words = [f"{first}{i}" for first in "az" for i in range(1000)]
    for ordered in (words, words[::-1]):
        kept = Vocabulary.build(dict.fromkeys(ordered, 1), size=1002).words
        # a fair draw of 1000 from 2 x 1000 has a standard deviation of 11
        assert abs(sum(word[0] == "a" for word in kept) - 500) < 50


def test_the_order_of_ties_is_the_same_everywhere() -> None:
    # saved vocabularies and published figures depend on it
    counts = dict.fromkeys(["alpha", "beta", "gamma", "delta", "größe"], 3)
    assert Vocabulary.build(counts, size=9).words == (
        "beta",
        "alpha",
        "delta",
        "größe",
        "gamma",
        "</s>",
        "<unk>",
    )


@given(COUNTS, st.lists(WORDS))
def test_decode_undoes_encode(counts: dict[str, int], text: list[str]) -> None:
    vocabulary = Vocabulary.build(counts, size=20)
    ids = vocabulary.encode(iter(text))
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == [word if word in vocabulary else UNKNOWN for word in text]


def test_encode_does_not_learn() -> None:
    vocabulary = Vocabulary.build({"a": 1}, size=3)
    vocabulary.encode(["new", "new"])
    assert "new" not in vocabulary
    assert len(vocabulary) == 3


@pytest.mark.parametrize("bad", [-1, 3, 2**40])
def test_decode_refuses_other_ids(bad: int) -> None:
    vocabulary = Vocabulary.build({"a": 1}, size=3)
    with pytest.raises(ValueError, match=rf"ids must be in \[0, len\(vocabulary\)\) = \[0, 3\), got {bad} at \[1\]"):
        vocabulary.decode([0, bad])
    with pytest.raises(TypeError, match="ids must be integers, got float64"):
        vocabulary.decode([0.0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([UNKNOWN, BOUNDARY, "a", "b", "a"], "words must be all different, got 'a' twice"),
        ([UNKNOWN, "a"], "words must hold '</s>'"),
        ([BOUNDARY], "words must hold '<unk>'"),
        ([UNKNOWN, BOUNDARY, ""], "words must be non-empty and without line ends, got ''"),
        ([UNKNOWN, BOUNDARY, "a\nb"], r"words must be non-empty and without line ends, got 'a\\nb'"),
        ([UNKNOWN, BOUNDARY, "\r"], r"words must be non-empty and without line ends, got '\\r'"),
    ],
)
def test_refused_words(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary(words)


def test_refused_sizes() -> None:
    with pytest.raises(ValueError, match="size must be at least 3, got 2"):
        Vocabulary.build({}, size=2)
    with pytest.raises(ValueError, match="min_count must be at least 0, got -1"):
        Vocabulary.build({}, size=3, min_count=-1)
    with pytest.raises(TypeError, match="size must be an integer, got float"):
        Vocabulary.build({}, size=3.0)  # type: ignore[arg-type]


@given(st.lists(WORDS, unique=True))
def test_load_undoes_save(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "vocab.txt"
    vocabulary = Vocabulary([word for word in words if word not in (UNKNOWN, BOUNDARY)] + [UNKNOWN, BOUNDARY])
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    assert loaded == vocabulary
    assert hash(loaded) == hash(vocabulary)
    assert path.read_bytes().decode().split("\n") == [*vocabulary.words, ""]


def test_equality() -> None:
    assert Vocabulary([UNKNOWN, BOUNDARY]) != Vocabulary([BOUNDARY, UNKNOWN])
    assert Vocabulary([UNKNOWN, BOUNDARY]) != (UNKNOWN, BOUNDARY)
    assert repr(Vocabulary([UNKNOWN, BOUNDARY])) == "Vocabulary(2 words)"


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vocab.txt"
    old = Vocabulary([UNKNOWN, BOUNDARY, "old"])
    old.save(path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            Vocabulary([UNKNOWN, BOUNDARY, "new"]).save(path)
    with pytest.raises(UnicodeEncodeError):
        Vocabulary([UNKNOWN, BOUNDARY, "\ud800"]).save(path)
    assert Vocabulary.load(path) == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_saved_file_has_the_usual_permissions(tmp_path: Path) -> None:
    path, usual = tmp_path / "vocab.txt", tmp_path / "usual.txt"
    Vocabulary([UNKNOWN, BOUNDARY]).save(path)
    usual.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a vocabulary file, or its end is missing"),
        (b"<unk>\n</s>\nwo", "not a vocabulary file, or its end is missing"),
        (b"a\nb\n", r"not a vocabulary file \(words must hold '<unk>'\)"),
        (b"\xff\xfe\n", r"not a vocabulary file \('utf-8' codec can't decode byte"),
        (b"<unk>\r\n</s>\r\n", r"not a vocabulary file \(words must hold '<unk>'\)"),
    ],
)
def test_refused_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: {message}"):
        Vocabulary.load(path)
    with pytest.raises(FileNotFoundError):
        Vocabulary.load(tmp_path / "nothing")


def test_some_words_are_unknown_where_none_would_be() -> None:
    counts = {"the": 5, "a": 2, **{f"once{number}": 1 for number in range(7)}, "</s>": 2}
    whole, some = Vocabulary.build(counts, 100), Vocabulary.build(counts, 100, None)
    assert len(whole) == 11
    assert len(some) == 8
    assert {"the", "a"} < set(some.words) < set(whole.words)
    assert some.words.index("<unk>") == 1  # ranked by the three words that it stands for
    # where words are unknown anyway, it changes nothing
    assert Vocabulary.build(counts, 9, None) == Vocabulary.build(counts, 9)
    assert Vocabulary.build({**counts, "<unk>": 1}, 100, None) == Vocabulary.build({**counts, "<unk>": 1}, 100)
    assert Vocabulary.build({"a": 1}, 100, None) == Vocabulary.build({"a": 1}, 100)
