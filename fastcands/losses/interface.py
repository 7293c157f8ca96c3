"""How losses are called: one interface for the exact and one for the sampled ones.

Classes here are abstract; their subclasses are final.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients
from fastcands.losses.batch import Batch, as_upstream
from fastcands.losses.drawing import draw_candidates
from fastcands.losses.in_batch import Frequencies
from fastcands.losses.sampled_values import as_sampled_values
from fastcands.precision import as_precision
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_ignore_index
from fastcands.validation.numbers import as_flag, as_size, as_temperature
from fastcands.values import SampledValues

__all__ = ["ExactLoss", "Result", "SampledLoss", "Sampler"]

Result = tuple[NDArray[Any], Gradients | None]


def _without_empty_examples(batch: Batch, upstream: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the weights of the examples, zero for those without a class."""
    empty = batch.empty_examples
    return upstream if upstream is None or empty is None else np.where(empty, 0, upstream)


def _finish(batch: Batch, result: Result) -> Result:
    """Set the loss of examples without a class, and the gradient of their inputs, to 0."""
    empty = batch.empty_examples
    if empty is not None:
        loss, gradients = result
        loss[empty] = 0
        if gradients is not None:
            gradients.inputs[empty] = 0
    return result


@dataclass(frozen=True)
class ExactLoss(ABC):
    """A loss over all classes of a table: a configuration without state."""

    temperature: float = field(default=1.0, kw_only=True)
    ignore_index: int | None = field(default=None, kw_only=True)
    precision: str | None = field(default=None, kw_only=True)

    inputs_show_rows: ClassVar[bool] = True
    """Whether a row with a gradient that is not finite makes that of the inputs so: it is a sum over all rows."""

    def __post_init__(self) -> None:
        as_temperature(self.temperature, "temperature")
        as_ignore_index(self.ignore_index)
        if self.precision is not None:
            as_precision(self.precision)

    @abstractmethod
    def _evaluate(self, batch: Batch, upstream: NDArray[Any] | None) -> Result:
        """Return the loss of each example and, when `upstream` is given, the gradients."""

    def _batch(self, weights: Any, biases: Any, labels: Any, inputs: Any) -> Batch:
        return Batch.of(
            weights,
            biases,
            labels,
            inputs,
            temperature=self.temperature,
            ignore_index=self.ignore_index,
            precision=self.precision,
        )

    @own_error_state
    def value(self, weights: Any, biases: Any, labels: Any, inputs: Any) -> NDArray[Any]:
        """Return the loss of each example.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V) or the loss's `ignore_index`. Lists of different lengths and sparse matrices
            (B, V) of ones are taken too: each example then has its own number of them.
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.

        Returns
        -------
        array, shape (B,)
            In the dtype of `inputs`.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, a label is outside [0, V), or labels are one-hot.
        """
        batch = self._batch(weights, biases, labels, inputs)
        return _finish(batch, self._evaluate(batch, None))[0]

    @own_error_state
    def value_and_grad(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None
    ) -> tuple[NDArray[Any], Gradients]:
        """Return the loss of each example and the gradients of ``sum(upstream * loss)``.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V) or the loss's `ignore_index`. Lists of different lengths and sparse matrices
            (B, V) of ones are taken too: each example then has its own number of them.
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.
        upstream : array, shape (B,), optional
            Weight of each example in the gradients; ones by default.

        Returns
        -------
        loss : array, shape (B,)
            In the dtype of `inputs`, not multiplied by `upstream`.
        gradients : Gradients
            With respect to inputs, weights and biases. Labels, candidates and counts have none.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, a label is outside [0, V), or labels are one-hot.
        """
        batch = self._batch(weights, biases, labels, inputs)
        given = as_upstream(upstream, len(batch.inputs), batch.inputs.dtype)
        loss, gradients = _finish(batch, self._evaluate(batch, _without_empty_examples(batch, given)))
        assert gradients is not None  # upstream was given
        return loss, gradients


class Sampler(Protocol):
    """What a sampled loss needs from a sampler.

    It may also have ``never_drawn(labels)``, as `CandidateSampler` has it: then labels that it gives no weight are
    refused before it draws. Where labels are ignored or ragged, ``sample`` gets those that are classes, (N, 1), and
    may draw candidates for each of them only if every example has one label.
    """

    @property
    def num_classes(self) -> int:
        """Number of classes it draws from."""

    def sample(self, labels: Any, num_sampled: int, *, unique: bool = True) -> SampledValues:
        """Draw candidates and compute expected counts."""


@dataclass(frozen=True)
class SampledLoss(ABC):
    """A loss over the true classes and a sample of the others: a configuration; the sampler has the state."""

    sampler: Sampler
    num_sampled: int
    unique: bool = field(default=True, kw_only=True)
    in_batch: Frequencies | None = field(default=None, kw_only=True)
    temperature: float = field(default=1.0, kw_only=True)
    ignore_index: int | None = field(default=None, kw_only=True)
    precision: str | None = field(default=None, kw_only=True)

    _divides_logits: ClassVar[bool] = True
    """Whether the temperature is that of the logits."""

    inputs_show_rows: ClassVar[bool] = True
    """Whether a row with a gradient that is not finite makes that of the inputs so: it is a sum over all rows."""

    def __post_init__(self) -> None:
        if not callable(getattr(self.sampler, "sample", None)):
            raise TypeError(f"sampler must have a sample method, got {type(self.sampler).__name__}")
        count = as_size(self.num_sampled, "num_sampled", minimum=1 if self.in_batch is None else 0)
        object.__setattr__(self, "num_sampled", count)  # an int, whatever kind of integer came
        if self.in_batch is not None and not callable(getattr(self.in_batch, "probability", None)):
            raise TypeError(f"in_batch must have a probability method, got {type(self.in_batch).__name__}")
        if as_flag(self.unique, "unique") and self.num_sampled > self.sampler.num_classes:
            raise ValueError(
                f"num_sampled must be at most the sampler's {self.sampler.num_classes} classes when unique, got "
                f"{self.num_sampled}"
            )
        as_temperature(self.temperature, "temperature")
        as_ignore_index(self.ignore_index)
        if self.precision is not None:
            as_precision(self.precision)

    @abstractmethod
    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        """Return the loss of each example and, when `upstream` is given, the gradients."""

    def _batch(self, weights: Any, biases: Any, labels: Any, inputs: Any) -> Batch:
        return Batch.of(
            weights,
            biases,
            labels,
            inputs,
            temperature=self.temperature if self._divides_logits else 1.0,
            ignore_index=self.ignore_index,
            precision=self.precision,
        )

    def _candidates(self, batch: Batch, given: Any) -> tuple[Batch, SampledValues]:
        """Return the candidates, given or drawn, and the batch, in which labels that are no class are a candidate."""
        if given is not None:
            values = as_sampled_values(given, batch.labels, batch.weights.total, per_example=True)
        else:
            for name, source in (("sampler", self.sampler), ("in_batch", self.in_batch)):
                if source is not None and source.num_classes != batch.weights.total:
                    raise ValueError(
                        f"{name} must draw from the {batch.weights.total} classes of weights, got "
                        f"{source.num_classes} classes"
                    )
            values = draw_candidates(self.sampler, self.in_batch, batch, int(self.num_sampled), bool(self.unique))
        if batch.present is not None and len(batch.labels):
            substitute = values.sampled_candidates[..., :1]  # the example's own where each has some
            batch = batch._replace(labels=np.where(batch.present, batch.labels, substitute))
        return batch, values

    @own_error_state
    def value(self, weights: Any, biases: Any, labels: Any, inputs: Any, *, sampled_values: Any = None) -> NDArray[Any]:
        """Return the loss of each example.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V) or the loss's `ignore_index`. Lists of different lengths and sparse matrices
            (B, V) of ones are taken too: each example then has its own number of them.
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.
        sampled_values : SampledValues or tuple of three arrays, optional
            Candidates to use in place of a draw: ids (S,) or (B, S), one set for all examples or one for each, and
            their expected counts.

        Returns
        -------
        array, shape (B,)
            In the dtype of `inputs`.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, a label is outside [0, V), labels are one-hot, or a sampler has another number of
            classes or a label's weight is 0 there. Then no sampler has
            changed its state.
        """
        batch = self._batch(weights, biases, labels, inputs)
        batch, values = self._candidates(batch, sampled_values)
        return _finish(batch, self._evaluate(batch, values, None))[0]

    @own_error_state
    def value_and_grad(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None, *, sampled_values: Any = None
    ) -> tuple[NDArray[Any], Gradients]:
        """Return the loss of each example and the gradients of ``sum(upstream * loss)``.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V) or the loss's `ignore_index`. Lists of different lengths and sparse matrices
            (B, V) of ones are taken too: each example then has its own number of them.
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.
        upstream : array, shape (B,), optional
            Weight of each example in the gradients; ones by default.
        sampled_values : SampledValues or tuple of three arrays, optional
            Candidates to use in place of a draw: ids (S,) or (B, S), one set for all examples or one for each, and
            their expected counts.

        Returns
        -------
        loss : array, shape (B,)
            In the dtype of `inputs`, not multiplied by `upstream`.
        gradients : Gradients
            With respect to inputs, weights and biases. Labels, candidates and counts have none.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, a label is outside [0, V), labels are one-hot, or a sampler has another number of
            classes or a label's weight is 0 there. Then no sampler has
            changed its state.
        """
        batch = self._batch(weights, biases, labels, inputs)
        given = as_upstream(upstream, len(batch.inputs), batch.inputs.dtype)
        batch, values = self._candidates(batch, sampled_values)
        loss, gradients = _finish(batch, self._evaluate(batch, values, _without_empty_examples(batch, given)))
        assert gradients is not None  # upstream was given
        return loss, gradients
