"""A quasi-recurrent language model with a class table as its output layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models.language_model import LanguageModel
from fastcands.models.qrnn import QRNN
from fastcands.models.qrnn_predictor import QRNNPredictor
from fastcands.models.streams import stream_words
from fastcands.validation.arrays import as_array
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids

__all__ = ["QRNNModel"]

Array = NDArray[Any]


class QRNNModel(LanguageModel):
    """Predicts a word from all words before it in its document.

    The layers are those of `QRNN`; with `U` and `b` the weights and biases of the table, at each time::

        logits = features @ U.T + b

    Training goes through the text in B streams, T words at a time: the state is carried from step to step, gradients
    go back through the T words of a step.

    Parameters
    ----------
    vocab_size : int
        V, the words; also the classes of the table.
    embedding_dim : int
        E, length of a word's embedding.
    hidden_dim : int
        H, width of the recurrent layer.
    feature_dim : int, optional
        D, width of the class table; `embedding_dim` by default.
    tied : bool, default True
        Whether the embedding is the weights of the table: one array, which then gets two steps, each with an optimizer
        state of its own. D must be E.
    dropout : float, default 0
        The share of the inputs and of the hidden values that is dropped in training, in [0, 1).
    optimizer : Optimizer, default LazyAdam(0.003)
        For the embedding and the class table.
    dense_optimizer : Optimizer, optional
        For the layers between them; `optimizer` by default. Every element of theirs gets a gradient at every
        step, so a lower learning rate suits them.
    class_counts : array, shape (V,), optional
        How often each word is predicted in training. The table's biases then start at the logarithms of the
        words' frequencies (each count plus one), and training starts from a unigram model.
    dtype : {'float32', 'float64'}, default 'float32'
        Of all parameters.
    table_dtype : {'float32', 'float64', 'bfloat16'}, optional
        Of the class table, if it is another; see `ClassTable`.
    seed : int, default 0
        Of the initial parameters and of dropout.

    Attributes
    ----------
    table : ClassTable
        The output layer.
    layers : QRNN
        The layers before it.
    dense_optimizer : Optimizer
        As given.
    optimizer_state : dict of str to dict
        The optimizers' state for each parameter of `layers`.
    tied, dropout
        As given; another `dropout` can be set between steps.
    step : int
        Steps made.
    state : array, shape (B, H), or None
        The cells after the last step; None where every stream starts with zeros.
    logit_offsets : float32 array, shape (V,), or None
        Added to the logits in predictions, but not in the training loss; see `NGramModel`.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is below 1, `class_counts` are not V counts of at least 0, `dropout` is not in [0, 1), or D is not E
        in a tied model.

    References
    ----------
    Bradbury, Merity, Xiong and Socher 2017, "Quasi-Recurrent Neural Networks", ICLR, section 2. Press and Wolf 2017,
    "Using the Output Embedding to Improve Language Models", EACL (`tied`).

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> from fastcands.data import EncodedText
    >>> from fastcands.models import QRNNModel
    >>> text = EncodedText.from_documents([[1, 2, 3, 4, 5, 6, 7]] * 20, boundary_id=0)
    >>> model = QRNNModel(50, embedding_dim=8, hidden_dim=8, optimizer=fc.LazyAdam(0.01), seed=1)
    >>> loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(50, seed=2), num_sampled=10)
    >>> streams = np.arange(160).reshape(2, 80).T  # two, one below the other in each column
    >>> for _ in range(10):
    ...     for start in range(0, 80, 8):
    ...         _ = model.train_on(loss, text, streams[start : start + 8])
    >>> model.predictor().next_words_after([1, 2, 3], 1).ids.tolist()
    [[4]]
    """

    layers: QRNN

    @own_error_state
    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int,
        hidden_dim: int,
        feature_dim: int | None = None,
        tied: bool = True,
        dropout: float = 0.0,
        optimizer: Any = fc.LazyAdam(0.003),  # noqa: B008 - immutable
        dense_optimizer: Any = None,
        class_counts: Any = None,
        dtype: DTypeLike = "float32",
        table_dtype: DTypeLike | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            vocab_size,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            feature_dim=feature_dim,
            tied=tied,
            dropout=dropout,
            optimizer=optimizer,
            dense_optimizer=dense_optimizer,
            class_counts=class_counts,
            dtype=dtype,
            table_dtype=table_dtype,
            seed=seed,
        )
        layers = QRNN(
            vocab_size,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            feature_dim=self.table.dim,
            dtype=dtype,
            seed=self._layers_seed,
            embedding=self.table.weights if tied else None,
        )
        self._start(layers)
        self.state: Array | None = None
        self._last_positions: Array | None = None

    @own_error_state
    def reset_state(self) -> None:
        """Let every stream of the next step start with zeros, as at a document's start; call it before another text."""
        self.state = self._last_positions = None

    @own_error_state
    def train_step(self, loss: Any, words: Any, starts: Any, targets: Any) -> Array:
        """Make one step on the mean loss of B streams for T times; the state goes on to the next step.

        Parameters
        ----------
        loss : loss object
            ``fc.SampledSoftmaxLoss(…)``, ``fc.SoftmaxLoss()`` or another loss of the library.
        words : integer array, shape (T + 1, B)
            ``words[t + 1]`` are the words before ``targets[t]``, and ``words[0]`` those before ``words[1]``: the last
            two rows of the step before begin the next one.
        starts : bool array, shape (T, B)
            Where a document starts: where the word to predict is the first of its document.
        targets : integer array, shape (T, B)
            The words to predict.

        Returns
        -------
        array, shape (T * B,)
            The loss of each word before the step, in the order of ``targets.reshape(-1)``.

        Raises
        ------
        TypeError, ValueError
            As ``QRNN.forward`` and ``ClassTable.train_step``; also if the step before had another B, and `reset_state`
            was not called. The model is then as before, unless the step of a layer below the table overflows: the table
            alone has moved then.
        """
        values = self._step_from(self.state, loss, words, starts, targets)
        self._last_positions = None
        return values

    def _step_from(self, state: Array | None, loss: Any, words: Any, starts: Any, targets: Any) -> Array:
        activations = self.layers.forward(words, starts, state, dropout=self.dropout, seed=self._dropout_key)
        labels = as_array(targets, "targets")
        if labels.shape != activations.starts.shape:
            raise ValueError(f"targets must have shape {activations.starts.shape}, got {labels.shape}")
        after = activations.state.copy()
        values = self._make_step(loss, labels.reshape(-1), activations)
        self.state = after
        return values

    @own_error_state
    def train_on(self, loss: Any, text: EncodedText, positions: Any) -> Array:
        """Make one step on words of a text, in B streams.

        A stream that goes on where it was after the last step keeps its state. One that goes on elsewhere starts with
        zeros, and so does one that jumps within the step.

        Parameters
        ----------
        loss : loss object
            As in `train_step`.
        text : EncodedText
            The text, the same in all steps; call `reset_state` before another one.
        positions : integer array, shape (T, B)
            Where the words to predict are, each column a stream: ``positions[t + 1, b]`` is ``positions[t, b] + 1``
            but where it jumps.

        Returns
        -------
        array, shape (T * B,)
            The loss of each word before the step, in the order of ``positions.reshape(-1)``.

        Raises
        ------
        TypeError, ValueError
            If a position is out of range, and as `train_step`.
        """
        where = as_class_ids(positions, "positions", num_classes=len(text), ndim=2, limit_name="len(text)")
        if not where.size:
            raise ValueError(f"positions must have shape (T, B) with T and B at least 1, got {where.shape}")
        state, last = self.state, self._last_positions
        if state is None or last is None or last.shape != where.shape[1:]:
            state = last = None
        words, starts = stream_words(text, where, last)
        values = self._step_from(state, loss, words, starts, text.ids[where])
        self._last_positions = where[-1].copy()
        return values

    @own_error_state
    def predictor(self, boundary_id: int = 0) -> QRNNPredictor:
        """Return the model for prediction.

        Parameters
        ----------
        boundary_id : int, default 0
            Id of the word that ends documents; see `QRNNPredictor`.

        Returns
        -------
        QRNNPredictor
            It shares the parameters, and has the biases of this moment.
        """
        return QRNNPredictor(self.layers, *self._table_arrays(), self.logit_offsets, boundary_id=boundary_id)

    @own_error_state
    def state_dict(self) -> dict[str, Array]:
        """Return everything that `load_state_dict` needs to continue exactly from here.

        Returns
        -------
        dict of str to array
            The model's own arrays, not copies, those of optimizers read-only, and ``step``. A tied model has ``tied``
            in place of ``embedding``. ``recurrent_state`` and ``last_positions`` are there if streams go on.
        """
        carried = {"recurrent_state": self.state, "last_positions": self._last_positions}
        return {**super().state_dict(), **{name: array for name, array in carried.items() if array is not None}}

    @own_error_state
    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Restore the state of a model of the same sizes and optimizers, and of its streams.

        Masks of dropout and the rounding of bfloat16 follow from the seed of the model and the step: steps go on to the
        last bit in a model with the seed of the one that was saved.

        Parameters
        ----------
        state : mapping of str to array
            What `state_dict` returned; other names are ignored.

        Raises
        ------
        ValueError
            If an array is missing or has another shape or dtype, or if the state is of another optimizer. The model is
            then as before.
        """
        cells, last = (
            None if state.get(name) is None else as_array(state[name], name).copy()
            for name in ("recurrent_state", "last_positions")
        )
        biases = self.layers.parameters["gate_biases"]
        width = len(biases) // 3
        if cells is not None and (cells.ndim != 2 or cells.shape[1] != width or cells.dtype != biases.dtype):
            came = f"{cells.dtype} of shape {cells.shape}"
            raise ValueError(f"recurrent_state must be {biases.dtype} of shape (B, {width}), got {came}")
        if last is not None and (cells is None or last.shape != cells.shape[:1] or last.dtype != np.int64):
            raise ValueError(
                "last_positions must be int64 of shape (B,), B that of recurrent_state, "
                f"got {last.dtype} of shape {last.shape}"
            )
        super().load_state_dict(state)
        self.state, self._last_positions = cells, last
