"""Mixtures of two models of words: what a neural model and a counting model know together."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcands.data.encoded import EncodedText
from fastcands.models.unigram import perplexity_of
from fastcands.validation.arrays import as_array, index_text
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_fraction

__all__ = ["Mixture", "WordModel", "fit_mixture_weight", "mix_log_probabilities"]

_HALVINGS = 52  # what is left then is as narrow as the steps of float64 just below 1


class WordModel(Protocol):
    """What a mixture needs of its parts; `KneserNey` and `Mixture` have it."""

    def log_probabilities(self, text: EncodedText, positions: Any = None) -> NDArray[np.float64]:
        """Return the natural logarithms of the probabilities of words of `text`, all or those at `positions`."""

    def probabilities(self, history: Any) -> NDArray[np.float64]:
        """Return the probability of every word after the words of `history`."""


def _as_logs(value: Any, name: str) -> NDArray[np.float64]:
    """Return log-probabilities as a new float64 array, checked."""
    array = as_array(value, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (N,), got {array.shape}")
    logs = array.astype(np.float64)
    wrong = np.isnan(logs) | (logs == np.inf)
    if wrong.any():
        place = int(wrong.argmax())
        raise ValueError(f"{name} must be log-probabilities, got {logs[place]} at {index_text(place, logs.shape)}")
    return logs


def _as_pair(first: Any, second: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log-probabilities of the same words by two models, checked."""
    p, q = _as_logs(first, "first"), _as_logs(second, "second")
    if p.shape != q.shape:
        raise ValueError(f"first and second must have the same shape, got {p.shape} and {q.shape}")
    return p, q


@own_error_state
def fit_mixture_weight(first: Any, second: Any) -> float:
    r"""Return the weight of the first of two models with which their mixture gives a text the highest likelihood.

    .. math::

        \operatorname*{argmax}_{0 \le w \le 1} \sum_i \log(w\, p_i + (1 - w)\, q_i)

    The sum is concave in w, so its derivative has one change of sign, which is found by bisection.

    Parameters
    ----------
    first, second : array, shape (N,)
        Natural logarithms of the probabilities p and q that the two models gave to the same words, N at least 1. Take
        a text that neither was trained on. ``-inf`` stands for the probability 0.

    Returns
    -------
    float
        In [0, 1], no further than 2^-53 from the best weight. Exactly 0 or 1 where the best mixture is one model alone,
        and 0.5 where all weights are equally good.

    Raises
    ------
    TypeError
        If an array is not of real numbers.
    ValueError
        If the arrays are empty, not of one shape (N,), or have NaN or +inf; or if both models give a word the
        probability 0, which no mixture can mend.

    References
    ----------
    Jelinek and Mercer 1980, Interpolated estimation of Markov source parameters from sparse data; there the weight
    is found by expectation maximisation, which has the same limit.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcands.models import fit_mixture_weight
    >>> p, q = np.array([0.6, 0.6, 0.1]), np.array([0.1, 0.1, 0.6])
    >>> round(fit_mixture_weight(np.log(p), np.log(q)), 3)
    0.733
    """
    p, q = _as_pair(first, second)
    if not p.size:
        raise ValueError("first and second must hold at least one log-probability")
    largest = np.maximum(p, q)
    if largest.min() == -np.inf:
        place = index_text(int(largest.argmin()), largest.shape)
        raise ValueError(f"first and second must not both be -inf, got that at {place}")
    # a word's p and q may have any common factor: the larger of them becomes 1, and none underflows that counts
    p, q = np.exp(p - largest), np.exp(q - largest)
    difference = p - q

    def slope(weight: float) -> float:
        return float(np.mean(difference / (weight * p + (1 - weight) * q)))

    at_zero, at_one = slope(0.0), slope(1.0)
    if at_zero <= 0 or at_one >= 0:
        return 0.5 if at_zero == at_one else float(at_one >= 0)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if slope(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@own_error_state
def mix_log_probabilities(first: Any, second: Any, weight: float) -> NDArray[np.float64]:
    r"""Return ``log(weight * exp(first) + (1 - weight) * exp(second))`` without under- or overflow.

    Parameters
    ----------
    first, second : array, shape (N,)
        Natural logarithms of the probabilities that two models gave to the same words. ``-inf`` stands for the
        probability 0.
    weight : float
        Share of the first model, in [0, 1].

    Returns
    -------
    float64 array, shape (N,)
        The logarithms of the mixture's probabilities; at weight 0 or 1 exactly those of the one model.

    Raises
    ------
    TypeError
        If an array is not of real numbers or `weight` is not a number.
    ValueError
        If the arrays are not of one shape (N,), or have NaN or +inf; or if `weight` is outside [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from fastcands.models import mix_log_probabilities
    >>> np.exp(mix_log_probabilities(np.log([0.5, 0.1]), np.log([0.1, 0.2]), 0.25)).round(3)
    array([0.2  , 0.175])
    """
    p, q = _as_pair(first, second)
    weight = as_fraction(weight, "weight", or_one=True)
    result: NDArray[np.float64] = np.logaddexp(p + np.log(weight), q + np.log1p(-weight))
    return result


class Mixture:
    r"""A weighted mean of the probabilities of two models of the same vocabulary.

    .. math::

        P(w \mid h) = \lambda\, P_1(w \mid h) + (1 - \lambda)\, P_2(w \mid h)

    Parameters
    ----------
    first, second : model
        Any with `log_probabilities` and `probabilities` like those here, such as `KneserNey` or another mixture.
    weight : float
        λ, the share of the first model, in [0, 1]; `fit_mixture_weight` finds a good one. A model of share 0 is not
        asked.

    Attributes
    ----------
    first, second, weight
        As given.

    Raises
    ------
    TypeError
        If `weight` is not a number.
    ValueError
        If it is outside [0, 1].

    Examples
    --------
    >>> from fastcands.data import EncodedText
    >>> from fastcands.models import KneserNey, Mixture, fit_mixture_weight
    >>> train = EncodedText.from_documents([[1, 2, 3], [1, 2, 1]], boundary_id=0)
    >>> valid = EncodedText.from_documents([[1, 2, 1, 2, 3]], boundary_id=0)
    >>> short, long = KneserNey.fit(train, 4, order=1), KneserNey.fit(train, 4, order=3)
    >>> weight = fit_mixture_weight(short.log_probabilities(valid), long.log_probabilities(valid))
    >>> mixture = Mixture(short, long, weight)
    >>> mixture.perplexity(valid) <= min(short.perplexity(valid), long.perplexity(valid))
    True
    """

    @own_error_state
    def __init__(self, first: WordModel, second: WordModel, weight: float) -> None:
        self.first = first
        self.second = second
        self.weight = as_fraction(weight, "weight", or_one=True)

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
            The logarithms; at weight 0 or 1 exactly those of the one model.

        Raises
        ------
        TypeError, ValueError
            As the models' own, and those of `mix_log_probabilities`.
        """
        if self.weight == 1:
            return self.first.log_probabilities(text, positions)
        if self.weight == 0:
            return self.second.log_probabilities(text, positions)
        first, second = (model.log_probabilities(text, positions) for model in (self.first, self.second))
        return mix_log_probabilities(first, second, self.weight)

    @own_error_state
    def probabilities(self, history: Any) -> NDArray[np.float64]:
        """Return the probability of every word after some words.

        Parameters
        ----------
        history : sequence of int or integer array, shape (L,)
            Ids of the words before, the oldest first.

        Returns
        -------
        float64 array, shape (V,)
            Summing to one; at weight 0 or 1 exactly those of the one model.

        Raises
        ------
        TypeError
            As the models' own.
        ValueError
            As the models' own; or if their vocabularies are not of one size.
        """
        if self.weight == 1:
            return self.first.probabilities(history)
        if self.weight == 0:
            return self.second.probabilities(history)
        first, second = self.first.probabilities(history), self.second.probabilities(history)
        if first.shape != second.shape:
            sizes = f"{len(first)} and {len(second)}"
            raise ValueError(f"first and second must have vocabularies of the same size, got {sizes} words")
        return self.weight * first + (1 - self.weight) * second

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
        TypeError, ValueError
            As the models' own; or if `text` is empty.
        """
        return perplexity_of(self.log_probabilities(text))
