"""A trained n-gram model for prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models.feed_forward import FeedForward
from fastcands.models.predictor import EXACT, NextWords, WordPredictor
from fastcands.models.state import layers_of, table_of
from fastcands.validation.error_state import own_error_state

__all__ = ["NGramPredictor"]

Array = NDArray[Any]

_CHUNK = 4096


class NGramPredictor(WordPredictor):
    """The layers of an n-gram model, and its class table with everything that is added to the logits.

    Parameters
    ----------
    layers : FeedForward
        The layers before the classes.
    weights : array, shape (V, D)
        Of the class table.
    biases : array, shape (V,)
        The same.
    offsets : array, shape (V,), optional
        Added to the biases, for a model whose training loss leaves part of the logits out; see
        `NGramModel`.
    boundary_id : int, default 0
        Id of the word that ends documents: it stands before histories, which have no text to say it.

    Attributes
    ----------
    layers : FeedForward
        As given.
    boundary_id : int
        As given.
    table : ClassTable
        The classes; its logits are those whose softmax is the model's distribution.

    Raises
    ------
    TypeError, ValueError
        As ``ClassTable.from_arrays``, and if `boundary_id` is not in [0, V).

    Examples
    --------
    >>> from fastcands.models import NGramModel
    >>> predictor = NGramModel(50, context=2, embedding_dim=4, hidden_dim=8, seed=1).predictor()
    >>> words = predictor.next_words([[3, 4]], 50)
    >>> float(words.probabilities.sum().round(6))
    1.0
    """

    layers: FeedForward

    @classmethod
    def from_state(cls, state: Mapping[str, Array], context: int, *, boundary_id: int = 0) -> NGramPredictor:
        """Take the parameters from what ``NGramModel.state_dict`` returned, without copies.

        Parameters
        ----------
        state : mapping of str to array
            The arrays; others are ignored.
        context : int
            n, the words a prediction sees.
        boundary_id : int, default 0
            As in `NGramPredictor`.

        Returns
        -------
        NGramPredictor
            Of the model saved.

        Raises
        ------
        ValueError
            If an array is missing, or the shapes do not fit together.
        """
        layers = FeedForward.from_parameters(layers_of(state), context)
        return cls(layers, *table_of(state, layers), boundary_id=boundary_id)

    @property
    def context(self) -> int:
        """n, the words a prediction sees."""
        return self.layers.context

    def _feature_chunks(self, text: EncodedText, positions: Array) -> Iterator[tuple[slice, Array]]:
        """Compute the features of a text, some thousand words at a time.

        Parameters
        ----------
        text : EncodedText
            The text.
        positions : int64 array, shape (N,)
            Where the words to predict are, none after a later one.

        Yields
        ------
        part : slice
            Of `positions`, in order.
        features : array, shape (n, D)
            Of these positions.
        """
        for start in range(0, len(positions), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(positions)))
            yield part, self.layers.forward(text.contexts(positions[part], self.context)).features

    @own_error_state
    def log_loss(self, contexts: Any, words: Any) -> float:
        """Return the mean of ``-log P(word | context)``, exactly: over all classes.

        Parameters
        ----------
        contexts : integer array, shape (N, n)
            The words before.
        words : integer array, shape (N,)
            The words that follow; N at least 1.

        Returns
        -------
        float
            In nats. Its exponential is the perplexity.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward`` and ``SoftmaxLoss.value``.
        """
        features = self.layers.forward(contexts).features
        values = EXACT.value(self.table.weights, self.table.biases, words, features)
        return float(np.mean(values, dtype=np.float64))

    @own_error_state
    def evaluate(self, contexts: Any, words: Any, k: Sequence[int] = (1, 5, 10)) -> fc.Evaluation:
        """Return exact loss, hits and ranks; see ``ClassTable.evaluate``.

        Parameters
        ----------
        contexts : integer array, shape (N, n)
            The words before.
        words : integer array, shape (N,)
            The words that follow; N at least 1.
        k : sequence of int, default (1, 5, 10)
            Of the hits.

        Returns
        -------
        Evaluation
            Over all words.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward`` and ``ClassTable.evaluate``.
        """
        return self.table.evaluate(words, self.layers.forward(contexts).features, k=tuple(k))

    @own_error_state
    def next_words(self, contexts: Any, k: int) -> NextWords:
        """Return the k likeliest words after each context.

        Parameters
        ----------
        contexts : integer array, shape (B, n)
            The words before.
        k : int
            From 1 to V.

        Returns
        -------
        NextWords
            Ids and probabilities.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward`` and ``ClassTable.topk``.
        """
        return self._next_words(self.layers.forward(contexts).features, k)
