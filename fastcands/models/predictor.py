"""A trained n-gram model for prediction: exact probabilities, the likeliest words, the nearest words.

It holds only the parameters, without the optimizers' states. Like the model, it is ordinary user code of the library.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.models.feed_forward import FeedForward
from fastcands.models.state import check_arrays
from fastcands.validation.error_state import own_error_state

__all__ = ["NGramPredictor", "NextWords"]

Array = NDArray[Any]

_ROWS = 65_536  # of an embedding, taken at once
_EXACT = fc.SoftmaxLoss(precision="highest")  # whatever the setting is: scores and ranks are computed so too


class NextWords(NamedTuple):
    """The likeliest words after each context.

    Attributes
    ----------
    ids : int64 array, shape (B, k)
        The likeliest first; ties to the lower id.
    probabilities : float64 array, shape (B, k)
        Of them, among all words.

    Examples
    --------
    >>> from fastcands.models import NGramModel
    >>> model = NGramModel(50, context=2, embedding_dim=4, hidden_dim=8, seed=1)
    >>> words = model.predictor().next_words([[3, 4], [4, 5]], 3)
    >>> words.ids.shape, bool((words.probabilities[:, 0] >= words.probabilities[:, 1]).all())
    ((2, 3), True)
    """

    ids: Array
    probabilities: Array


class NGramPredictor:
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

    Attributes
    ----------
    layers : FeedForward
        As given.
    table : ClassTable
        The classes; its logits are those whose softmax is the model's distribution.

    Raises
    ------
    TypeError, ValueError
        As ``ClassTable.from_arrays``.

    Examples
    --------
    >>> from fastcands.models import NGramModel
    >>> predictor = NGramModel(50, context=2, embedding_dim=4, hidden_dim=8, seed=1).predictor()
    >>> words = predictor.next_words([[3, 4]], 50)
    >>> float(words.probabilities.sum().round(6))
    1.0
    """

    @own_error_state
    def __init__(self, layers: FeedForward, weights: Array, biases: Array, offsets: Array | None = None) -> None:
        self.layers = layers
        added = biases if offsets is None else (biases + offsets).astype(biases.dtype)
        self.table = fc.ClassTable.from_arrays(weights, added, optimizer=fc.SGD(0.0))

    @classmethod
    def from_state(cls, state: Mapping[str, Array], context: int) -> NGramPredictor:
        """Take the parameters from what ``NGramModel.state_dict`` returned, without copies.

        Parameters
        ----------
        state : mapping of str to array
            The arrays; others are ignored.
        context : int
            n, the words a prediction sees.

        Returns
        -------
        NGramPredictor
            Of the model saved.

        Raises
        ------
        ValueError
            If an array is missing, or the shapes do not fit together.
        """
        check_arrays(state, ("table_weights", "table_biases"))
        layers = FeedForward.from_parameters(state, context)
        shape = (len(layers.parameters["embedding"]), len(layers.parameters["feature_biases"]))
        if state["table_weights"].shape != shape:
            raise ValueError(f"table_weights must have shape {shape}, got {state['table_weights'].shape}")
        return cls(layers, state["table_weights"], state["table_biases"], state.get("logit_offsets"))

    @property
    def context(self) -> int:
        """n, the words a prediction sees."""
        return self.layers.context

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
        values = _EXACT.value(self.table.weights, self.table.biases, words, features)
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
        features = self.layers.forward(contexts).features
        ids, scores = self.table.topk(features, k)
        # the loss of a word is the log normaliser less its logit
        best = _EXACT.value(self.table.weights, self.table.biases, ids[:, 0], features)
        log_normalizers = best.astype(np.float64) + scores[:, 0]
        return NextWords(ids, np.exp(scores.astype(np.float64) - log_normalizers[:, None]))

    @own_error_state
    def nearest(self, word: int, k: int, by: str = "output") -> tuple[Array, Array]:
        """Return the words whose vectors point most nearly in the direction of a word's own.

        Parameters
        ----------
        word : int
            Its id.
        k : int
            How many; at most V - 1 are returned.
        by : {'output', 'input'}, default 'output'
            Rows of the class table, which are similar for words that follow similar contexts, or rows of the
            embedding, which are similar for words that are followed by similar words.

        Returns
        -------
        ids : int64 array, shape (k,)
            The nearest first, ties to the lower id; `word` is not among them.
        cosines : float64 array, shape (k,)
            From -1 to 1; 0 for a row of zeros.
        """
        vectors = self.table.weights if by == "output" else self.layers.parameters["embedding"]
        wanted = vectors[word].astype(np.float64)
        wanted /= np.linalg.norm(wanted) or 1.0
        cosines = np.empty(len(vectors))
        for start in range(0, len(vectors), _ROWS):
            rows = vectors[start : start + _ROWS].astype(np.float64)
            lengths = np.linalg.norm(rows, axis=1)
            cosines[start : start + _ROWS] = rows @ wanted / np.where(lengths == 0, 1, lengths)
        cosines[word] = -np.inf
        ids = np.argsort(-cosines, kind="stable")[: min(k, len(cosines) - 1)]
        return ids, cosines[ids]
