"""From the files of a corpus to ids: tokenize once, count, rank, encode."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastcands.data.corpus import Corpus, ReadReport, read_text
from fastcands.data.encoded import EncodedText
from fastcands.data.tokenizers import TOKENIZERS, Tokenizer
from fastcands.data.vocabulary import BOUNDARY, Vocabulary
from fastcands.validation.numbers import as_size

__all__ = ["PreparedCorpus", "encode_files", "prepare_corpus"]

_HELD_OUT_SHARE = 0.05  # of the training text, for each of valid and test that has no files


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
    """

    vocabulary: Vocabulary
    train: EncodedText
    valid: EncodedText
    test: EncodedText
    distinct_tokens: int
    report: ReadReport

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


def _tokenizer(name: str) -> Tokenizer:
    if name not in TOKENIZERS:
        raise ValueError(f"tokenizer must be one of {', '.join(TOKENIZERS)}, got {name!r}")
    return TOKENIZERS[name]


def encode_files(
    paths: Sequence[Path], tokenizer: str, vocabulary: Vocabulary, report: ReadReport | None = None
) -> EncodedText:
    """Read, tokenize and encode files, each as one document.

    Parameters
    ----------
    paths : sequence of Path
        Text files, as `find_text_files` lists them.
    tokenizer : str
        A name in `TOKENIZERS`.
    vocabulary : Vocabulary
        Gives the ids.
    report : ReadReport, optional
        Gets the counts of these files added.

    Returns
    -------
    EncodedText
        The text; a file without tokens is left out.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If `tokenizer` is unknown, a gzip file is damaged, or the files hold no token at all.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "cats.txt")
    >>> _ = file.write_text("the cat saw the dog")
    >>> vocabulary = Vocabulary(["the", "cat", "saw", "<unk>", "</s>"])
    >>> encode_files([file], "words", vocabulary).ids.tolist()
    [0, 1, 2, 0, 3, 4]
    """
    tokenize = _tokenizer(tokenizer)
    report = ReadReport() if report is None else report
    documents = (vocabulary.encode(tokenize(read_text(path, report))) for path in paths)
    text = EncodedText.from_documents(documents, vocabulary.boundary_id)
    if not len(text):
        raise ValueError(f"no word in {_names(paths)}")
    return text


def prepare_corpus(corpus: Corpus, tokenizer: str, vocab_size: int, min_count: int = 1) -> PreparedCorpus:
    """Read a corpus once and encode it with the vocabulary of its training text.

    Memory: four bytes a token, and the distinct tokens. When `corpus` has no files for testing, the last 5 %
    of the training text is the test text; likewise for validation, from what is left. Held-out text never
    adds to the vocabulary.

    Parameters
    ----------
    corpus : Corpus
        The files.
    tokenizer : str
        A name in `TOKENIZERS`.
    vocab_size : int
        Most words of the vocabulary, ``<unk>`` and ``</s>`` included.
    min_count : int, default 1
        Words that are rarer in the training text are unknown words.

    Returns
    -------
    PreparedCorpus
        The three parts as ids, and their vocabulary.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If `tokenizer` is unknown, a size makes no sense, a gzip file is damaged, or a part holds no word.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "rose.txt")
    >>> _ = file.write_text("a rose is a rose is a rose")
    >>> prepared = prepare_corpus(Corpus.from_paths([file]), "words", vocab_size=10)
    >>> prepared.vocabulary.decode(prepared.train.ids)
    ['a', 'rose', 'is', 'a', 'rose', 'is', 'a', '</s>']
    """
    tokenize = _tokenizer(tokenizer)
    vocab_size = as_size(vocab_size, "vocab_size", minimum=3)
    min_count = as_size(min_count, "min_count")
    report = ReadReport()
    # numbers before ranks: so the text is tokenized only once
    numbers = _Numbering({BOUNDARY: 0})
    documents = (
        np.fromiter(map(numbers.__getitem__, tokenize(read_text(path, report))), np.int32) for path in corpus.train
    )
    rest = EncodedText.from_documents(documents, numbers[BOUNDARY]).ids
    if not len(rest):
        raise ValueError(f"no word in {_names(corpus.train)}")
    test, rest = (None, rest) if corpus.test else _cut_end(rest)
    valid, rest = (None, rest) if corpus.valid else _cut_end(rest)

    train = EncodedText.from_documents([rest], numbers[BOUNDARY])
    words = list(numbers)
    counts = train.counts(len(words))
    seen = {word: count for word, count in zip(words, counts.tolist(), strict=True) if count}
    vocabulary = Vocabulary.build(seen, vocab_size, min_count)
    ids = vocabulary.encode(words)

    def ranked(held_out: NDArray[np.int32] | None, paths: Sequence[Path]) -> EncodedText:
        if held_out is None:
            return encode_files(paths, tokenizer, vocabulary, report)
        return EncodedText.from_documents([ids[held_out]], vocabulary.boundary_id)

    return PreparedCorpus(
        vocabulary=vocabulary,
        train=ranked(train.ids, ()),
        valid=ranked(valid, corpus.valid),
        test=ranked(test, corpus.test),
        distinct_tokens=len(seen.keys() - {BOUNDARY}),
        report=report,
    )


def _cut_end(ids: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the held-out end of a text, and what stands before it."""
    size = max(1, int(len(ids) * _HELD_OUT_SHARE))
    if len(ids) < 3:
        raise ValueError(f"too short to hold out text for evaluation: {len(ids)} words; name files for it")
    return ids[-size:], ids[:-size]


def _names(paths: Sequence[Path]) -> str:
    return f"{paths[0]}" if len(paths) == 1 else f"{paths[0]} … {paths[-1]} ({len(paths)} files)"
