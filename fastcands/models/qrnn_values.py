"""What the passes of quasi-recurrent layers return."""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

import fastcands as fc

__all__ = ["QRNNActivations", "QRNNGradients"]

Array = NDArray[Any]


class QRNNActivations(NamedTuple):
    """What the forward pass leaves for the backward pass, which can be made once.

    Attributes
    ----------
    words : int64 array, shape (T + 1, B)
        As given.
    starts : bool array, shape (T, B)
        As given.
    first_state : array, shape (B, H)
        The cells before the first time.
    outputs : array, shape (T * B, 2 * E + H)
        The word before, the newest word and the hidden values, side by side, with dropout.
    gates : array, shape (T * B, 3 * H)
        z, f and o. The backward pass writes over them.
    cells : array, shape (T * B, H)
        c.
    features : array, shape (T * B, D)
        What the class table gets, in the order of ``starts.reshape(-1)``.
    dropout : float
        The share that is dropped.
    seed : tuple of int
        What the masks were made of.

    Examples
    --------
    >>> from fastcands.models import QRNN
    >>> layers = QRNN(50, embedding_dim=4, hidden_dim=8, feature_dim=3)
    >>> activations = layers.forward([[0], [1], [2]], [[True], [False]])
    >>> activations.features.shape, activations.state.shape
    ((2, 3), (1, 8))
    """

    words: Array
    starts: Array
    first_state: Array
    outputs: Array
    gates: Array
    cells: Array
    features: Array
    dropout: float
    seed: tuple[int, int]

    @property
    def state(self) -> Array:
        """The cells after the last time, (B, H)."""
        return self.cells[len(self.cells) - self.starts.shape[1] :]


class QRNNGradients(NamedTuple):
    """Gradients of the layers' parameters, by the parameters' names.

    Attributes
    ----------
    embedding : RowGradient of (V, E)
        Only of the words that were read.
    gate_weights : array, shape (2 * E, 3 * H)
        Of the gates z, f and o side by side.
    gate_biases : array, shape (3 * H,)
        The same.
    feature_weights : array, shape (E + H, D)
        Of the linear layer after them.
    feature_biases : array, shape (D,)
        The same.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcands.models import QRNN
    >>> layers = QRNN(50, embedding_dim=4, hidden_dim=8, feature_dim=3)
    >>> activations = layers.forward([[0], [1], [2]], [[True], [False]])
    >>> gradients = layers.backward(activations, np.ones((2, 3), np.float32))
    >>> gradients.embedding.ids.tolist(), gradients.feature_biases.tolist()
    ([1, 2], [2.0, 2.0, 2.0])
    """

    embedding: fc.RowGradient
    gate_weights: Array
    gate_biases: Array
    feature_weights: Array
    feature_biases: Array
