"""What neural language models share: a class table above their layers, a step on both, and the arrays of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models.predictor import WordPredictor
from fastcands.models.state import check_offsets, copy_state, guarded
from fastcands.validation.arrays import as_per_class
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_flag, as_fraction, as_size

__all__ = ["LanguageModel"]

Array = NDArray[Any]

_INPUT_ROUNDING = 2
"""Tells the random bits of a tied table's second step from those of its first, and from those of the biases."""


class LanguageModel(ABC):
    """Layers whose features a class table takes; the arguments are those of the subclasses.

    A subclass makes `layers` after ``super().__init__``, with the seed and the embedding found there, and then calls
    `_start`.
    """

    layers: Any

    def __init__(
        self, vocab_size: int, *, embedding_dim: int, hidden_dim: int, feature_dim: int | None, tied: bool,
        dropout: float, optimizer: Any, dense_optimizer: Any, class_counts: Any, dtype: DTypeLike,
        table_dtype: DTypeLike | None, seed: int,
    ) -> None:  # fmt: skip
        feature_dim = embedding_dim if feature_dim is None else feature_dim
        sizes = {"vocab_size": vocab_size, "embedding_dim": embedding_dim, "hidden_dim": hidden_dim}
        for name, size in {**sizes, "feature_dim": feature_dim}.items():
            as_size(size, name)
        self.tied, self.dropout = as_flag(tied, "tied"), as_fraction(dropout, "dropout")
        if tied and embedding_dim != feature_dim:
            raise ValueError(
                "with a tied table embedding_dim and feature_dim must be equal, "
                f"got embedding_dim={embedding_dim} and feature_dim={feature_dim}"
            )
        self._layers_seed, table_seed, dropout_seed = np.random.SeedSequence(seed).spawn(3)
        self._dropout_seed = int(dropout_seed.generate_state(1, np.uint64)[0])
        self.table = fc.ClassTable(
            vocab_size,
            feature_dim,
            dtype=dtype if table_dtype is None else table_dtype,
            optimizer=optimizer,
            seed=table_seed,
        )
        if class_counts is not None:
            self._start_at(class_counts)
        self.dense_optimizer = optimizer if dense_optimizer is None else dense_optimizer
        self.optimizer_state: dict[str, dict[str, Array]] = {}
        self.step = 0
        self.logit_offsets: Array | None = None

    def _start_at(self, class_counts: Any) -> None:
        """Let the biases start at the unigram model."""
        vocab_size = self.table.num_classes
        counts = np.asarray(as_per_class(class_counts, "class_counts"), np.float64)
        if counts.shape != (vocab_size,) or not (counts >= 0).all():
            raise ValueError(
                f"class_counts must be {vocab_size} counts of at least 0, got shape {counts.shape} "
                f"with the minimum {counts.min(initial=np.inf)}"
            )
        assert self.table.biases is not None
        self.table.biases[:] = np.log((counts + 1) / (counts.sum() + vocab_size))

    def _start(self, layers: Any) -> None:
        """Adopt the layers, and begin their optimizers' states."""
        self.layers = layers
        self.optimizer_state = {name: self._optimizer_of(name).init(array) for name, array in layers.parameters.items()}

    def _optimizer_of(self, name: str) -> Any:
        return self.table.optimizer if name == "embedding" else self.dense_optimizer

    def _make_step(self, loss: Any, labels: Any, activations: Any) -> Array:
        """Make a step on the mean loss; return the loss of each example."""
        features = activations.features
        num_rows = len(features)
        upstream = np.full(num_rows, 1 / max(num_rows, 1), features.dtype)
        result = self.table.train_step(loss, labels, features, upstream)
        gradients = self.layers.backward(activations, result.d_inputs)
        steps = []
        for name, gradient in gradients._asdict().items():
            if not isinstance(gradient, fc.RowGradient):  # a dense layer: a table all of whose rows are used
                gradient = fc.RowGradient(np.arange(len(gradient)), gradient, len(gradient))
            parameter, state = self.layers.parameters[name], self.optimizer_state[name]
            seed = self.table.rounding_seed ^ _INPUT_ROUNDING if parameter is self.table.weights else 0
            optimizer = self._optimizer_of(name)
            steps.append(optimizer.plan(parameter, state, gradient, step=self.step, seed=seed, name=name))
        for make in steps:
            make()
        self.step += 1
        return result.loss

    @property
    def _dropout_key(self) -> tuple[int, int]:
        return self._dropout_seed, self.step

    @abstractmethod
    def train_on(self, loss: Any, text: EncodedText, positions: Any) -> Array:
        """Make one step on words of a text.

        Parameters
        ----------
        loss : loss object
            A loss of the library.
        text : EncodedText
            The text.
        positions : integer array
            Where the words to predict are.

        Returns
        -------
        array
            The loss of each word, before the step.
        """

    @abstractmethod
    def predictor(self, boundary_id: int = 0) -> WordPredictor:
        """Return the model for prediction.

        Parameters
        ----------
        boundary_id : int, default 0
            Id of the word that ends documents: it stands before histories, which have no text to say it.

        Returns
        -------
        WordPredictor
            It shares the parameters, and has the biases of this moment.
        """

    def _table_arrays(self) -> tuple[Array, Array]:
        assert self.table.biases is not None
        return self.table.weights, self.table.biases

    def _arrays(self) -> dict[str, Array]:
        """Return every array of the model by the name it is saved under."""
        parameters = dict(self.layers.parameters)
        if self.tied:
            del parameters["embedding"]
            parameters["tied"] = np.array(True)
        weights, biases = self._table_arrays()
        arrays = {**parameters, "table_weights": weights, "table_biases": biases}
        states = {**self.optimizer_state}
        states.update({f"table_{name}": state for name, state in self.table._optimizer_state.items()})
        for name, state in states.items():
            arrays.update({f"{name}.{key}": array for key, array in state.items()})
        return arrays

    @own_error_state
    def state_dict(self) -> dict[str, Array]:
        """Return everything that `load_state_dict` needs to continue exactly from here.

        Returns
        -------
        dict of str to array
            The model's own arrays, not copies, those of optimizers read-only, and ``step``. A tied model has ``tied``
            in place of ``embedding``.
        """
        offsets = {} if self.logit_offsets is None else {"logit_offsets": self.logit_offsets}
        return {**guarded(self._arrays()), **offsets, "step": np.array(self.step)}

    @own_error_state
    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Restore the state of a model of the same sizes and optimizers.

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
        arrays = {**self._arrays(), "step": np.array(0)}
        offsets = check_offsets(state, self.table.num_classes)
        if not self.tied and "tied" in state:
            raise ValueError("the state is of a tied model, which has no array 'embedding' of its own")
        copy_state(state, arrays)
        self.table._check_state()
        self.step = self.table.step = int(arrays["step"])
        self.logit_offsets = offsets
