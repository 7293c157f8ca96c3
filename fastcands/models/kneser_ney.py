"""The interpolated Kneser-Ney model of any order: the strong baseline among counting models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.data.encoded import EncodedText
from fastcands.models.ngram_counts import NGramCounts, count_ngrams, find, join, owner_of, word_of
from fastcands.models.saved_counts import counts_from_state, size_from_state
from fastcands.models.unigram import perplexity_of
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size

__all__ = ["KneserNey"]

_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
_CHUNK = 1 << 18  # words looked up at once


def _discounts(counts: NDArray[Any]) -> NDArray[np.float64]:
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


class _Level:
    """The n-grams of one order with what their counts give, all of it in float64.

    discounts: of counts 0, 1, 2, and more. totals: of the counts after each context, (C,). backoff: the share of
    each context that goes to the shorter one, (C,).
    """

    def __init__(self, table: NGramCounts) -> None:
        self.table = table
        self.discounts = _discounts(table.counts)
        owner = owner_of(table.ngrams)
        self.totals = np.bincount(owner, table.counts)
        self.backoff = np.bincount(owner, self.discounts[np.minimum(table.counts, 3)]) / self.totals

    def share(self, ngrams: NDArray[np.intp] | slice, owner: Any) -> NDArray[np.float64]:
        """Return the share of n-grams, given by position, that does not come from the shorter context."""
        counts = self.table.counts[ngrams]
        shares: NDArray[np.float64] = (counts - self.discounts[np.minimum(counts, 3)]) / self.totals[owner]
        return shares


class KneserNey:
    r"""Interpolated Kneser-Ney model with the three modified discounts of each order.

    .. math::

        P(w \mid h) = \frac{\max(c(h w) - D(c(h w)), 0)}{c(h)} + \gamma(h)\, P(w \mid h')

    for the n - 1 words h before a word, and likewise for h', which is h without its oldest word, down to
    P(w), which is interpolated with 1/V. Where h was never seen, P(w | h) is P(w | h'). At the highest order, n, c(h w)
    counts how often the words h w occur; at the orders below, how many different words occur before them.
    N-grams whose oldest context word is the boundary keep their plain counts, as no word can stand before a
    document. c(h) is the sum of c(h w) over w. The gammas make each distribution sum to one.

    Use `fit`; the model then gives probabilities to the same predictions as a neural model: every word of a
    text and every document's end, contexts padded with the boundary at a document's start.

    Parameters
    ----------
    num_classes : int
        Size V of the vocabulary.
    boundary_id : int
        Id of the word that ends documents.
    tables : sequence of NGramCounts
        Counts of the n-grams of order 1, 2, and so on, as `fit` makes them.

    Attributes
    ----------
    order : int
        n, one more than the words a prediction sees.
    num_classes : int
        As given.
    boundary_id : int
        As given.

    Notes
    -----
    The model keeps integer counts and computes in float64, so one that is restored from `state_dict` gives the same
    bits as the one that was fitted.

    References
    ----------
    Chen and Goodman 1999, An empirical study of smoothing techniques for language modeling, section 3.

    Examples
    --------
    >>> from fastcands.data import EncodedText
    >>> from fastcands.models import KneserNey
    >>> text = EncodedText.from_documents([[1, 2, 3], [1, 2, 1]], boundary_id=0)
    >>> model = KneserNey.fit(text, num_classes=4, order=3)
    >>> model.probabilities([1, 2]).round(3)
    array([0.073, 0.448, 0.052, 0.427])
    """

    def __init__(self, num_classes: int, boundary_id: int, tables: Sequence[NGramCounts]) -> None:
        self.order = len(tables)
        self.num_classes = num_classes
        self.boundary_id = boundary_id
        self._levels = [_Level(table) for table in tables]

    @classmethod
    @own_error_state
    def fit(cls, text: EncodedText, num_classes: int, order: int = 5) -> KneserNey:
        """Count the n-grams of the training text and estimate the model.

        Parameters
        ----------
        text : EncodedText
            Training text, its ids in ``[0, num_classes)``.
        num_classes : int
            Size V of the vocabulary.
        order : int, default 5
            n, at least 1: a word is predicted from the n - 1 words before it.

        Returns
        -------
        KneserNey
            The model.

        Raises
        ------
        TypeError
            If ``num_classes`` or ``order`` is not an integer.
        ValueError
            If one of them is below 1, `text` is empty, or an id is out of range.

        Notes
        -----
        Time O(n · N log N), memory about 40 bytes a word of the text while counting. The model takes 12 bytes for
        each distinct n-gram and 24 for each distinct context.
        """
        num_classes, order = as_size(num_classes, "num_classes"), as_size(order, "order")
        text.check(num_classes)
        if not len(text):
            raise ValueError("text must hold at least one word")
        return cls(num_classes, text.boundary_id, count_ngrams(text, order))

    def _after(self, contexts: NDArray[np.int64], words: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each word after the n - 1 words of its context."""
        result = np.full(len(words), 1 / self.num_classes)
        at, numbers = np.arange(len(words)), np.zeros(len(words), np.int64)
        for length, level in enumerate(self._levels):
            if length:  # a context that was not seen has no longer one that was: only the others are looked up
                place, seen = find(level.table.contexts, join(numbers, contexts[at, -length]))
                at, numbers = at[seen], place[seen]
            result[at] *= level.backoff[numbers]
            place, seen = find(level.table.ngrams, join(numbers, words[at]))
            result[at[seen]] += level.share(place[seen], numbers[seen])
        return result

    @own_error_state
    def probabilities(self, history: Any) -> NDArray[np.float64]:
        """Return the probability of every word after some words.

        Parameters
        ----------
        history : sequence of int or integer array, shape (L,)
            Ids of the words before, the oldest first. Any number of them, also none: the last n - 1 count, and
            what is older than the newest boundary does not. The boundary stands for what is missing.

        Returns
        -------
        float64 array, shape (V,)
            Positive, summing to one.

        Raises
        ------
        TypeError
            If `history` is not an array of integers.
        ValueError
            If it has not one dimension or an id is outside ``[0, V)``.
        """
        words = as_class_ids(history, "history", num_classes=self.num_classes, ndim=1)
        words = words[max(len(words) - self.order + 1, 0) :]
        ends = np.flatnonzero(words == self.boundary_id)
        words = words[ends[-1] + 1 :] if len(ends) else words
        context = np.full(self.order - 1, self.boundary_id, np.int64)
        context[self.order - 1 - len(words) :] = words

        result = np.full(self.num_classes, 1 / self.num_classes)
        number = np.zeros(1, np.int64)
        for length, level in enumerate(self._levels):
            if length:
                number, seen = find(level.table.contexts, join(number, context[-length]))
                if not seen[0]:
                    break
            result *= level.backoff[number]
            first, stop = np.searchsorted(level.table.ngrams, join(number + np.arange(2), number * 0))
            result[word_of(level.table.ngrams[first:stop])] += level.share(slice(first, stop), number)
        return result

    @own_error_state
    def log_probabilities(self, text: EncodedText, positions: Any = None) -> NDArray[np.float64]:
        """Return the natural logarithm of the probability of words of `text`, given the words before them.

        Parameters
        ----------
        text : EncodedText
            Any text of the same vocabulary.
        positions : integer array, shape (N,), optional
            Of the words, in ``[0, len(text))``; by default of all words, document ends too.

        Returns
        -------
        float64 array, shape (N,)
            The logarithms.

        Raises
        ------
        TypeError
            If `positions` are not integers.
        ValueError
            If an id or the boundary is not that of the vocabulary, or a position is out of range.
        """
        if text.boundary_id != self.boundary_id:
            raise ValueError(f"text.boundary_id must be the training text's {self.boundary_id}, got {text.boundary_id}")
        text.check(self.num_classes)
        if positions is not None:
            positions = as_class_ids(positions, "positions", num_classes=len(text), ndim=1, limit_name="len(text)")
        result = np.empty(len(text) if positions is None else len(positions))
        for start in range(0, len(result), _CHUNK):
            stop = min(start + _CHUNK, len(result))
            at = np.arange(start, stop) if positions is None else positions[start:stop]
            contexts = text.contexts(at, max(self.order - 1, 1))
            np.log(self._after(contexts, text.ids[at]), out=result[start:stop])
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

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return everything that `from_state` needs to make the same model again.

        Returns
        -------
        dict of str to array
            The model's own arrays, not copies, and read-only: ``ngrams_k`` (int64) and ``counts_k`` (int32, int64 for
            texts of 2^31 words and more) for the orders k from 1 to n, ``contexts_k`` (int64) for those from 2; and
            the numbers ``order``, ``num_classes`` and ``boundary_id``.
        """
        state = {name: np.array(getattr(self, name), np.int64) for name in ("order", "num_classes", "boundary_id")}
        for k, level in enumerate(self._levels, 1):
            if k > 1:
                state[f"contexts_{k}"] = level.table.contexts.view()
            state[f"ngrams_{k}"] = level.table.ngrams.view()
            state[f"counts_{k}"] = level.table.counts.view()
        for array in state.values():
            array.flags.writeable = False
        return state

    @classmethod
    @own_error_state
    def from_state(cls, state: Mapping[str, Any]) -> KneserNey:
        """Make a model from what `state_dict` returned, without copies of large arrays.

        Parameters
        ----------
        state : mapping of str to array
            The arrays; others are ignored.

        Returns
        -------
        KneserNey
            Its probabilities are those of the model saved, bit for bit.

        Raises
        ------
        ValueError
            If an array is missing, has another shape or dtype, or does not fit the others.
        """
        order, num_classes = size_from_state(state, "order"), size_from_state(state, "num_classes")
        boundary_id = size_from_state(state, "boundary_id", minimum=0)
        if boundary_id >= num_classes:
            raise ValueError(f"boundary_id must be below num_classes = {num_classes}, got {boundary_id}")
        return cls(num_classes, boundary_id, counts_from_state(state, order, num_classes))
