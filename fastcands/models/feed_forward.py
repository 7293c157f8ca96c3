"""The layers of the n-gram model before its class table: forward and backward pass, written by hand.

In panels of rows, so that several threads share the work and the bits do not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.kernels.recurrence.dropout import drop_rows
from fastcands.models.inputs import as_embedding, as_words, dropout_masks, take_rows
from fastcands.models.panels import Panels
from fastcands.models.state import check_arrays
from fastcands.validation.arrays import as_array, check_unmasked
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_size

__all__ = ["Activations", "FeedForward", "LayerGradients"]

Array = NDArray[Any]

PARAMETERS = ("embedding", "hidden_weights", "hidden_biases", "feature_weights", "feature_biases")

_EMBEDDING_SCALE = 0.1
_MEASURED_ROWS = 4096  # of an embedding that is given, to know its scale


class Activations(NamedTuple):
    """What the forward pass leaves for the backward pass.

    Attributes
    ----------
    contexts : integer array, shape (B, n)
        Ids of the preceding words, the oldest first.
    inputs : array, shape (B, n * E)
        Their embeddings side by side.
    hidden : array, shape (B, H)
        The tanh layer.
    features : array, shape (B, D)
        What the class table gets.
    dropout : float
        The share of inputs and hidden values that is dropped, already in `inputs` and `hidden`.
    seed : tuple of int
        What the masks were made of.

    Examples
    --------
    >>> from fastcands.models import FeedForward
    >>> layers = FeedForward(50, context=2, embedding_dim=4, hidden_dim=8, feature_dim=3)
    >>> activations = layers.forward([[1, 2]])
    >>> activations.inputs.shape, activations.hidden.shape, activations.features.shape
    ((1, 8), (1, 8), (1, 3))
    """

    contexts: Array
    inputs: Array
    hidden: Array
    features: Array
    dropout: float = 0.0
    seed: tuple[int, int] = (0, 0)


class LayerGradients(NamedTuple):
    """Gradients of the layers' parameters, by the parameters' names.

    Attributes
    ----------
    embedding : RowGradient of (V, E)
        Only of the words in the contexts.
    hidden_weights : array, shape (n * E, H)
        Of the hidden layer.
    hidden_biases : array, shape (H,)
        The same.
    feature_weights : array, shape (H, D)
        Of the linear layer after it.
    feature_biases : array, shape (D,)
        The same.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcands.models import FeedForward
    >>> layers = FeedForward(50, context=2, embedding_dim=4, hidden_dim=8, feature_dim=3)
    >>> activations = layers.forward([[1, 2], [2, 3]])
    >>> gradients = layers.backward(activations, np.ones((2, 3), np.float32))
    >>> gradients.embedding.ids.tolist(), gradients.feature_biases.tolist()
    ([1, 2, 3], [2.0, 2.0, 2.0])
    """

    embedding: fc.RowGradient
    hidden_weights: Array
    hidden_biases: Array
    feature_weights: Array
    feature_biases: Array


class FeedForward:
    """Embeddings of n words side by side, a tanh layer, a linear layer.

    For the context ``w1 … wn``, with `C` the embedding::

        inputs = C[w1] | C[w2] | … | C[wn]
        hidden = tanh(inputs @ A + a)
        features = hidden @ F + f

    Parameters
    ----------
    vocab_size, context, embedding_dim, hidden_dim, feature_dim : int
        V words, n words of a context, widths E of an embedding, H of the tanh layer and D of the features; each at
        least 1.
    dtype : {'float32', 'float64'}, default 'float32'
        Of all parameters.
    seed : None, int or numpy.random.SeedSequence, default 0
        Of the initial parameters.
    embedding : float32, float64 or bfloat16 array, shape (V, E), optional
        Used as C, not copied; it may be another layer's too. New by default, of normal numbers with a standard
        deviation of 0.1.

    Attributes
    ----------
    parameters : dict of str to array
        C, A, a, F and f as ``embedding``, ``hidden_weights``, ``hidden_biases``, ``feature_weights`` and
        ``feature_biases``.
    context : int
        n.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is below 1, or `embedding` has another shape.

    Examples
    --------
    >>> from fastcands.models import FeedForward
    >>> layers = FeedForward(50, context=2, embedding_dim=4, hidden_dim=8, feature_dim=3, seed=1)
    >>> {name: array.shape for name, array in layers.parameters.items()}
    {'embedding': (50, 4), 'hidden_weights': (8, 8), 'hidden_biases': (8,),
     'feature_weights': (8, 3), 'feature_biases': (3,)}
    >>> layers.forward([[3, 4]]).features.shape
    (1, 3)
    """

    @own_error_state
    def __init__(
        self,
        vocab_size: int,
        *,
        context: int,
        embedding_dim: int,
        hidden_dim: int,
        feature_dim: int,
        dtype: DTypeLike = "float32",
        seed: Any = 0,
        embedding: Array | None = None,
    ) -> None:
        sizes = {"vocab_size": vocab_size, "context": context, "embedding_dim": embedding_dim}
        for name, size in {**sizes, "hidden_dim": hidden_dim, "feature_dim": feature_dim}.items():
            as_size(size, name)
        generator = np.random.default_rng(seed)
        kind = np.dtype(dtype)

        def normal(shape: tuple[int, int], scale: float) -> Array:
            values = generator.standard_normal(shape, np.float64 if kind == np.float64 else np.float32)
            values *= values.dtype.type(scale)
            return values

        fan_in = context * embedding_dim
        self.context = context
        if embedding is None:
            embedding, deviation = normal((vocab_size, embedding_dim), _EMBEDDING_SCALE), _EMBEDDING_SCALE
        else:
            embedding = as_embedding(embedding, (vocab_size, embedding_dim))
            deviation = float(embedding[:_MEASURED_ROWS].astype(np.float64).std()) or _EMBEDDING_SCALE
        self.parameters: dict[str, Array] = {
            "embedding": embedding,
            # a scale at which the sums before tanh have a variance of one
            "hidden_weights": normal((fan_in, hidden_dim), 1 / (deviation * math.sqrt(fan_in))),
            "hidden_biases": np.zeros(hidden_dim, kind),
            "feature_weights": normal((hidden_dim, feature_dim), 1 / math.sqrt(hidden_dim)),
            "feature_biases": np.zeros(feature_dim, kind),
        }
        self._panels = Panels()

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Array], context: int) -> Self:
        """Make the layers of existing parameters, without copies.

        Parameters
        ----------
        parameters : mapping of str to array
            Those of `parameters`, by name; others are ignored.
        context : int
            n.

        Returns
        -------
        FeedForward
            The layers.

        Raises
        ------
        ValueError
            If one is missing, or the shapes do not fit together.
        """
        layers = cls.__new__(cls)
        layers.context = context
        check_arrays(parameters, PARAMETERS)
        for name in PARAMETERS:
            check_unmasked(parameters[name], name)
        layers.parameters = {name: parameters[name] for name in PARAMETERS}
        shapes = [array.shape for array in layers.parameters.values()]
        matches = [len(shape) for shape in shapes] == [2, 2, 1, 2, 1] and shapes == [
            shapes[0],
            (context * shapes[0][1], shapes[2][0]),
            shapes[2],
            (shapes[2][0], shapes[4][0]),
            shapes[4],
        ]
        if not matches:
            raise ValueError(f"parameters of a model that sees {context} words cannot have the shapes {shapes}")
        layers._panels = Panels()
        return layers

    def _check_contexts(self, contexts: Any) -> Array:
        array = as_words(contexts, "contexts", len(self.parameters["embedding"]))
        if array.ndim != 2 or array.shape[1] != self.context:
            raise ValueError(f"contexts must have shape (B, {self.context}), got {array.shape}")
        return array

    @own_error_state
    def forward(self, contexts: Any, *, dropout: float = 0.0, seed: tuple[int, int] = (0, 0)) -> Activations:
        """Compute the features of contexts.

        Parameters
        ----------
        contexts : integer array, shape (B, n)
            Ids in [0, V), the oldest word first.
        dropout : float, default 0
            The share p of the inputs and of the hidden values that becomes zero, in [0, 1). The others are divided by
            1 - p. For training only.
        seed : tuple of int, default (0, 0)
            Seed and step. What is dropped depends on them, on row and column, and on nothing else.

        Returns
        -------
        Activations
            All layers' values.

        Raises
        ------
        TypeError
            If `contexts` are not integers.
        ValueError
            If they have another shape or an id is out of range, or if `dropout` is.
        """
        contexts = self._check_contexts(contexts)
        of_inputs, of_hidden = dropout_masks(dropout, seed)
        p = self.parameters
        num_rows, kind = len(contexts), p["hidden_biases"].dtype
        flat = np.empty((num_rows, len(p["hidden_weights"])), kind)
        inputs = flat.reshape(num_rows, self.context, p["embedding"].shape[1])
        hidden = np.empty((num_rows, len(p["hidden_biases"])), kind)
        features = np.empty((num_rows, len(p["feature_biases"])), kind)

        def by_rows(rows: slice) -> None:
            take_rows(p["embedding"], contexts[rows], inputs[rows])
            h, f = hidden[rows], features[rows]
            if dropout:
                drop_rows(flat[rows], of_inputs, rows.start)
            np.matmul(flat[rows], p["hidden_weights"], out=h)
            h += p["hidden_biases"]
            np.tanh(h, out=h)
            if dropout:
                drop_rows(h, of_hidden, rows.start)
            np.matmul(h, p["feature_weights"], out=f)
            f += p["feature_biases"]

        self._panels.run(by_rows, num_rows)
        return Activations(contexts, flat, hidden, features, dropout, seed)

    @own_error_state
    def backward(self, activations: Activations, d_features: Array) -> LayerGradients:
        """Compute the gradients of the parameters from the gradient of the features.

        With ``d_x`` for the gradient of x::

            d_F, d_f = hidden.T @ d_features, d_features.sum(axis=0)
            d_sums = (d_features @ F.T) * (1 - hidden**2)
            d_A, d_a = inputs.T @ d_sums, d_sums.sum(axis=0)
            d_inputs = d_sums @ A.T    # its pieces, summed by word, are d_C

        With dropout, ``d_features @ F.T`` and `d_inputs` are multiplied by the masks.

        Parameters
        ----------
        activations : Activations
            What `forward` returned, the parameters being as they were then.
        d_features : array, shape (B, D)
            Gradient of the objective with respect to ``activations.features``.

        Returns
        -------
        LayerGradients
            By the parameters' names.
        """
        contexts, inputs, hidden, _, dropout, seed = activations
        of_inputs, of_hidden = dropout_masks(dropout, seed)
        d_features = as_array(d_features, "d_features")
        p = self.parameters
        d_sums = np.empty_like(hidden)
        d_inputs = np.empty_like(inputs)
        d_hidden_weights = np.empty_like(p["hidden_weights"])

        def by_rows(rows: slice) -> None:
            h, d = hidden[rows], d_sums[rows]
            np.matmul(d_features[rows], p["feature_weights"].T, out=d)
            if dropout:
                drop_rows(d, of_hidden, rows.start)
                h = h * h.dtype.type(1 - dropout)  # what it was where it was not dropped; elsewhere d is 0
            slope = h * h
            np.subtract(1, slope, out=slope)
            d *= slope
            np.matmul(d, p["hidden_weights"].T, out=d_inputs[rows])
            if dropout:
                drop_rows(d_inputs[rows], of_inputs, rows.start)

        def by_weights(rows: slice) -> None:
            np.matmul(inputs[:, rows].T, d_sums, out=d_hidden_weights[rows])

        self._panels.run(by_rows, len(hidden))
        self._panels.run(by_weights, len(d_hidden_weights))
        num_words, embedding_dim = p["embedding"].shape
        pieces = d_inputs.reshape(-1, embedding_dim)
        return LayerGradients(
            fc.RowGradient.from_pairs(contexts.reshape(-1), pieces, num_words),
            d_hidden_weights,
            d_sums.sum(axis=0),
            hidden.T @ d_features,
            d_features.sum(axis=0),
        )
