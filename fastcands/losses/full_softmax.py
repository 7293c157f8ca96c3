"""Softmax cross-entropy over all classes: what sampled softmax estimates, and the usual measure of models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.losses.batch import Batch, no_gradients
from fastcands.losses.exact_classes import exact_classes
from fastcands.losses.interface import ExactLoss, Result
from fastcands.losses.sampled_step import Spread
from fastcands.losses.smoothing import table_sums
from fastcands.validation.numbers import as_fraction

__all__ = ["SoftmaxLoss", "full_softmax"]


def full_softmax(batch: Batch, upstream: NDArray[Any] | None, label_smoothing: float = 0.0) -> Result:
    """Return the loss of each example and, when `upstream` is given, the gradients."""
    examples = len(batch.inputs)
    if not examples:
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    classes = exact_classes(batch, SOFTMAX, needs_grad=upstream is not None)
    true_logits, targets = classes.true_logits(), batch.targets
    chunk_max, chunk_sum = classes.sums(classes.padded(0.0))
    highest = chunk_max.max(axis=0)
    with np.errstate(invalid="ignore"):  # NaN and infinite logits give a NaN loss, not a warning
        sums = (chunk_sum * np.exp(chunk_max.astype(np.float64) - highest)).sum(axis=0)
        excess = np.where(targets == 0, 0, true_logits.astype(np.float64) - highest[:examples, None])
        loss = np.log(sums[:examples]) - (1 - label_smoothing) * (targets * excess).sum(axis=1)
    if label_smoothing:
        row_sum, bias_sum = table_sums(batch)
        mean = (batch.inputs @ row_sum + bias_sum) / batch.weights.total
        loss -= label_smoothing * (mean - highest[:examples])
    loss = loss.astype(batch.given_dtype)
    if upstream is None:
        return loss, None
    factors = classes.padded(upstream / sums[:examples])
    shares = np.asarray(upstream[:, None] * targets * (1 - label_smoothing), upstream.dtype)
    spread = None
    if label_smoothing:
        even = np.asarray(upstream * (label_smoothing / batch.weights.total), upstream.dtype)
        spread = Spread(even, row_sum.astype(upstream.dtype))
    return loss, classes.gradients(shifts=highest, factors=factors, shares=shares, spread=spread)[0]


@dataclass(frozen=True)
class SoftmaxLoss(ExactLoss):
    """Softmax cross-entropy over all classes, without an array of examples x classes.

    With z = ``inputs @ weights.T + biases`` and T true classes for each example::

        loss[i] = logsumexp(z[i]) - z[i, labels[i]].mean()

    that is, cross-entropy against targets of 1/T for each true class.

    Parameters
    ----------
    temperature : float, default 1.0
        What the logits z are divided by.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied, see `set_matmul_precision`; the setting by default.
    label_smoothing : float, default 0.0
        Share of an example's target, in [0, 1), that is divided equally among all V classes.

    Raises
    ------
    TypeError
        If an option is of the wrong type.
    ValueError
        If `label_smoothing` is outside [0, 1) or `temperature` is not positive and finite.

    Notes
    -----
    Time O(B V D), memory a few MiB beyond inputs and outputs. The gradient of the weights has all V rows. The same
    bits for any number of threads.

    References
    ----------
    Wijmans et al.: Cut Your Losses in Large-Vocabulary Language Models. ICLR 2025, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, inputs = np.zeros((50, 4), np.float32), np.ones((2, 4), np.float32)
    >>> value, gradients = fc.SoftmaxLoss().value_and_grad(weights, None, [3, 7], inputs)
    >>> np.allclose(value, np.log(50)), gradients.weights.rows.shape
    (True, (50, 4))
    """

    label_smoothing: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        as_fraction(self.label_smoothing, "label_smoothing")

    def _evaluate(self, batch: Batch, upstream: NDArray[Any] | None) -> Result:
        return full_softmax(batch, upstream, self.label_smoothing)
