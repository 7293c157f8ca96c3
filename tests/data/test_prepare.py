from __future__ import annotations

import collections
import gzip
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastcands.data import (
    BOUNDARY,
    TOKENIZER_NAMES,
    TOKENIZERS,
    UNKNOWN,
    BytePairTokenizer,
    Corpus,
    ReadReport,
    Vocabulary,
    encode_files,
    prepare_corpus,
    tokenize_words,
)

TEXTS = {
    "train/a.txt": "the cat sat on the mat . the end",
    "train/b.txt": "",
    "train/c.txt.gz": "the dog saw the cat , the end",
    "valid.txt": "the dog sat on the unseen mat",
    "test.txt": "the the \ufffd end",
}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    for name, text in TEXTS.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        content = text.encode().replace("\ufffd".encode(), b"\xff")
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return Corpus.from_paths([tmp_path / "train"], [tmp_path / "valid.txt"], [tmp_path / "test.txt"])


@pytest.mark.parametrize("tokenizer", sorted(TOKENIZERS))
@pytest.mark.parametrize(("size", "min_count"), [(100, 1), (8, 1), (100, 2)])
def test_the_steps_by_hand_give_the_same(corpus: Corpus, tokenizer: str, size: int, min_count: int) -> None:
    prepared = prepare_corpus(corpus, tokenizer, size, min_count)
    tokens = {name: list(TOKENIZERS[tokenizer]([text])) for name, text in TEXTS.items()}
    counts = collections.Counter(tokens["train/a.txt"] + tokens["train/c.txt.gz"] + [BOUNDARY, BOUNDARY])
    assert prepared.vocabulary == Vocabulary.build(counts, size, min_count)
    assert prepared.distinct_tokens == len(counts) - 1

    def known(words: list[str]) -> list[str]:
        return [word if word in prepared.vocabulary else UNKNOWN for word in words]

    decode = prepared.vocabulary.decode
    assert decode(prepared.train.ids) == known([*tokens["train/a.txt"], BOUNDARY, *tokens["train/c.txt.gz"], BOUNDARY])
    assert decode(prepared.valid.ids) == known([*tokens["valid.txt"], BOUNDARY])
    assert decode(prepared.test.ids) == known([*tokens["test.txt"], BOUNDARY])
    assert np.all(np.diff(prepared.train.counts(len(prepared.vocabulary))) <= 0)
    size = sum(len(text.encode()) for text in TEXTS.values())
    assert prepared.report == ReadReport(4, sum(map(len, TEXTS.values())), 1, 1, size)


def test_unknown_share(corpus: Corpus) -> None:
    prepared = prepare_corpus(corpus, "words", 100)
    assert prepared.unknown_share(prepared.train) == 0
    assert prepared.unknown_share(prepared.valid) == 1 / 8
    assert prepared.unknown_share(prepared.test) == 1 / 5


def test_special_words_in_the_text_mean_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a <unk> b </s>\nc </s>\n")
    prepared = prepare_corpus(Corpus((path,), (path,), (path,)), "whitespace", 10)
    assert prepared.vocabulary.decode(prepared.train.ids) == ["a", UNKNOWN, "b", BOUNDARY, "c", BOUNDARY]
    assert prepared.train.num_documents == 2
    assert prepared.train.contexts([4], 2).tolist() == [[prepared.vocabulary.boundary_id] * 2]


def test_the_end_of_the_training_text_is_held_out_when_no_files_are(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    words = [f"w{i // 5}" for i in range(200)]  # the words of the end stand nowhere else
    path.write_text(" ".join(words))
    prepared = prepare_corpus(Corpus((path,), (), ()), "words", 1000)
    decode = prepared.vocabulary.decode
    # 201 with the end of the file: 10 for the test, 5 % of the other 191 to validate
    assert decode(prepared.train.ids) == [*words[:182], BOUNDARY]
    assert decode(prepared.valid.ids) == [words[182]] * 3 + [UNKNOWN] * 6 + [BOUNDARY]
    assert decode(prepared.test.ids) == [UNKNOWN] * 9 + [BOUNDARY]
    assert prepared.distinct_tokens == len(set(words[:182]))
    assert prepared.unknown_share(prepared.train) == 0

    only_test = prepare_corpus(Corpus((path,), (path,), ()), "words", 1000)
    assert only_test.vocabulary.decode(only_test.train.ids) == [*words[:191], BOUNDARY]
    assert len(only_test.valid) == 201


def one_line(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_refused_arguments(corpus: Corpus) -> None:
    message = "tokenizer must be one of words, whitespace, python, characters, bpe, got 'word'"
    with pytest.raises(ValueError, match=one_line(message)):
        prepare_corpus(corpus, "word", 100)
    with pytest.raises(ValueError, match=one_line(message)):
        encode_files(corpus.test, "word", Vocabulary([UNKNOWN, BOUNDARY]))
    message = "tokenizer must be a name or a Tokenizer, got function"
    with pytest.raises(TypeError, match=one_line(message)):
        prepare_corpus(corpus, tokenize_words, 100)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=one_line(message)):
        encode_files(corpus.test, tokenize_words, Vocabulary([UNKNOWN, BOUNDARY]))  # type: ignore[arg-type]
    message = "tokenizer bpe is known only when trained: give its state, or the trained tokenizer"
    with pytest.raises(ValueError, match=one_line(message)):
        encode_files(corpus.test, "bpe", Vocabulary([UNKNOWN, BOUNDARY]))
    with pytest.raises(ValueError, match=one_line("vocab_size must be at least 258, got 257")):
        prepare_corpus(corpus, "bpe", 257)
    with pytest.raises(ValueError, match=one_line("vocab_size must be at least 3, got 2")):
        prepare_corpus(corpus, "words", 2)
    with pytest.raises(ValueError, match=one_line("min_count must be at least 1, got 0")):
        prepare_corpus(corpus, "words", 100, 0)


def test_text_without_words(tmp_path: Path, corpus: Corpus) -> None:
    blank, other = tmp_path / "blank.txt", tmp_path / "other.txt"
    blank.write_text(" \n")
    other.write_text("\n")
    with pytest.raises(ValueError, match=one_line(f"no word in {blank}")):
        prepare_corpus(Corpus((blank,), (), ()), "words", 100)
    with pytest.raises(ValueError, match=one_line(f"no word in {blank} … {other} (2 files)")):
        prepare_corpus(Corpus((blank, other), (), ()), "words", 100)
    with pytest.raises(ValueError, match=one_line(f"no word in {blank}")):
        prepare_corpus(Corpus(corpus.train, (blank,), corpus.test), "words", 100)


def test_a_text_too_short_to_hold_out_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one two")
    message = "too short to hold out text for evaluation: 2 words; name files for it"
    with pytest.raises(ValueError, match=one_line(message)):
        prepare_corpus(Corpus((path,), (), ()), "words", 100)
    path.write_text("one two three")
    prepared = prepare_corpus(Corpus((path,), (), ()), "words", 100)
    words = [prepared.vocabulary.decode(part.ids) for part in (prepared.train, prepared.valid, prepared.test)]
    assert words == [["one", "two", BOUNDARY], [UNKNOWN, BOUNDARY], [BOUNDARY]]


def test_a_file_that_goes_away(tmp_path: Path, corpus: Corpus) -> None:
    corpus.valid[0].unlink()
    with pytest.raises(FileNotFoundError, match=r"valid\.txt"):
        prepare_corpus(corpus, "words", 100)


def test_memory_is_a_few_bytes_a_token(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.gz"
    words, word = 200_000, b"w" * 127 + b" "
    path.write_bytes(gzip.compress(word * words, 1))
    tracemalloc.start()
    try:
        prepared = prepare_corpus(Corpus((path,), (), ()), "whitespace", 100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(prepared.train) + len(prepared.valid) + len(prepared.test) == words + 3
    assert peak < len(word) * words // 2


@pytest.mark.parametrize("tokenizer", TOKENIZER_NAMES)
@pytest.mark.parametrize("held_out", [(), ("valid",), ("test",), ("valid", "test")])
def test_the_bytes_of_the_parts(tmp_path: Path, tokenizer: str, held_out: tuple[str, ...]) -> None:
    """Together they are the text; the text of a part has the tokens of the part."""
    sentence = "Größe zählt:  12 東京は、\n\nthe end. "
    (tmp_path / "train").mkdir()
    for i in range(9):
        (tmp_path / "train" / f"{i}.txt").write_text(sentence * (i + 3))
    (tmp_path / "other").write_text(sentence * 2)
    parts = {part: [tmp_path / "other"] for part in held_out}
    corpus = Corpus.from_paths([tmp_path / "train"], **parts)
    prepared = prepare_corpus(corpus, tokenizer, 1000)
    assert prepared.tokenizer.name == tokenizer
    sizes = {part: getattr(prepared, f"{part}_bytes") for part in ("train", "valid", "test")}
    assert sum(sizes.values()) == prepared.report.bytes
    for part in held_out:
        assert sizes[part] == len((sentence * 2).encode())

    text = b"".join(path.read_bytes() for path in corpus.train)
    for part in ("test", "valid"):
        if part not in held_out:
            content, text = text[-sizes[part] :], text[: -sizes[part]]
            # all of it is in the last file
            ids = prepared.vocabulary.encode([*prepared.tokenizer([content.decode()]), BOUNDARY])
            assert ids.tolist() == getattr(prepared, part).ids.tolist()
    assert len(text) == sizes["train"]


def test_byte_pairs_are_trained_on_what_is_not_held_out(tmp_path: Path) -> None:
    text = "the lower the better " * 100
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, end in zip(paths, ("q" * 200, "東\nx" * 40), strict=True):
        path.write_text(text + end)
    first, second = (prepare_corpus(Corpus((path,), (), ()), "bpe", 1000) for path in paths)
    train = text[: -(-len(text + "q" * 200) * 9025 // 10000)]
    by_hand = BytePairTokenizer.train([train], 998)
    assert first.tokenizer.to_json() == second.tokenizer.to_json() == by_hand.to_json()
    assert first.train.ids.tolist() == second.train.ids.tolist()
    assert first.vocabulary == second.vocabulary
    assert set(first.vocabulary.words) == {*by_hand.tokens, UNKNOWN, BOUNDARY}
    assert second.unknown_share(second.test) == 0
    assert first.distinct_tokens == len(set(first.train.ids.tolist())) - 1

    again = prepare_corpus(Corpus((paths[1],), (), ()), second.tokenizer, 1000)
    for part in ("train", "valid", "test"):
        assert getattr(again, part).ids.tolist() == getattr(second, part).ids.tolist()
        assert getattr(again, f"{part}_bytes") == getattr(second, f"{part}_bytes")
    encoded = encode_files([paths[1]], second.tokenizer, second.vocabulary)
    assert by_hand.decode(second.vocabulary.decode(encoded.ids[:-1])) == paths[1].read_text()


def test_byte_pairs_of_a_tiny_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("abc")
    message = "too short to hold out text for evaluation: 2 words; name files for it"
    with pytest.raises(ValueError, match=one_line(message)):
        prepare_corpus(Corpus((path,), (), ()), "bpe", 300)
    path.write_text("abcd")
    prepared = prepare_corpus(Corpus((path,), (), ()), "bpe", 300)
    assert (prepared.train_bytes, prepared.valid_bytes, prepared.test_bytes) == (2, 1, 1)


def test_byte_pairs_without_the_package(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"pip install 'fastcands\[tokenizers\]'"):
        prepare_corpus(corpus, "bpe", 300)
