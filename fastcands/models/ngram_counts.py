"""Counts of the n-grams of a text, of every order up to a highest one, as sorted arrays of integers.

Contexts are numbered like the nodes of a tree that is read from the newest word backwards: a context's parent is the
context without its oldest word. A context is then one integer, the number of its parent times 2^31 plus its oldest
word, and an n-gram is one, the number of its context times 2^31 plus its last word. Words are int32, and there are
fewer contexts than words in the text, so a code fits into int64 whatever the vocabulary and the order are. Sorting
integers counts n-grams, and a binary search finds them again.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.data.encoded import EncodedText

__all__ = ["NGramCounts", "count_ngrams", "find", "join", "owner_of", "word_of"]

_WORD_BITS = 31
_WORD_MASK = (1 << _WORD_BITS) - 1


def join(numbers: NDArray[np.int64], words: NDArray[Any]) -> NDArray[np.int64]:
    """Return the codes of contexts, or of n-grams, from the numbers of shorter contexts and the words added."""
    codes = numbers << _WORD_BITS
    codes |= words
    return codes


def owner_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the context that each code continues."""
    return codes >> _WORD_BITS


def word_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the word that each code adds to its context."""
    return codes & _WORD_MASK


def find(codes: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return positions of `wanted` in the sorted `codes`, and which of them are there."""
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return place, codes[place] == wanted


@dataclasses.dataclass(frozen=True, eq=False)
class NGramCounts:
    """N-grams of one order n and their counts.

    Parameters
    ----------
    contexts : int64 array, shape (C,)
        Sorted codes of the contexts of n - 1 words; ``[0]``, the empty context, at n = 1. A context's number is its
        position here.
    ngrams : int64 array, shape (G,)
        Sorted codes.
    counts : int32 or int64 array, shape (G,)
        Of the n-grams, at least 1.
    """

    contexts: NDArray[np.int64]
    ngrams: NDArray[np.int64]
    counts: NDArray[Any]


def _is_first(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each element of a sorted array whether it differs from the one before."""
    first = np.empty(len(codes), np.bool_)
    first[:1] = True
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    return first


def _number(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distinct codes, sorted, and overwrite each code by its position among them."""
    order = np.argsort(codes)
    in_order = codes[order]
    is_first = _is_first(in_order)
    distinct = in_order[is_first]
    np.cumsum(is_first, out=in_order)
    in_order -= 1
    codes[order] = in_order
    return distinct


def _count(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort `codes` in place; return the distinct ones and how often each was there."""
    codes.sort()
    starts = np.flatnonzero(_is_first(codes))
    return codes[starts], np.diff(starts, append=len(codes))


def count_ngrams(text: EncodedText, order: int) -> list[NGramCounts]:
    """Count the n-grams of orders 1 to `order` as Kneser-Ney smoothing counts them.

    At the highest order a count says how often the n-gram occurs, below it how many different words occur before the
    n-gram. N-grams whose oldest context word is the boundary are counted plainly at every order: no word can
    stand before the start of a document.

    Parameters
    ----------
    text : EncodedText
        At least one word.
    order : int
        At least 1.

    Returns
    -------
    list of NGramCounts
        Of order 1, 2, and so on.

    Notes
    -----
    Time O(order · N log N), memory about 40 bytes a word of the text beside the result.
    """
    boundary = text.boundary_id
    contexts = [np.zeros(1, np.int64)]
    numbers = np.zeros(len(text), np.int64)  # of each position's context
    words = np.empty(0, np.int32)
    for distance in range(1, order):
        older = np.roll(text.ids, distance)  # the text ends with a boundary, which so comes before its start
        words = older if distance == 1 else np.where(words == boundary, np.int32(boundary), older)
        numbers <<= _WORD_BITS
        numbers |= words
        contexts.append(_number(numbers))
    numbers <<= _WORD_BITS
    numbers |= text.ids
    ngrams, counts = _count(numbers)
    del numbers, words

    count_type = np.int32 if len(text) < 2**31 else np.int64
    tables = [NGramCounts(contexts[-1], ngrams, counts.astype(count_type))]
    for length in range(order - 2, -1, -1):  # of the context
        parent = owner_of(contexts[length + 1])[owner_of(ngrams)]
        codes = join(parent, word_of(ngrams))
        if length:
            # only one n-gram continues such a one to the past, with one more boundary, so its count is at hand
            at_start = np.flatnonzero((word_of(contexts[length]) == boundary)[parent])
            start_codes, start_counts = codes[at_start], counts[at_start]
        del parent
        ngrams, counts = _count(codes)
        if length:
            counts[np.searchsorted(ngrams, start_codes)] = start_counts
        tables.append(NGramCounts(contexts[length], ngrams, counts.astype(count_type)))
    return tables[::-1]
