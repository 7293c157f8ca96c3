"""The feed-forward n-gram language model of Bengio et al. 2003, with a class table as its output layer.

User code of the library: nothing but its public names and NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.models.feed_forward import Activations, FeedForward
from fastcands.models.predictor import NGramPredictor
from fastcands.models.state import copy_state
from fastcands.validation.arrays import as_per_class
from fastcands.validation.error_state import own_error_state

__all__ = ["NGramModel"]

Array = NDArray[Any]


class NGramModel:
    """Predicts a word from the n words before it.

    For the context ``w1 … wn``, with `C` the embedding, `U` and `b` the weights and biases of the table::

        inputs = C[w1] | C[w2] | … | C[wn]
        hidden = tanh(inputs @ A + a)
        features = hidden @ F + f
        logits = features @ U.T + b

    Bengio's model with one change: the linear layer `F` stands between hidden layer and output layer. So the
    hidden layer may be wide while the table, whose rows cost memory and time for every word, is narrow.

    Parameters
    ----------
    vocab_size : int
        V, the words; also the classes of the table.
    context : int
        n, the words a prediction sees.
    embedding_dim : int
        E, length of a word's embedding.
    hidden_dim : int
        H, width of the tanh layer.
    feature_dim : int, optional
        D, width of the class table; `embedding_dim` by default.
    optimizer : Optimizer, default Adagrad(lr=0.1)
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
        Of the initial parameters.

    Attributes
    ----------
    table : ClassTable
        The output layer.
    layers : FeedForward
        The layers before it.
    dense_optimizer : Optimizer
        As given.
    optimizer_state : dict of str to dict
        The optimizers' state for each parameter of `layers`.
    context : int
        n.
    step : int
        Steps made.
    logit_offsets : float32 array, shape (V,), or None
        Added to the logits in predictions, but not in the training loss. Negative sampling learns log P - log Q: with
        log Q here, its predictions are P like those of the other losses.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is below 1, or `class_counts` are not V counts of at least 0.

    References
    ----------
    Bengio, Ducharme, Vincent and Jauvin 2003, Journal of Machine Learning Research 3, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> from fastcands.models import NGramModel
    >>> model = NGramModel(50, context=2, embedding_dim=4, hidden_dim=8, seed=1)
    >>> loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(50, seed=2), num_sampled=10)
    >>> contexts, words = np.array([[0, 1], [1, 2], [2, 3]]), np.array([2, 3, 4])
    >>> before = model.log_loss(contexts, words)
    >>> for _ in range(100):
    ...     _ = model.train_step(loss, contexts, words)
    >>> model.log_loss(contexts, words) < before / 2
    True
    """

    @own_error_state
    def __init__(
        self,
        vocab_size: int,
        *,
        context: int,
        embedding_dim: int,
        hidden_dim: int,
        feature_dim: int | None = None,
        optimizer: Any = fc.Adagrad(lr=0.1),  # noqa: B008 - immutable
        dense_optimizer: Any = None,
        class_counts: Any = None,
        dtype: DTypeLike = "float32",
        table_dtype: DTypeLike | None = None,
        seed: int = 0,
    ) -> None:
        feature_dim = embedding_dim if feature_dim is None else feature_dim
        layers_seed, table_seed = np.random.SeedSequence(seed).spawn(2)
        self.layers = FeedForward(
            vocab_size,
            context=context,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            feature_dim=feature_dim,
            dtype=dtype,
            seed=layers_seed,
        )
        self.context = context
        self.table = fc.ClassTable(
            vocab_size,
            feature_dim,
            dtype=dtype if table_dtype is None else table_dtype,
            optimizer=optimizer,
            seed=table_seed,
        )
        if class_counts is not None:
            counts = np.asarray(as_per_class(class_counts, "class_counts"), np.float64)
            if counts.shape != (vocab_size,) or not (counts >= 0).all():
                raise ValueError(
                    f"class_counts must be {vocab_size} counts of at least 0, got shape {counts.shape} "
                    f"with the minimum {counts.min(initial=np.inf)}"
                )
            assert self.table.biases is not None
            self.table.biases[:] = np.log((counts + 1) / (counts.sum() + vocab_size))
        self.dense_optimizer = optimizer if dense_optimizer is None else dense_optimizer
        self.optimizer_state = {
            name: self._optimizer_of(name).init(array) for name, array in self.layers.parameters.items()
        }
        self.step = 0
        self.logit_offsets: Array | None = None

    def _optimizer_of(self, name: str) -> Any:
        return self.table.optimizer if name == "embedding" else self.dense_optimizer

    @own_error_state
    def forward(self, contexts: Any) -> Activations:
        """Compute the inputs of the class table for each context.

        Parameters
        ----------
        contexts : integer array, shape (B, n)
            Ids in [0, V), the oldest word first.

        Returns
        -------
        Activations
            All layers' values; ``features`` is what the class table gets.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward``.
        """
        return self.layers.forward(contexts)

    @own_error_state
    def train_step(self, loss: Any, contexts: Any, words: Any) -> Array:
        """Make one step on the mean loss of a batch.

        Parameters
        ----------
        loss : loss object
            ``fc.SampledSoftmaxLoss(…)``, ``fc.SoftmaxLoss()`` or another loss of the library.
        contexts : integer array, shape (B, n)
            The words before, the oldest first; B at least 1.
        words : integer array, shape (B,)
            The words to predict.

        Returns
        -------
        array, shape (B,)
            The loss of each example, before the step.

        Raises
        ------
        TypeError, ValueError
            As ``FeedForward.forward`` and ``ClassTable.train_step``. The model is then as before.
        """
        activations = self.forward(contexts)
        num_rows = len(activations.features)
        upstream = np.full(num_rows, 1 / max(num_rows, 1), activations.features.dtype)
        result = self.table.train_step(loss, words, activations.features, upstream)
        gradients = self.layers.backward(activations, result.d_inputs)
        for name, gradient in gradients._asdict().items():
            if not isinstance(gradient, fc.RowGradient):  # a dense layer: a table all of whose rows are used
                gradient = fc.RowGradient(np.arange(len(gradient)), gradient, len(gradient))
            parameter, state = self.layers.parameters[name], self.optimizer_state[name]
            self._optimizer_of(name).update(parameter, state, gradient, step=self.step)
        self.step += 1
        return result.loss

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
        return self.predictor().log_loss(contexts, words)

    def predictor(self) -> NGramPredictor:
        """Return the model for prediction.

        Returns
        -------
        NGramPredictor
            It shares the parameters, and has the biases of this moment.
        """
        assert self.table.biases is not None
        return NGramPredictor(self.layers, self.table.weights, self.table.biases, self.logit_offsets)

    def _arrays(self) -> dict[str, Array]:
        """Return every array of the model by the name it is saved under."""
        arrays = {
            **self.layers.parameters,
            **{f"table_{name}": array for name, array in self._table_arrays()},
        }
        states = {**self.optimizer_state}
        states.update({f"table_{name}": state for name, state in self.table.optimizer_state.items()})
        for name, state in states.items():
            arrays.update({f"{name}.{key}": array for key, array in state.items()})
        return arrays

    def _table_arrays(self) -> list[tuple[str, Array]]:
        assert self.table.biases is not None
        return [("weights", self.table.weights), ("biases", self.table.biases)]

    def state_dict(self) -> dict[str, Array]:
        """Return everything that `load_state_dict` needs to continue exactly from here.

        Returns
        -------
        dict of str to array
            The model's own arrays, not copies, and ``step``.
        """
        offsets = {} if self.logit_offsets is None else {"logit_offsets": self.logit_offsets}
        return {**self._arrays(), **offsets, "step": np.array(self.step)}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Restore the state of a model of the same sizes and optimizers.

        Parameters
        ----------
        state : mapping of str to array
            What `state_dict` returned; other names are ignored.

        Raises
        ------
        ValueError
            If an array is missing or has another shape or dtype. The model is then as before.
        """
        arrays = {**self._arrays(), "step": np.array(0)}
        copy_state(state, arrays)
        self.step = self.table.step = int(arrays["step"])
        self.logit_offsets = state.get("logit_offsets")
