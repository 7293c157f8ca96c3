"""A trained language model for prediction: exact probabilities, the likeliest words, the nearest words.

It holds only the parameters, without the optimizers' states. Like the models, it is ordinary user code of the library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size

__all__ = ["EXACT", "NextWords", "WordPredictor"]

Array = NDArray[Any]

_ROWS = 65_536  # of a table, taken at once
EXACT = fc.SoftmaxLoss(precision="highest")
"""The loss by which probabilities are computed, whatever the setting is: scores and ranks are computed so too."""


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


class WordPredictor(ABC):
    """What language models share in use: layers, and a class table with everything that is added to the logits.

    A subclass says how features follow from a text, `_feature_chunks`.

    Parameters
    ----------
    layers : FeedForward or QRNN
        The layers before the classes.
    weights : array, shape (V, D)
        Of the class table.
    biases : array, shape (V,)
        The same.
    offsets : array, shape (V,), optional
        Added to the biases, for a model whose training loss leaves part of the logits out.
    boundary_id : int, default 0
        Id of the word that ends documents: it stands before histories, which have no text to say it.

    Attributes
    ----------
    layers, boundary_id
        As given.
    table : ClassTable
        The classes; its logits are those whose softmax is the model's distribution.

    Raises
    ------
    TypeError, ValueError
        As ``ClassTable.from_arrays``, and if `boundary_id` is not in [0, V).

    Examples
    --------
    >>> import numpy as np
    >>> from fastcands.data import EncodedText
    >>> from fastcands.models import NGramModel, QRNNModel
    >>> text = EncodedText.from_documents([[5, 6, 7], [8, 9]], boundary_id=0)
    >>> sizes = {"embedding_dim": 4, "hidden_dim": 8}
    >>> for model in (NGramModel(50, context=2, **sizes), QRNNModel(50, **sizes)):
    ...     predictor = model.predictor()
    ...     one = np.log(predictor.probabilities([8]))[9]  # of the second word of the second document
    ...     print(bool(np.isclose(predictor.log_probabilities(text, [5])[0], one, atol=1e-5)))
    True
    True
    """

    @own_error_state
    def __init__(
        self, layers: Any, weights: Array, biases: Array, offsets: Array | None = None, *, boundary_id: int = 0
    ) -> None:
        self.layers = layers
        added = biases if offsets is None else (biases + offsets).astype(biases.dtype)
        self.table = fc.ClassTable.from_arrays(weights, added, optimizer=fc.SGD(0.0))
        self.boundary_id = as_size(boundary_id, "boundary_id", minimum=0, maximum=self.table.num_classes - 1)

    @abstractmethod
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
            Of `positions`, in order; empty where the words of a chunk were only passed.
        features : array, shape (n, D)
            Of these positions.
        """

    @own_error_state
    def log_probabilities(
        self, text: EncodedText, positions: Any = None, check: Callable[[], object] | None = None
    ) -> NDArray[np.float64]:
        """Return ``log P(word | words before)`` of words of a text, exactly: over all classes.

        Parameters
        ----------
        text : EncodedText
            The text.
        positions : integer array, shape (N,), optional
            Where the words are, in any order; all by default.
        check : callable, optional
            Called every few thousand words; may raise to give up.

        Returns
        -------
        float64 array, shape (N,)
            In nats, in the order of `positions`. ``exp(-mean)`` is the perplexity.

        Raises
        ------
        TypeError
            If `positions` are not integers.
        ValueError
            If one is out of range, or the text has ids that the model does not have.
        """
        where = self._positions(text, positions)
        order = None if (where[1:] >= where[:-1]).all() else np.argsort(where, kind="stable")
        ordered = where if order is None else where[order]
        found = np.empty(len(where))
        for part, features in self._feature_chunks(text, ordered):
            if check is not None:
                check()
            if len(features):
                words = text.ids[ordered[part]]
                found[part] = EXACT.value(self.table.weights, self.table.biases, words, features)
        np.negative(found, out=found)
        if order is None:
            return found
        result = np.empty_like(found)
        result[order] = found
        return result

    def _positions(self, text: EncodedText, positions: Any) -> NDArray[np.int64]:
        text.check(self.table.num_classes)
        if positions is None:
            return np.arange(len(text))
        return as_class_ids(positions, "positions", num_classes=len(text), ndim=1, limit_name="len(text)")

    @own_error_state
    def evaluate_text(
        self, text: EncodedText, k: Sequence[int] = (1, 5, 10), advance: Callable[[int], object] | None = None
    ) -> fc.Evaluation:
        """Return exact loss, hits and ranks over a whole text; see ``ClassTable.evaluate``.

        Parameters
        ----------
        text : EncodedText
            Not empty.
        k : sequence of int, default (1, 5, 10)
            Of the hits.
        advance : callable, optional
            Gets the number of words done, now and then; may raise to give up.

        Returns
        -------
        Evaluation
            Over all words of the text.

        Raises
        ------
        TypeError, ValueError
            As ``ClassTable.evaluate``, and if the text is empty or has ids that the model does not have.
        """
        positions = self._positions(text, None)
        if not len(positions):
            raise ValueError("text must have at least one word")
        advance = advance or (lambda done: None)
        sums: Any = 0.0
        for part, features in self._feature_chunks(text, positions):
            advance(part.start)
            result = self.table.evaluate(text.ids[part], features, k=tuple(k))
            numbers = [result.loss, *result.hits.values(), result.mean_rank or 0.0, result.mean_reciprocal_rank or 0.0]
            sums = sums + len(features) * np.array(numbers)
        advance(len(text))
        loss, *hits, rank, reciprocal = (sums / len(text)).tolist()
        with np.errstate(over="ignore"):  # a loss above 709 nats has an infinite perplexity
            perplexity = float(np.exp(loss))
        shares = dict(zip(result.hits, hits, strict=True))
        return fc.Evaluation(loss, perplexity, shares, rank if shares else None, reciprocal if shares else None)

    def _features_after(self, history: Any) -> Array:
        """Return the features (1, D) after a history at a document's start."""
        words = as_class_ids(history, "history", num_classes=self.table.num_classes, ndim=1, limit_name="V")
        text = EncodedText(np.append(words, self.boundary_id).astype(np.int32), self.boundary_id)
        *_, (_, features) = self._feature_chunks(text, np.array([len(words)]))
        return features

    @own_error_state
    def probabilities(self, history: Any) -> NDArray[np.float64]:
        """Return the distribution of the word after a history.

        Parameters
        ----------
        history : integer array, shape (n,)
            The words before, the oldest first; n may be 0. Before it stands a document's start, and so it does after
            each `boundary_id` in it.

        Returns
        -------
        float64 array, shape (V,)
            The probability of each word; their sum is 1.

        Raises
        ------
        TypeError
            If `history` is not of integers.
        ValueError
            If it has not one dimension, or an id is out of range.
        """
        features = self._features_after(history)[0].astype(np.float64)
        weights, biases = self.table.weights, self.table.biases
        assert biases is not None
        logits = biases.astype(np.float64)
        for start in range(0, len(weights), _ROWS):
            logits[start : start + _ROWS] += weights[start : start + _ROWS].astype(np.float64) @ features
        logits -= logits.max()
        np.exp(logits, out=logits)
        logits /= logits.sum()
        return logits

    @own_error_state
    def next_words_after(self, history: Any, k: int) -> NextWords:
        """Return the k likeliest words after a history.

        Parameters
        ----------
        history : integer array, shape (n,)
            As in `probabilities`.
        k : int
            From 1 to V.

        Returns
        -------
        NextWords
            Ids and probabilities, of one row.

        Raises
        ------
        TypeError, ValueError
            As `probabilities` and ``ClassTable.topk``.
        """
        return self._next_words(self._features_after(history), k)

    def _next_words(self, features: Array, k: int) -> NextWords:
        ids, scores = self.table.topk(features, k)
        # the loss of a word is the log normaliser less its logit
        best = EXACT.value(self.table.weights, self.table.biases, ids[:, 0], features)
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
