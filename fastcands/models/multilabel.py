"""A classifier of sparse points with many labels each: an embedding bag, and a class table as its output layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.data import ExtremeData
from fastcands.models.embedding_bag import EmbeddingBag
from fastcands.models.state import check_arrays, copy_state
from fastcands.validation.arrays import as_per_class
from fastcands.validation.error_state import own_error_state

__all__ = ["MultilabelModel"]

Array = NDArray[Any]

_FEW_LABELS = 16  # points with no more labels are trained together, in every batch


class MultilabelModel:
    """Ranks labels for a point with sparse features.

    With the bag's table `E` and the weights `U` and biases `b` of the class table::

        logits = bag(E, features) @ U.T + b

    There is no layer between the two. On sparse data, where most features and labels are rare, a rectifier there
    learned more slowly and ended with a lower precision.

    Parameters
    ----------
    num_features : int
        F: ids of features are below it.
    num_labels : int
        V, the classes of the table.
    dim : int
        D, width of bag and class table.
    optimizer : Optimizer, default Adagrad(lr=0.1)
        For all parameters.
    label_counts : array, shape (V,), optional
        In how many training points each label is. The table's biases then start at the logarithms of the labels'
        frequencies (each count plus one), so the most frequent labels come first.
    dtype : {'float32', 'float64'}, default 'float32'
        Of all parameters.
    table_dtype : {'float32', 'float64', 'bfloat16'}, optional
        Of the class table, if it is another; see `ClassTable`.
    seed : int, default 0
        Of the initial parameters.

    Attributes
    ----------
    bag : EmbeddingBag
        The input layer.
    table : ClassTable
        The output layer.
    step : int
        Steps made.
    logit_offsets : float32 array, shape (V,), or None
        Added to the logits in rankings, but not in the training loss. Negative sampling learns log P - log Q: with
        log Q here, its rankings are like those of the other losses.

    Raises
    ------
    TypeError
        If a size is not an integer.
    ValueError
        If a size is below 1, or `label_counts` are not V counts of at least 0.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> from fastcands.data import ExtremeData
    >>> points = ExtremeData(9, 50, *map(np.array, ([0, 2, 2], [4, 1], [0, 1, 3], [8, 0, 3], [1.0, 2.0, 1.0])))
    >>> model = MultilabelModel(9, 50, dim=8, seed=1)
    >>> sampler = fc.FixedUnigramSampler(50, unigrams=points.label_counts() + 1, seed=2)
    >>> loss = fc.SampledSoftmaxLoss(sampler, num_sampled=10, ignore_index=-1)
    >>> for _ in range(30):
    ...     _ = model.train_step(loss, points)
    >>> model.topk(points.take([0]), 2).ids.tolist() in ([[1, 4]], [[4, 1]])
    True
    """

    @own_error_state
    def __init__(
        self,
        num_features: int,
        num_labels: int,
        *,
        dim: int,
        optimizer: Any = fc.Adagrad(lr=0.1),  # noqa: B008 - immutable
        label_counts: Any = None,
        dtype: DTypeLike = "float32",
        table_dtype: DTypeLike | None = None,
        seed: int = 0,
    ) -> None:
        bag_seed, table_seed = np.random.SeedSequence(seed).spawn(2)
        self.bag = EmbeddingBag(num_features, dim, dtype=dtype, seed=bag_seed)
        self.table = fc.ClassTable(
            num_labels, dim, dtype=dtype if table_dtype is None else table_dtype, optimizer=optimizer, seed=table_seed
        )
        if label_counts is not None:
            counts = np.asarray(as_per_class(label_counts, "label_counts"), np.float64)
            if counts.shape != (num_labels,) or not (counts >= 0).all():
                raise ValueError(
                    f"label_counts must be {num_labels} counts of at least 0, got shape {counts.shape} "
                    f"with the minimum {counts.min(initial=np.inf)}"
                )
            assert self.table.biases is not None
            self.table.biases[:] = np.log((counts + 1) / (counts.sum() + num_labels))
        self._bag_state = optimizer.init(self.bag.table)
        self.step = 0
        self.logit_offsets: Array | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> Self:
        """Make a model for prediction, not for training, from what `state_dict` returned, without copies.

        Parameters
        ----------
        state : mapping of str to array
            The arrays; others are ignored.

        Returns
        -------
        MultilabelModel
            It shares the arrays.

        Raises
        ------
        ValueError
            If an array is missing, or the shapes do not fit together.
        """
        check_arrays(state, ("bag", "table_weights", "table_biases"))
        model = cls.__new__(cls)
        model.bag = EmbeddingBag.from_table(state["bag"])
        model.table = fc.ClassTable.from_arrays(state["table_weights"], state["table_biases"], optimizer=fc.SGD(0.0))
        if model.table.dim != model.bag.table.shape[1]:
            raise ValueError(
                f"bag and table must have rows of one length, got {model.bag.table.shape[1]} and {model.table.dim}"
            )
        model._bag_state = {}
        model.step = 0
        model.logit_offsets = state.get("logit_offsets")
        return model

    @own_error_state
    def forward(self, points: ExtremeData) -> Array:
        """Compute the inputs of the class table for each point.

        Parameters
        ----------
        points : ExtremeData
            B points of F features.

        Returns
        -------
        array, shape (B, D)
            The bags.

        Raises
        ------
        ValueError
            If a feature is out of range.
        """
        return self.bag.forward(points.feature_starts, points.features, points.values)

    @own_error_state
    def train_step(self, loss: Any, points: ExtremeData) -> Array:
        """Make one step on the mean loss of some points.

        Lists of labels are padded to the longest one for the loss. So that a few points with very many labels do not
        make all lists long, points with more than 16 labels go to the class table in steps of their own, with others
        that have as many, within a factor of two.

        Parameters
        ----------
        loss : loss object
            A loss of the library, with ``ignore_index=-1``.
        points : ExtremeData
            At least one; each should have a label. Points without labels change nothing, but count in the mean.

        Returns
        -------
        array, shape (B,)
            The loss of each point, before the step.

        Raises
        ------
        TypeError, ValueError
            As ``forward`` and ``ClassTable.train_step``. The model is then as before, unless the loss of points with
            more than 16 labels was not finite.
        """
        bags = self.forward(points)
        counts = np.diff(points.label_starts)
        groups = np.ceil(np.log2(np.maximum(counts, _FEW_LABELS))).astype(np.int64)
        values, d_bags = np.empty(len(bags), bags.dtype), np.empty_like(bags)
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            upstream = np.full(len(rows), 1 / len(bags), bags.dtype)
            result = self.table.train_step(loss, points.padded_labels(rows), bags[rows], upstream)
            values[rows], d_bags[rows] = result
        gradient = self.bag.backward(points.feature_starts, points.features, points.values, d_bags)
        self.table.optimizer.update(self.bag.table, self._bag_state, gradient, step=self.step)
        self.step += 1
        return values

    @own_error_state
    def topk(self, points: ExtremeData, k: int) -> Any:
        """Return the k best labels of each point, exactly: among all V.

        Parameters
        ----------
        points : ExtremeData
            B points of F features.
        k : int
            From 1 to V.

        Returns
        -------
        TopK
            As ``ClassTable.topk``: ids and logits (B, k), the best first.

        Raises
        ------
        TypeError, ValueError
            As ``forward`` and ``ClassTable.topk``.
        """
        table = self.table
        if self.logit_offsets is not None:
            assert table.biases is not None
            biases = (table.biases + self.logit_offsets).astype(table.biases.dtype)
            table = fc.ClassTable.from_arrays(table.weights, biases, optimizer=fc.SGD(0.0))
        return table.topk(self.forward(points), k)

    def _arrays(self) -> dict[str, Array]:
        """Return every array of the model by the name it is saved under."""
        assert self.table.biases is not None
        arrays = {"bag": self.bag.table, "table_weights": self.table.weights, "table_biases": self.table.biases}
        states = {f"table_{name}": state for name, state in self.table.optimizer_state.items()}
        states["bag"] = self._bag_state
        for name, state in states.items():
            arrays.update({f"{name}.{key}": array for key, array in state.items()})
        return arrays

    def state_dict(self) -> dict[str, Array]:
        """Return everything that `load_state_dict` needs to continue exactly from here.

        Returns
        -------
        dict of str to array
            The model's own arrays, not copies, and the numbers of steps.
        """
        offsets = {} if self.logit_offsets is None else {"logit_offsets": self.logit_offsets}
        return {**self._arrays(), **offsets, "step": np.array([self.step, self.table.step])}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Restore the state of a model of the same sizes and optimizer.

        Parameters
        ----------
        state : mapping of str to array
            What `state_dict` returned; other names are ignored.

        Raises
        ------
        ValueError
            If an array is missing or has another shape or dtype. The model is then as before.
        """
        arrays = {**self._arrays(), "step": np.zeros(2, np.int64)}
        copy_state(state, arrays)
        self.step, self.table.step = arrays["step"].tolist()
        self.logit_offsets = state.get("logit_offsets")
