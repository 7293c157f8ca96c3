"""The interpolated Kneser-Ney trigram model: the strong baseline among counting models.

An n-gram is one integer, the number of its context times V plus its last word. Sorting counts them and a
binary search finds them again, so a text of millions of words takes seconds.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.data.encoded import EncodedText
from fastcands.models.unigram import perplexity_of
from fastcands.validation.error_state import own_error_state

__all__ = ["KneserNeyTrigram"]

_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
_CHUNK = 1 << 18  # words looked up at once


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the discounts of n-grams seen once, twice, and more often, at positions 1, 2, 3.

    With ``n_k`` n-grams seen k times and ``Y = n_1 / (n_1 + 2 n_2)``: ``D_k = k - (k + 1) Y n_{k+1} / n_k``.
    On texts too small for the estimate, where a discount is undefined or outside ``(0, k]``, fixed ones take
    their place.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=5).astype(np.float64)
    if n[1:5].all():
        k = np.arange(1, 4)
        estimate = k - (k + 1) * n[1] / (n[1] + 2 * n[2]) * n[2:5] / n[1:4]
        if np.all((estimate > 0) & (estimate <= k)):
            return np.array([0.0, *estimate])
    return np.array([0.0, *_FALLBACK_DISCOUNTS])


@dataclasses.dataclass(frozen=True)
class _Level:
    """N-grams of one order.

    contexts: sorted codes of the contexts, shape (C,). backoff: the share of each that goes to the shorter
    context, (C,). ngrams: sorted codes, position of the context · V + word, shape (G,). probabilities: of
    the words after their contexts, the share of the shorter context included, (G,).
    """

    contexts: NDArray[np.int64]
    backoff: NDArray[np.float64]
    ngrams: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def estimate(
        cls,
        contexts: NDArray[np.int64],
        ngrams: NDArray[np.int64],
        counts: NDArray[np.int64],
        num_classes: int,
        lower: NDArray[np.float64],
    ) -> _Level:
        """Discount the counts and interpolate with `lower`, the words' probabilities one order down."""
        owner = ngrams // num_classes
        discount = _discounts(counts)[np.minimum(counts, 3)]
        total = np.bincount(owner, counts, len(contexts))
        backoff = np.bincount(owner, discount, len(contexts)) / total
        return cls(contexts, backoff, ngrams, (counts - discount) / total[owner] + backoff[owner] * lower)

    def interpolate(
        self,
        context: NDArray[np.int64],
        words: NDArray[np.int64],
        num_classes: int,
        lower: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return P(word | context); `lower` holds the words' probabilities after the shorter contexts."""
        owner, known = _find(self.contexts, context)
        result = np.where(known, self.backoff[owner], 1.0) * lower
        place, seen = _find(self.ngrams, owner * num_classes + words)
        seen &= known
        result[seen] = self.probabilities[place[seen]]
        return result


def _find(codes: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return positions of `wanted` in the sorted `codes`, and which of them are there."""
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return place, codes[place] == wanted


def _count(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort `codes` in place; return the distinct ones and how often each was there."""
    codes.sort()
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    return codes[starts], np.diff(starts, append=len(codes))


class KneserNeyTrigram:
    r"""Interpolated Kneser-Ney trigram model with the three modified discounts of each order.

    .. math::

        P(w \mid u v) = \frac{c(u v w) - D(c(u v w))}{c(u v)} + \gamma(u v)\, P(w \mid v)

    and likewise for P(w | v) and P(w), in which the count of an n-gram is the number of different words seen
    before it. N-grams at the start of a document, which no word can stand before, keep their plain counts.
    P(w) is interpolated with 1/V. The gammas make each distribution sum to one.

    Use `fit`; the model then gives probabilities to the same predictions as a neural model: every word of a
    text and every document's end, contexts padded with the boundary at a document's start.

    Parameters
    ----------
    boundary_id : int
        Id of the word that ends documents.
    unigrams : float64 array, shape (V,)
        P(w) by id.
    bigrams, trigrams : tables of n-grams
        As `fit` makes them.

    References
    ----------
    Chen and Goodman 1999, An empirical study of smoothing techniques for language modeling, section 3.

    Examples
    --------
    >>> text = EncodedText.from_documents([[1, 2, 3], [1, 2, 1]], boundary_id=0)
    >>> model = KneserNeyTrigram.fit(text, num_classes=4)
    >>> model.probabilities((1, 2)).round(3)
    array([0.073, 0.448, 0.052, 0.427])
    """

    def __init__(self, boundary_id: int, unigrams: NDArray[np.float64], bigrams: _Level, trigrams: _Level) -> None:
        self._boundary_id = boundary_id
        self._unigrams = unigrams
        self._bigrams = bigrams
        self._trigrams = trigrams

    @classmethod
    @own_error_state
    def fit(cls, text: EncodedText, num_classes: int) -> KneserNeyTrigram:
        """Count the n-grams of the training text and estimate the model.

        Parameters
        ----------
        text : EncodedText
            Training text, its ids in ``[0, num_classes)``.
        num_classes : int
            Size V of the vocabulary.

        Returns
        -------
        KneserNeyTrigram
            The model.

        Raises
        ------
        ValueError
            If `text` is empty or an id is out of range.

        Notes
        -----
        Time O(N log N), memory about 50 bytes a word of the text.
        """
        text.check(num_classes)
        if not len(text):
            raise ValueError("text must hold at least one word")

        history = text.contexts(np.arange(len(text)), 2)
        pairs = history[:, 0] * num_classes + history[:, 1]
        del history
        contexts3 = _count(pairs.copy())[0]
        codes = np.searchsorted(contexts3, pairs)
        del pairs
        codes *= num_classes
        codes += text.ids
        trigrams, counts3 = _count(codes)
        del codes

        middle, last = contexts3[trigrams // num_classes] % num_classes, trigrams % num_classes
        bigram_codes = middle * num_classes + last
        distinct, counts2 = _count(bigram_codes.copy())
        place = np.searchsorted(distinct, bigram_codes)
        at_start = middle == text.boundary_id
        counts2[place[at_start]] = counts3[at_start]
        contexts2, owner2 = np.unique(distinct // num_classes, return_inverse=True)
        last2 = distinct % num_classes
        bigrams = owner2 * num_classes + last2

        counts1 = np.bincount(last2, minlength=num_classes)
        discount1 = _discounts(counts1[counts1 > 0])[np.minimum(counts1, 3)]
        unigram_probabilities = (counts1 - discount1 + discount1.sum() / num_classes) / counts1.sum()

        level2 = _Level.estimate(contexts2, bigrams, counts2, num_classes, unigram_probabilities[last2])
        level3 = _Level.estimate(contexts3, trigrams, counts3, num_classes, level2.probabilities[place])
        return cls(text.boundary_id, unigram_probabilities, level2, level3)

    def _after(self, contexts: NDArray[np.int64], words: NDArray[Any]) -> NDArray[np.float64]:
        num_classes = len(self._unigrams)
        lower = self._bigrams.interpolate(contexts[:, 1], words, num_classes, self._unigrams[words])
        return self._trigrams.interpolate(contexts[:, 0] * num_classes + contexts[:, 1], words, num_classes, lower)

    @own_error_state
    def probabilities(self, context: tuple[int, int]) -> NDArray[np.float64]:
        """Return the probability of every word after two words.

        Parameters
        ----------
        context : (int, int)
            Ids of the two words before, the older first; the boundary id stands for what is before a
            document.

        Returns
        -------
        float64 array, shape (V,)
            Positive, summing to one.

        Raises
        ------
        ValueError
            If an id is outside ``[0, V)``.
        """
        num_classes = len(self._unigrams)
        older, newer = context
        if not (0 <= older < num_classes and 0 <= newer < num_classes):
            raise ValueError(f"context must be in [0, {num_classes}), got {(older, newer)}")
        if newer == self._boundary_id:
            older = newer  # what stands before a document's start is not remembered
        return self._after(np.tile(np.array([older, newer], np.int64), (num_classes, 1)), np.arange(num_classes))

    @own_error_state
    def log_probabilities(self, text: EncodedText) -> NDArray[np.float64]:
        """Return the natural logarithm of the probability of each word of `text`, given the two before it.

        Parameters
        ----------
        text : EncodedText
            Any text of the same vocabulary.

        Returns
        -------
        float64 array, shape (len(text),)
            The logarithms, for document ends too.

        Raises
        ------
        ValueError
            If an id or the boundary is not that of the vocabulary.
        """
        if text.boundary_id != self._boundary_id:
            raise ValueError(
                f"text.boundary_id must be the training text's {self._boundary_id}, got {text.boundary_id}"
            )
        text.check(len(self._unigrams))
        result = np.empty(len(text))
        for start in range(0, len(text), _CHUNK):
            positions = np.arange(start, min(start + _CHUNK, len(text)))
            result[positions] = np.log(self._after(text.contexts(positions, 2), text.ids[positions]))
        return result

    @own_error_state
    def perplexity(self, text: EncodedText) -> float:
        """Return the perplexity of `text`.

        Parameters
        ----------
        text : EncodedText
            Any text of the same vocabulary.

        Returns
        -------
        float
            ``exp`` of the mean negative log-probability of a word.

        Raises
        ------
        ValueError
            If `text` is empty, or an id or the boundary is not that of the vocabulary.
        """
        return perplexity_of(self.log_probabilities(text))
