"""Vocabulary: words as integers, the frequent ones first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastcands.atomic import write_atomically
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size

__all__ = ["BOUNDARY", "UNKNOWN", "Vocabulary"]

UNKNOWN = "<unk>"
"""The word that stands for every word outside the vocabulary."""

BOUNDARY = "</s>"
"""The word that ends every document; contexts are padded with it before a document's first word."""


class _Ids(dict[str, int]):
    """Ids by word; the unknown word's id for any other."""

    unknown_id: int

    def __missing__(self, word: str) -> int:
        return self.unknown_id


def _ranked(word: str, count: int) -> tuple[int, bytes, str]:
    # a lone surrogate has no UTF-8 form, yet a rank
    return -count, hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest(), word


class Vocabulary:
    """Words and their ids, ``0 … len(vocabulary) − 1``.

    Parameters
    ----------
    words : sequence of str
        The words by id, all different, without line ends; ``<unk>`` and ``</s>`` among them.

    Attributes
    ----------
    words : tuple of str
        The words by id.
    unknown_id, boundary_id : int
        Ids of ``<unk>``, which stands for all other words, and of ``</s>``, which ends a document.

    Raises
    ------
    ValueError
        If a word is repeated, empty or holds a line end, or if ``<unk>`` or ``</s>`` is missing.

    Examples
    --------
    >>> vocabulary = Vocabulary.build({"the": 5, "cat": 2, "sat": 1, "</s>": 3}, size=4)
    >>> vocabulary.words
    ('the', '</s>', 'cat', '<unk>')
    >>> vocabulary.encode(["the", "dog"])
    array([0, 3], dtype=int32)
    """

    __slots__ = ("_ids", "boundary_id", "unknown_id", "words")

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = _Ids(zip(self.words, range(len(self.words)), strict=True))
        if len(self._ids) < len(self.words):
            repeated = next(word for id_, word in enumerate(self.words) if self._ids[word] != id_)
            raise ValueError(f"words must be all different, got {repeated!r} twice")
        for special in (UNKNOWN, BOUNDARY):
            if special not in self._ids:
                raise ValueError(f"words must hold {special!r}")
        unsafe = next((word for word in self.words if not word or "\n" in word or "\r" in word), None)
        if unsafe is not None:
            raise ValueError(f"words must be non-empty and without line ends, got {unsafe!r}")
        self.unknown_id = self._ids.unknown_id = self._ids[UNKNOWN]
        self.boundary_id = self._ids[BOUNDARY]

    @classmethod
    def build(cls, counts: Mapping[str, int], size: int, min_count: int | None = 1) -> Vocabulary:
        """Keep the most frequent words; ids fall with the training frequency.

        ``<unk>`` and ``</s>`` are always kept and ranked like any word: ``<unk>`` by the count of all words
        that are left out (and its own in `counts`), ``</s>`` by its own. Words of equal count are ranked by
        a hash of their spelling: the cut at `size` goes through the words seen once, and those beyond it
        must be a fair sample of the rare ones, since from them a model learns where unknown words stand.
        Ranked by alphabet or first appearance, words of one kind or of the last few documents would be the
        sample.

        Parameters
        ----------
        counts : mapping of str to int
            How often each word stands in the training text; under ``</s>``, the number of documents.
        size : int
            Most words to keep, ``<unk>`` and ``</s>`` included; at least 3.
        min_count : int or None, default 1
            Rarer words are left out; 0 keeps words of count 0. With None, no word is left out for its count alone;
            but where no word is left out at all, every second of those seen once is. From them a model learns how
            often a word is unknown, and where: without any, each unknown word of other text costs it 10 nats or more.

        Returns
        -------
        Vocabulary
            At most `size` words.

        Raises
        ------
        ValueError
            If `size` is below 3 or `min_count` below 0.
        """
        size = as_size(size, "size", minimum=3)
        least = 1 if min_count is None else as_size(min_count, "min_count", minimum=0)
        ranked = sorted(_ranked(word, count) for word, count in counts.items() if word not in (UNKNOWN, BOUNDARY))
        kept = [item for item in ranked[: size - 2] if -item[0] >= least]
        if min_count is None and len(kept) == len(ranked) and not counts.get(UNKNOWN, 0):
            seen_once = sum(item[0] == -1 for item in kept)
            kept = kept[: len(kept) - seen_once // 2]  # the last ones, in the order of a hash
        left_out = -sum(item[0] for item in ranked[len(kept) :])
        kept.append(_ranked(UNKNOWN, counts.get(UNKNOWN, 0) + left_out))
        kept.append(_ranked(BOUNDARY, counts.get(BOUNDARY, 0)))
        return cls([word for _, _, word in sorted(kept)])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} words)"

    def encode(self, tokens: Iterable[str]) -> NDArray[np.int32]:
        """Return the ids of `tokens`, the unknown word's for those outside the vocabulary.

        Parameters
        ----------
        tokens : iterable of str
            Any number of words.

        Returns
        -------
        int32 array, shape (N,)
            Their ids.
        """
        return np.fromiter(map(self._ids.__getitem__, tokens), np.int32)

    def decode(self, ids: object) -> list[str]:
        """Return the words of `ids`.

        Parameters
        ----------
        ids : integer array, shape (N,)
            Each in ``[0, len(vocabulary))``.

        Returns
        -------
        list of str
            The words.

        Raises
        ------
        ValueError
            If an id is out of range.
        """
        checked = as_class_ids(ids, "ids", num_classes=len(self), ndim=1, limit_name="len(vocabulary)")
        return [self.words[id_] for id_ in checked.tolist()]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the words in UTF-8, one a line, the id being the line's number from 0.

        The file appears complete or not at all.

        Parameters
        ----------
        path : str or path
            Where to; a file there is replaced.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        content = "".join(f"{word}\n" for word in self.words).encode()
        write_atomically(path, lambda file: file.write(content))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a vocabulary that `save` wrote.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        Vocabulary
            Equal to the one saved.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no vocabulary, or its end is missing.
        """
        try:
            content = Path(path).read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not a vocabulary file ({error})") from None
        if not content.endswith("\n"):
            raise ValueError(f"{path}: not a vocabulary file, or its end is missing")
        try:
            return cls(content[:-1].split("\n"))
        except ValueError as error:
            raise ValueError(f"{path}: not a vocabulary file ({error})") from None
