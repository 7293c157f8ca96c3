"""The layers of a quasi-recurrent language model before its class table: forward and backward pass, written by hand.

Matrix products run in panels, so that several threads share the work and the bits do not depend on them. All between
them are kernels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.kernels.recurrence.embedding import gather_pairs, pair_gradients
from fastcands.kernels.recurrence.qrnn import recur, recur_backward
from fastcands.models.inputs import as_embedding, as_words, dropout_masks
from fastcands.models.panels import Panels
from fastcands.models.qrnn_values import QRNNActivations, QRNNGradients
from fastcands.models.state import check_arrays
from fastcands.validation.arrays import as_array, check_unmasked
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_size

__all__ = ["QRNN"]

Array = NDArray[Any]

PARAMETERS = ("embedding", "gate_weights", "gate_biases", "feature_weights", "feature_biases")

_EMBEDDING_SCALE = 0.1
_INPUT_SCALE = 10.0
_ROWS = 256  # of a panel of examples
_WEIGHT_ROWS = 128  # of a panel of weights: fewer are slower, and more are too few panels for two threads


def _slices(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


class QRNN:
    """Embeddings, a quasi-recurrent layer that sees two words, a linear layer.

    For the words ``w[0] … w[T]`` of a stream, with `C` the embedding::

        x[t] = 10 * C[w[t + 1]]                                   # t = -1 … T - 1
        Z | F | O = (x[t - 1] | x[t]) @ W + b
        z, f, o = tanh(Z), sigmoid(F), sigmoid(O)
        c[t] = f * c[t - 1] + (1 - f) * z
        h[t] = o * c[t]
        features[t] = (x[t] | h[t]) @ G + g

    At a document's start ``x[t - 1]`` and ``c[t - 1]`` are zeros.

    Parameters
    ----------
    vocab_size, embedding_dim, hidden_dim, feature_dim : int
        V words, widths E of an embedding, H of the recurrent layer and D of the features; each at least 1.
    dtype : {'float32', 'float64'}, default 'float32'
        Of all parameters.
    seed : None, int or numpy.random.SeedSequence, default 0
        Of the initial parameters. Weights and biases are uniform within ``±1 / sqrt(n)`` of n inputs, those of f larger
        by 1, so that the layer remembers at first. The rows of `G` for x are zeros, and `g` is.
    embedding : float32, float64 or bfloat16 array, shape (V, E), optional
        Used as C, not copied; it may be another layer's too. New by default, of normal numbers with a standard
        deviation of 0.1, so that x has one of 1.

    Attributes
    ----------
    parameters : dict of str to array
        C, W, b, G and g as ``embedding``, ``gate_weights``, ``gate_biases``, ``feature_weights`` and
        ``feature_biases``.

    Raises
    ------
    TypeError
        If a size is not an integer, or `embedding` or `dtype` is of another type.
    ValueError
        If a size is below 1, or `embedding` has another shape.

    References
    ----------
    Bradbury, Merity, Xiong and Socher 2017, "Quasi-Recurrent Neural Networks", ICLR, section 2: a filter of width 2
    and fo-pooling.

    Examples
    --------
    >>> from fastcands.models import QRNN
    >>> layers = QRNN(50, embedding_dim=4, hidden_dim=8, feature_dim=3, seed=1)
    >>> {name: array.shape for name, array in layers.parameters.items()}
    {'embedding': (50, 4), 'gate_weights': (8, 24), 'gate_biases': (24,),
     'feature_weights': (12, 3), 'feature_biases': (3,)}
    """

    @own_error_state
    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int,
        hidden_dim: int,
        feature_dim: int,
        dtype: DTypeLike = "float32",
        seed: Any = 0,
        embedding: Array | None = None,
    ) -> None:
        sizes = {"vocab_size": vocab_size, "embedding_dim": embedding_dim}
        for name, size in {**sizes, "hidden_dim": hidden_dim, "feature_dim": feature_dim}.items():
            as_size(size, name)
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise TypeError(f"dtype must be float32 or float64, got {kind}")
        number: Any = kind.type
        generator = np.random.default_rng(seed)
        of_embedding, of_layers = generator.spawn(2)  # the layers do not depend on whether an embedding is made
        if embedding is None:
            embedding = of_embedding.standard_normal((vocab_size, embedding_dim), number)
            embedding *= number(_EMBEDDING_SCALE)

        def uniform(shape: tuple[int, ...], fan_in: int) -> Array:
            return ((2 * of_layers.random(shape, number) - 1) / math.sqrt(fan_in)).astype(kind)

        gate_biases = uniform((3 * hidden_dim,), 2 * embedding_dim)
        gate_biases[hidden_dim : 2 * hidden_dim] += 1
        feature_weights = uniform((embedding_dim + hidden_dim, feature_dim), hidden_dim)
        feature_weights[:embedding_dim] = 0
        self.parameters: dict[str, Array] = {
            "embedding": as_embedding(embedding, (vocab_size, embedding_dim)),
            "gate_weights": uniform((2 * embedding_dim, 3 * hidden_dim), 2 * embedding_dim),
            "gate_biases": gate_biases,
            "feature_weights": feature_weights,
            "feature_biases": np.zeros(feature_dim, kind),
        }
        self._panels, self._tasks = Panels(_ROWS), Panels(1)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Array]) -> Self:
        """Make the layers of existing parameters, without copies.

        Parameters
        ----------
        parameters : mapping of str to array
            Those of `parameters`, by name; others are ignored.

        Returns
        -------
        QRNN
            The layers.

        Raises
        ------
        ValueError
            If one is missing, or the shapes do not fit together.
        """
        layers = cls.__new__(cls)
        check_arrays(parameters, PARAMETERS)
        for name in PARAMETERS:
            check_unmasked(parameters[name], name)
        layers.parameters = {name: parameters[name] for name in PARAMETERS}
        shapes = [array.shape for array in layers.parameters.values()]
        matches = [len(shape) for shape in shapes] == [2, 2, 1, 2, 1]
        if matches:
            (num_words, width), (_, gates), _, _, (features,) = shapes
            fitting = [(num_words, width), (2 * width, gates), (gates,), (width + gates // 3, features), (features,)]
            matches = gates % 3 == 0 and shapes == fitting
        if not matches:
            raise ValueError(f"parameters of a quasi-recurrent model cannot have the shapes {shapes}")
        layers._panels, layers._tasks = Panels(_ROWS), Panels(1)
        return layers

    def _check(self, words: Any, starts: Any, state: Any) -> tuple[Array, Array, Array]:
        """Return the arguments of `forward` in the types of the kernels."""
        ids = as_words(words, "words", len(self.parameters["embedding"]))
        if ids.ndim != 2 or len(ids) < 2 or not ids.shape[1]:
            raise ValueError(f"words must have shape (T + 1, B) with T and B at least 1, got {ids.shape}")
        starts_, shape = as_array(starts, "starts"), (len(ids) - 1, ids.shape[1])
        if starts_.dtype != np.bool_:
            raise TypeError(f"starts must be bool, got {starts_.dtype}")
        if starts_.shape != shape:
            raise ValueError(f"starts must have shape {shape} for words of shape {ids.shape}, got {starts_.shape}")
        kind, cells = self.parameters["gate_biases"].dtype, (shape[1], len(self.parameters["gate_biases"]) // 3)
        state_ = np.zeros(cells, kind) if state is None else as_array(state, "state")
        if state_.shape != cells or state_.dtype.kind != "f":
            raise ValueError(f"state must be {kind} of shape {cells}, got {state_.dtype} of shape {state_.shape}")
        return np.ascontiguousarray(ids, np.int64), np.ascontiguousarray(starts_), np.ascontiguousarray(state_, kind)

    @own_error_state
    def forward(
        self, words: Any, starts: Any, state: Any = None, *, dropout: float = 0.0, seed: tuple[int, int] = (0, 0)
    ) -> QRNNActivations:
        """Compute the features of B streams for T times.

        Parameters
        ----------
        words : integer array, shape (T + 1, B)
            Ids in [0, V). ``words[t + 1]`` are the newest words at time t, those before the predicted ones;
            ``words[0]`` are the words before ``words[1]``, and are not read where ``starts[0]``.
        starts : bool array, shape (T, B)
            Where a document starts. There the newest word is what marks a start, and nothing before it counts.
        state : array, shape (B, H), optional
            The cells before the first time; zeros by default.
        dropout : float, default 0
            The share p of x and of h that becomes zero, in [0, 1). The others are divided by 1 - p. An x has one mask
            for all its uses. For training only.
        seed : tuple of int, default (0, 0)
            Seed and step. What is dropped depends on them, on time, stream and column, and on nothing else.

        Returns
        -------
        QRNNActivations
            All layers' values, and the state after the last time.

        Raises
        ------
        TypeError
            If `words` are not integers or `starts` not bool.
        ValueError
            If an argument has another shape, or an id or `dropout` is out of range.
        """
        words, starts, state = self._check(words, starts, state)
        of_inputs, of_hidden = dropout_masks(dropout, seed)
        p, num_threads = self.parameters, fc.get_num_threads()
        kind, num_rows = p["gate_biases"].dtype, starts.size
        inner, width = len(p["gate_weights"]), state.shape[1]
        outputs, gates, cells, features = (
            np.empty((num_rows, columns), kind)
            for columns in (inner + width, 3 * width, width, len(p["feature_biases"]))
        )
        table, ids = p["embedding"], words
        if table.strides[1] != table.itemsize:
            table, ids = np.ascontiguousarray(table[words.reshape(-1)]), np.arange(words.size).reshape(words.shape)
        like = table.dtype.type(0) if table.dtype.kind == "f" else np.uint16(0)
        gather_pairs(
            like, table.ctypes.data, table.strides[0], ids, starts, kind.type(_INPUT_SCALE), of_inputs, inner // 2,
            outputs, num_threads,
        )  # fmt: skip

        def gate_sums(rows: slice) -> None:
            np.matmul(outputs[rows, :inner], p["gate_weights"], out=gates[rows])

        def from_hidden(rows: slice) -> None:
            f = features[rows]
            np.matmul(outputs[rows, inner // 2 :], p["feature_weights"], out=f)
            f += p["feature_biases"]

        self._panels.run(gate_sums, num_rows)
        recur(gates, p["gate_biases"], starts, state, of_hidden, cells, outputs, inner, num_threads)
        self._panels.run(from_hidden, num_rows)
        return QRNNActivations(words, starts, state, outputs, gates, cells, features, dropout, seed)

    @own_error_state
    def backward(self, activations: QRNNActivations, d_features: Any) -> QRNNGradients:
        """Compute the gradients of the parameters from the gradient of the features.

        Back-propagation through the T times of the forward pass: no gradient goes into the state before it, nor over a
        document's start.

        Parameters
        ----------
        activations : QRNNActivations
            What `forward` returned, the parameters being as they were then. Its gates become gradients, so a second
            call with it would be wrong.
        d_features : array, shape (T * B, D)
            Gradient of the objective with respect to ``activations.features``.

        Returns
        -------
        QRNNGradients
            By the parameters' names.

        Raises
        ------
        ValueError
            If `d_features` has another shape.
        """
        words, starts, state, outputs, gates, cells, features, dropout, seed = activations
        of_inputs, of_hidden = dropout_masks(dropout, seed)
        p, num_threads = self.parameters, fc.get_num_threads()
        kind, num_rows, num_streams = gates.dtype, len(gates), starts.shape[1]
        inner, width = len(p["gate_weights"]), state.shape[1]
        d_features = np.ascontiguousarray(as_array(d_features, "d_features"), kind)
        if d_features.shape != features.shape:
            raise ValueError(f"d_features must have shape {features.shape}, got {d_features.shape}")
        d_outputs = np.empty((num_rows, inner // 2 + width), kind)
        d_inputs = np.empty((num_rows, inner), kind)
        d_biases, scratch = np.empty((num_streams, 3 * width), kind), np.empty((num_streams, width), kind)
        d_gate_weights, d_feature_weights = np.empty_like(p["gate_weights"]), np.empty_like(p["feature_weights"])
        d_rows = np.empty((words.size, inner // 2), kind)

        def to_outputs(rows: slice) -> None:
            np.matmul(d_features[rows], p["feature_weights"].T, out=d_outputs[rows])

        def to_inputs(rows: slice) -> None:
            np.matmul(gates[rows], p["gate_weights"].T, out=d_inputs[rows])

        def to_gate_weights(rows: slice) -> None:
            np.matmul(outputs[:, rows].T, gates, out=d_gate_weights[rows])

        def to_feature_weights(rows: slice) -> None:
            np.matmul(outputs[:, inner // 2 :][:, rows].T, d_features, out=d_feature_weights[rows])

        self._panels.run(to_outputs, num_rows)
        recur_backward(gates, starts, state, of_hidden, cells, d_outputs, inner // 2, d_biases, scratch, num_threads)
        # from here on `gates` are the gradients of the sums
        tasks = [(to_gate_weights, rows) for rows in _slices(inner, _WEIGHT_ROWS)]
        tasks += [(to_inputs, rows) for rows in _slices(num_rows, _ROWS)]
        tasks += [(to_feature_weights, rows) for rows in _slices(len(d_feature_weights), _WEIGHT_ROWS)]

        def each(one: slice) -> None:
            work, rows = tasks[one.start]
            work(rows)

        self._tasks.run(each, len(tasks))
        pair_gradients(d_inputs, d_outputs, starts, kind.type(_INPUT_SCALE), of_inputs, d_rows, num_threads)
        read = np.append(~starts[0], np.ones(starts.size, bool))  # a word before a start is no part of the step
        ids = words.reshape(-1)
        if not read.all():
            ids, d_rows = ids[read], d_rows[read]
        return QRNNGradients(
            fc.RowGradient.from_pairs(ids, d_rows, len(p["embedding"])),
            d_gate_weights,
            d_biases.sum(axis=0),
            d_feature_weights,
            d_features.sum(axis=0),
        )
