"""A trained quasi-recurrent model for prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.data import EncodedText
from fastcands.models.predictor import WordPredictor
from fastcands.models.qrnn import QRNN
from fastcands.models.state import layers_of, table_of
from fastcands.models.streams import runs_to, stream_words

__all__ = ["QRNNPredictor"]

Array = NDArray[Any]

_CHUNK = 4096


class QRNNPredictor(WordPredictor):
    """The layers of a quasi-recurrent model, and its class table with everything that is added to the logits.

    A text is read as one stream, each document from its start.

    Parameters
    ----------
    layers : QRNN
        The layers before the classes.
    weights : array, shape (V, D)
        Of the class table.
    biases : array, shape (V,)
        The same.
    offsets : array, shape (V,), optional
        Added to the biases, for a model whose training loss leaves part of the logits out; see `QRNNModel`.
    boundary_id : int, default 0
        Id of the word that ends documents: it stands before histories, which have no text to say it.

    Attributes
    ----------
    layers : QRNN
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
    >>> from fastcands.models import QRNNModel
    >>> predictor = QRNNModel(50, embedding_dim=4, hidden_dim=8, seed=1).predictor()
    >>> probabilities = predictor.probabilities([3, 4])
    >>> probabilities.shape, float(probabilities.sum().round(6))
    ((50,), 1.0)
    """

    layers: QRNN

    @classmethod
    def from_state(cls, state: Mapping[str, Array], *, boundary_id: int = 0) -> QRNNPredictor:
        """Take the parameters from what ``QRNNModel.state_dict`` returned, without copies.

        Parameters
        ----------
        state : mapping of str to array
            The arrays; others are ignored.
        boundary_id : int, default 0
            As in `QRNNPredictor`.

        Returns
        -------
        QRNNPredictor
            Of the model saved.

        Raises
        ------
        ValueError
            If an array is missing, or the shapes do not fit together.
        """
        layers = QRNN.from_parameters(layers_of(state))
        return cls(layers, *table_of(state, layers), boundary_id=boundary_id)

    def _feature_chunks(self, text: EncodedText, positions: Array) -> Iterator[tuple[slice, Array]]:
        """Compute the features of a text, some thousand words at a time.

        All words from the start of a position's document are read, but no document without a position.

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
        runs = runs_to(text, positions)
        total = int(runs.ends[-1]) if len(positions) else 0
        state = last = None
        for start in range(0, total, _CHUNK):
            stop = min(start + _CHUNK, total)
            here = runs.positions(start, stop)
            words, starts = stream_words(text, here[:, None], last)
            activations = self.layers.forward(words, starts, state)
            state, last = activations.state, here[-1:]
            first, end = np.searchsorted(runs.places, [start, stop]).tolist()
            part = slice(first, end)
            yield part, activations.features[runs.places[part] - start]
