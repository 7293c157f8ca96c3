"""From the files of a corpus to ids: tokenize once, count, rank, encode."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastcands.data.byte_pairs import BytePairTokenizer, byte_pair_library
from fastcands.data.corpus import Corpus
from fastcands.data.encoded import EncodedText
from fastcands.data.held_out import CutByBytes, CutByTokens, first_bytes_of, kept
from fastcands.data.load_tokenizer import as_tokenizer
from fastcands.data.reading import ReadReport, read_text
from fastcands.data.tokenizers import Tokenizer
from fastcands.data.vocabulary import BOUNDARY, Vocabulary
from fastcands.validation.numbers import as_size

__all__ = ["PreparedCorpus", "encode_files", "prepare_corpus"]

_SPECIAL_WORDS = 2  # <unk> and </s>


@dataclasses.dataclass(frozen=True)
class PreparedCorpus:
    """A corpus as ids.

    Parameters
    ----------
    vocabulary : Vocabulary
        Words of the training text by falling frequency.
    train, valid, test : EncodedText
        The three parts.
    distinct_tokens : int
        Different tokens of the training text, in the vocabulary or not; without the boundary.
    report : ReadReport
        Counts of what was read from all files.
    tokenizer : Tokenizer
        What split the text; trained, if it is of that kind.
    train_bytes, valid_bytes, test_bytes : int
        Bytes of the text of each part in UTF-8, white space included. A held-out end of a tiny text can be the
        end of the document alone: 0 bytes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "letters.txt")
    >>> _ = file.write_text("a b a c a b a d")
    >>> prepared = prepare_corpus(Corpus.from_paths([file]), "words", vocab_size=4)
    >>> prepared.vocabulary.words, prepared.distinct_tokens, len(prepared.train)
    (('a', 'b', '</s>', '<unk>'), 3, 8)
    >>> prepared.unknown_share(prepared.train)
    0.125
    >>> prepared.train_bytes, prepared.valid_bytes, prepared.test_bytes
    (14, 1, 0)
    """

    vocabulary: Vocabulary
    train: EncodedText
    valid: EncodedText
    test: EncodedText
    distinct_tokens: int
    report: ReadReport
    tokenizer: Tokenizer
    train_bytes: int
    valid_bytes: int
    test_bytes: int

    def unknown_share(self, text: EncodedText) -> float:
        """Return the share of the predicted words of `text` that are the unknown word.

        Parameters
        ----------
        text : EncodedText
            One of the parts.

        Returns
        -------
        float
            In [0, 1].
        """
        return float(np.count_nonzero(text.ids == self.vocabulary.unknown_id) / len(text))


class _Numbering(dict[str, int]):
    """Numbers by word, in the order of first appearance: looking up a new word gives it the next number."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


def encode_files(
    paths: Sequence[Path], tokenizer: str | Tokenizer, vocabulary: Vocabulary, report: ReadReport | None = None
) -> EncodedText:
    """Read, tokenize and encode files, each as one document.

    Parameters
    ----------
    paths : sequence of Path
        Text files, as `find_text_files` lists them.
    tokenizer : str or Tokenizer
        A name in `TOKENIZERS`, or a tokenizer.
    vocabulary : Vocabulary
        Gives the ids.
    report : ReadReport, optional
        Gets the counts of these files added, the bytes of their text among them.

    Returns
    -------
    EncodedText
        The text; a file without tokens is left out.

    Raises
    ------
    OSError
        If a file cannot be read.
    TypeError
        If `tokenizer` is neither a name nor a tokenizer.
    ValueError
        If `tokenizer` is unknown or must be trained, a gzip file is damaged, or the files hold no token at all.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "cats.txt")
    >>> _ = file.write_text("the cat saw the dog")
    >>> vocabulary = Vocabulary(["the", "cat", "saw", "<unk>", "</s>"])
    >>> encode_files([file], "words", vocabulary).ids.tolist()
    [0, 1, 2, 0, 3, 4]
    """
    tokenize = as_tokenizer(tokenizer)
    report = ReadReport() if report is None else report
    documents = (vocabulary.encode(tokenize(read_text(path, report))) for path in paths)
    text = EncodedText.from_documents(documents, vocabulary.boundary_id)
    if not len(text):
        raise ValueError(f"no word in {_names(paths)}")
    return text


def prepare_corpus(
    corpus: Corpus, tokenizer: str | Tokenizer, vocab_size: int, min_count: int | None = 1
) -> PreparedCorpus:
    """Read a corpus once and encode it with the vocabulary of its training text.

    When `corpus` has no files for testing, the last 5 % of the training text is the test text; likewise for
    validation, from what is left. Held-out text never adds to the vocabulary. The share is one of the tokens. With
    byte pairs it is one of the bytes, so that it is known before they are trained: text that is held out trains
    nothing.

    Memory: four bytes a token, the distinct tokens, and a tenth of the text while its end is found. With ``bpe``
    the whole training text.

    Parameters
    ----------
    corpus : Corpus
        The files.
    tokenizer : str or Tokenizer
        A name in `TOKENIZER_NAMES`, or a tokenizer. With ``bpe`` one is trained: `BytePairTokenizer` says how many
        tokens it has. All of them are words of the vocabulary, so no word of any text is unknown.
    vocab_size : int
        Most words of the vocabulary, ``<unk>`` and ``</s>`` included.
    min_count : int or None, default 1
        Words that are rarer in the training text are unknown words; with ``bpe``, rarer pairs are not merged. None
        lets some words seen once be unknown where all are known otherwise: see `Vocabulary.build`.

    Returns
    -------
    PreparedCorpus
        The three parts as ids, and their vocabulary.

    Raises
    ------
    OSError
        If a file cannot be read.
    TypeError
        If `tokenizer` is neither a name nor a tokenizer.
    ValueError
        If `tokenizer` is unknown, `vocab_size` below 3 (with ``bpe`` below 258: the bytes and two) or `min_count`
        below 1, if a gzip file is damaged, if a part has no word at all, or if the training text is too short to
        hold out its end. Also if the package ``tokenizers`` is missing, which ``bpe`` needs.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "rose.txt")
    >>> _ = file.write_text("a rose is a rose is a rose")
    >>> prepared = prepare_corpus(Corpus.from_paths([file]), "words", vocab_size=10)
    >>> prepared.vocabulary.decode(prepared.train.ids)
    ['a', 'rose', 'is', 'a', 'rose', 'is', 'a', '</s>']
    """
    trains = tokenizer == BytePairTokenizer.name
    vocab_size = as_size(vocab_size, "vocab_size", minimum=256 + _SPECIAL_WORDS if trains else 3)
    if min_count is not None:
        min_count = as_size(min_count, "min_count")
    report = ReadReport()
    cuts = (not corpus.test) + (not corpus.valid)
    documents: Iterable[Iterable[str]] = (read_text(path, report) for path in corpus.train)
    if trains:
        byte_pair_library()  # a missing package is told before much is read
        documents = texts = [list(document) for document in documents]
        tokenizer = _train(texts, report.bytes, cuts, vocab_size, min_count or 1)
    tokenizer = as_tokenizer(tokenizer)
    # numbers before ranks: so the text is tokenized only once
    numbers = _Numbering(zip((BOUNDARY, *tokenizer.tokens), itertools.count()))
    by_tokens = CutByTokens(tokenizer, 0 if tokenizer.tokens else cuts)
    rest = EncodedText.from_documents(_numbered(documents, by_tokens, numbers), numbers[BOUNDARY]).ids
    if not len(rest):
        raise ValueError(f"no word in {_names(corpus.train)}")
    sizes = np.array([0, *map(len, tokenizer.tokens)], np.int64)
    cutter = CutByBytes(rest, sizes) if tokenizer.tokens else by_tokens
    rest, train_bytes, held_out = _hold_out(corpus, rest, report.bytes, cutter)

    train = EncodedText.from_documents([rest], numbers[BOUNDARY])
    words = list(numbers)
    counts = train.counts(len(words))
    seen = {word: count for word, count in zip(words, counts.tolist(), strict=True) if count or tokenizer.tokens}
    vocabulary = Vocabulary.build(seen, vocab_size, 0 if tokenizer.tokens else min_count)
    ids = vocabulary.encode(words)

    def ranked(numbered: NDArray[np.int32]) -> EncodedText:
        return EncodedText.from_documents([ids[numbered]], vocabulary.boundary_id)

    def evaluated(part: str, paths: Sequence[Path]) -> tuple[EncodedText, int]:
        if part in held_out:
            numbered, size = held_out[part]
            return ranked(numbered), size
        before = report.bytes
        return encode_files(paths, tokenizer, vocabulary, report), report.bytes - before

    valid, valid_bytes = evaluated("valid", corpus.valid)
    test, test_bytes = evaluated("test", corpus.test)
    return PreparedCorpus(
        vocabulary=vocabulary,
        train=ranked(train.ids),
        valid=valid,
        test=test,
        distinct_tokens=int(np.count_nonzero(counts)) - 1,
        report=report,
        tokenizer=tokenizer,
        train_bytes=train_bytes,
        valid_bytes=valid_bytes,
        test_bytes=test_bytes,
    )


def _train(texts: list[list[str]], size: int, cuts: int, vocab_size: int, min_count: int) -> BytePairTokenizer:
    """Train byte pairs on what will not be held out of `size` bytes."""
    for _ in range(cuts):
        size = kept(size)
    pieces = list(first_bytes_of(itertools.chain.from_iterable(texts), size))
    return BytePairTokenizer.train(pieces, vocab_size - _SPECIAL_WORDS, min_count)


def _hold_out(
    corpus: Corpus, rest: NDArray[np.int32], size: int, cutter: CutByTokens | CutByBytes
) -> tuple[NDArray[np.int32], int, dict[str, tuple[NDArray[np.int32], int]]]:
    """Cut the parts that have no files off the training text; return what is left of it, and them, with their bytes."""
    held_out = {}
    for part in ("test", "valid"):
        if not getattr(corpus, part):
            at, before = cutter.cut(len(rest), size) if len(rest) >= 3 else (0, 0)
            if not 0 < at < len(rest):
                raise ValueError(f"too short to hold out text for evaluation: {len(rest)} words; name files for it")
            held_out[part] = rest[at:], size - before
            rest, size = rest[:at], before
    return rest, size, held_out


def _numbered(
    documents: Iterable[Iterable[str]], cutter: CutByTokens, numbers: _Numbering
) -> Iterator[NDArray[np.int32]]:
    """Yield the tokens of each document as numbers."""
    for document in documents:
        lists = cutter.token_lists(document)
        parts = [np.fromiter(map(numbers.__getitem__, tokens), np.int32, len(tokens)) for tokens in lists]
        ids = np.concatenate(parts) if parts else np.empty(0, np.int32)
        if len(ids) and ids[-1] != numbers[BOUNDARY]:  # as `EncodedText.from_documents` ends it
            cutter.end_document()
        yield ids


def _names(paths: Sequence[Path]) -> str:
    return f"{paths[0]}" if len(paths) == 1 else f"{paths[0]} … {paths[-1]} ({len(paths)} files)"
