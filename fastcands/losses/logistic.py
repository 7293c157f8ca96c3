"""Logistic losses over the true classes and a sample of the others: NCE and its relatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fastcands.kernels.epilogues.logistic import LOGISTIC
from fastcands.losses.batch import Batch
from fastcands.losses.interface import Result, SampledLoss
from fastcands.losses.per_logit import sampled_per_logit
from fastcands.validation.error_state import own_error_state
from fastcands.validation.losses import as_log_normalizer
from fastcands.values import SampledValues

__all__ = ["NCELoss", "NegativeSamplingLoss", "SampledLogisticLoss"]


@dataclass(frozen=True)
class NCELoss(SampledLoss):
    """Noise-contrastive estimation: tell true classes from candidates, which include accidental hits.

    With o = ``inputs @ weights.T + biases``, Q the expected count of a class, c the log_normalizer and
    z = ``o - c - log Q``, T true classes with target 1/T and S candidates with target 0::

        loss[i] = (np.log(1 + np.exp(z_true[i])) - z_true[i] / T).sum() + np.log(1 + np.exp(z_sampled[i])).sum()

    o - c learns log P(class | inputs).

    Parameters
    ----------
    sampler : sampler
        Draws candidates from the table's classes. Its state moves at each call.
    num_sampled : int
        S, candidates a call.
    unique : bool, default True
        Whether a class is drawn at most once a call.
    in_batch : sampler, optional
        Adds the true classes of the whole batch to the candidates. They are corrected by the `probability` that this
        sampler gives them as labels. `num_sampled` may then be 0.
    temperature : float, default 1.0
        What the logits o are divided by, before they are corrected.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied, see `set_matmul_precision`; the setting by default.
    log_normalizer : float or array of shape (B,), default 0.0
        c, the log_normalizer that the model's scores are meant to have.

    Raises
    ------
    TypeError
        If an option is of the wrong type or `sampler` draws nothing.
    ValueError
        If `num_sampled` is below 1, or above the number of classes while `unique`, or another option is not finite.

    References
    ----------
    Gutmann, Hyvarinen: Noise-Contrastive Estimation of Unnormalized Statistical Models. JMLR 13 (2012), section 2.
    Mnih, Teh: A Fast and Simple Algorithm for Training Neural Probabilistic Language Models. ICML 2012, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> rng = np.random.default_rng(0)
    >>> weights, biases = rng.normal(size=(1000, 8)).astype(np.float32), np.zeros(1000, np.float32)
    >>> loss = fc.NCELoss(fc.LogUniformSampler(1000, seed=1), num_sampled=64)
    >>> value, gradients = loss.value_and_grad(weights, biases, [3, 141], rng.normal(size=(2, 8)).astype(np.float32))
    >>> value.shape, gradients.inputs.shape
    ((2,), (2, 8))
    """

    log_normalizer: Any = field(default=0.0, kw_only=True)

    @own_error_state
    def __post_init__(self) -> None:
        super().__post_init__()
        as_log_normalizer(self.log_normalizer)

    def _batch(self, weights: Any, biases: Any, labels: Any, inputs: Any) -> Batch:
        batch = super()._batch(weights, biases, labels, inputs)
        as_log_normalizer(self.log_normalizer, len(batch.inputs))  # before the sampler moves
        return batch

    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        shift = as_log_normalizer(self.log_normalizer, len(batch.inputs))
        return sampled_per_logit(
            batch,
            values,
            LOGISTIC,
            subtract_log_q=True,
            remove_accidental_hits=False,
            log_normalizer=shift,
            upstream=upstream,
        )


@dataclass(frozen=True)
class SampledLogisticLoss(SampledLoss):
    """Logistic loss over the true classes and those candidates that are not true classes of the example.

    With z = ``inputs @ weights.T + biases - log Q``, T true classes with target 1/T and S candidates with target 0::

        loss[i] = (np.log(1 + np.exp(z_true[i])) - z_true[i] / T).sum() + np.log(1 + np.exp(z_sampled[i])).sum()

    The uncorrected logit learns the log-odds of the class.

    Parameters
    ----------
    sampler : sampler
        Draws candidates from the table's classes. Its state moves at each call.
    num_sampled : int
        S, candidates a call.
    unique : bool, default True
        Whether a class is drawn at most once a call.
    in_batch : sampler, optional
        Adds the true classes of the whole batch to the candidates. They are corrected by the `probability` that this
        sampler gives them as labels. `num_sampled` may then be 0.
    temperature : float, default 1.0
        What the logits o are divided by, before they are corrected.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied, see `set_matmul_precision`; the setting by default.

    Raises
    ------
    TypeError
        If an option is of the wrong type or `sampler` draws nothing.
    ValueError
        If `num_sampled` is below 1, or above the number of classes while `unique`, or another option is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> rng = np.random.default_rng(0)
    >>> weights, biases = rng.normal(size=(1000, 8)).astype(np.float32), np.zeros(1000, np.float32)
    >>> loss = fc.SampledLogisticLoss(fc.LogUniformSampler(1000, seed=1), num_sampled=64)
    >>> value, gradients = loss.value_and_grad(weights, biases, [3, 141], rng.normal(size=(2, 8)).astype(np.float32))
    >>> value.shape, gradients.inputs.shape
    ((2,), (2, 8))
    """

    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        return sampled_per_logit(
            batch, values, LOGISTIC, subtract_log_q=True, remove_accidental_hits=True, upstream=upstream
        )


@dataclass(frozen=True)
class NegativeSamplingLoss(SampledLoss):
    """Logistic loss over the true classes and the candidates, not corrected for how these were drawn.

    With z = ``inputs @ weights.T + biases``, T true classes with target 1/T and S candidates with target 0::

        loss[i] = (np.log(1 + np.exp(z_true[i])) - z_true[i] / T).sum() + np.log(1 + np.exp(z_sampled[i])).sum()

    The logit learns log P(class | inputs) - log Q(class): good embeddings, no probabilities.

    Parameters
    ----------
    sampler : sampler
        Draws candidates from the table's classes. Its state moves at each call.
    num_sampled : int
        S, candidates a call.
    unique : bool, default True
        Whether a class is drawn at most once a call.
    in_batch : sampler, optional
        Adds the true classes of the whole batch to the candidates. They are corrected by the `probability` that this
        sampler gives them as labels. `num_sampled` may then be 0.
    temperature : float, default 1.0
        What the logits o are divided by, before they are corrected.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied, see `set_matmul_precision`; the setting by default.

    Raises
    ------
    TypeError
        If an option is of the wrong type or `sampler` draws nothing.
    ValueError
        If `num_sampled` is below 1, or above the number of classes while `unique`, or another option is not finite.

    References
    ----------
    Mikolov et al.: Distributed Representations of Words and Phrases and their Compositionality. NIPS 2013, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> rng = np.random.default_rng(0)
    >>> weights, biases = rng.normal(size=(1000, 8)).astype(np.float32), np.zeros(1000, np.float32)
    >>> loss = fc.NegativeSamplingLoss(fc.LogUniformSampler(1000, seed=1), num_sampled=64)
    >>> value, gradients = loss.value_and_grad(weights, biases, [3, 141], rng.normal(size=(2, 8)).astype(np.float32))
    >>> value.shape, gradients.inputs.shape
    ((2,), (2, 8))
    """

    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        return sampled_per_logit(
            batch, values, LOGISTIC, subtract_log_q=False, remove_accidental_hits=False, upstream=upstream
        )
