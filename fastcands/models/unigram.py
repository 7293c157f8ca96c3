"""The unigram model: the weakest baseline of a language model, words without context."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.data.encoded import EncodedText
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids

__all__ = ["UnigramModel", "perplexity_of"]


@own_error_state
def perplexity_of(log_probabilities: NDArray[np.float64]) -> float:
    """Return ``exp(-mean(log_probabilities))``.

    Parameters
    ----------
    log_probabilities : float64 array, shape (N,)
        Natural logarithms of the probabilities that a model gave to the words of a text.

    Returns
    -------
    float
        The perplexity.

    Raises
    ------
    ValueError
        If the array is empty.
    """
    if not log_probabilities.size:
        raise ValueError("perplexity needs at least one predicted word")
    return math.exp(-float(log_probabilities.mean()))


class UnigramModel:
    """Word frequencies with one added to each count: ``P(w) = (count(w) + 1) / (N + V)``.

    Parameters
    ----------
    probabilities : float64 array, shape (V,)
        P(w) by id.

    Examples
    --------
    >>> text = EncodedText.from_documents([[1, 1, 2]], boundary_id=0)
    >>> UnigramModel.fit(text, num_classes=4).probabilities
    array([0.25 , 0.375, 0.25 , 0.125])
    """

    def __init__(self, probabilities: NDArray[np.float64]) -> None:
        self.probabilities = probabilities

    @classmethod
    @own_error_state
    def fit(cls, text: EncodedText, num_classes: int) -> UnigramModel:
        """Count the words of the training text.

        Parameters
        ----------
        text : EncodedText
            Training text, its ids in ``[0, num_classes)``.
        num_classes : int
            Size V of the vocabulary.

        Returns
        -------
        UnigramModel
            The model.

        Raises
        ------
        ValueError
            If an id is out of range.
        """
        return cls((text.counts(num_classes) + 1.0) / (len(text) + num_classes))

    @own_error_state
    def log_probabilities(self, text: EncodedText, positions: Any = None) -> NDArray[np.float64]:
        """Return the natural logarithm of the probability of words of `text`.

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
            If an id or a position is out of range.
        """
        text.check(len(self.probabilities))
        words = text.ids
        if positions is not None:
            words = words[as_class_ids(positions, "positions", num_classes=len(text), ndim=1, limit_name="len(text)")]
        result: NDArray[np.float64] = np.log(self.probabilities)[words]
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
            If `text` is empty or an id is out of range.
        """
        return perplexity_of(self.log_probabilities(text))
