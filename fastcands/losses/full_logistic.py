"""The logistic loss over every class: what NCE and sampled logistic losses estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.losses.batch import Batch, no_gradients
from fastcands.losses.bf16_all_classes import exact_classes
from fastcands.losses.interface import ExactLoss, Result

__all__ = ["LogisticLoss", "full_logistic"]


def _targets(batch: Batch) -> NDArray[Any]:
    """Return 1 where a true class stands first in its row, 0 where it is repeated or no class."""
    labels = batch.labels
    repeated = np.tril(labels[:, :, None] == labels[:, None, :], -1)
    if batch.present is not None:
        repeated &= batch.present[:, None, :]
    first = ~repeated.any(axis=2)
    return np.asarray(first if batch.present is None else first & batch.present, batch.inputs.dtype)


def full_logistic(batch: Batch, upstream: NDArray[Any] | None) -> Result:
    """Return the loss of each row and, when `upstream` is given, the gradients."""
    examples = len(batch.inputs)
    if not examples:
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    classes = exact_classes(batch, needs_grad=upstream is not None)
    true_logits, targets = classes.true_logits(), _targets(batch)
    unshifted = classes.per_lane(0.0)
    gradients = None
    if upstream is None:
        losses = classes.sums(logistic=True, shifts=unshifted)[1].astype(np.float64).sum(axis=0)
    else:
        gradients, losses = classes.gradients(
            logistic=True, shifts=unshifted, factors=classes.per_lane(upstream), shares=upstream[:, None] * targets
        )
    with np.errstate(invalid="ignore"):  # NaN and infinite logits give a NaN loss, not a warning
        gain = np.where(targets == 0, 0, true_logits.astype(np.float64)).sum(axis=1)
        return (losses[:examples] - gain).astype(batch.given_dtype), gradients


@dataclass(frozen=True)
class LogisticLoss(ExactLoss):
    """Logistic loss over all classes, without an array of examples x classes.

    With z = ``inputs @ weights.T + biases`` and y 1 for the true classes of a row, 0 for the others::

        loss[i] = (np.log(1 + np.exp(z[i])) - y[i] * z[i]).sum()

    A class that a row names twice counts once.

    Parameters
    ----------
    temperature : float, default 1.0
        What the logits z are divided by.
    ignore_index : int, optional
        A label that stands for no class: it counts for nothing, and a row of them has no loss and no gradient.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied, see `set_matmul_precision`; the setting by default.

    Raises
    ------
    TypeError
        If an option is of the wrong type.
    ValueError
        If `temperature` is not positive and finite.

    Notes
    -----
    Time O(B V D), memory a few MiB beyond inputs and outputs. The gradient of the weights has all V rows. The same
    bits for any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, inputs = np.zeros((50, 4), np.float32), np.ones((2, 4), np.float32)
    >>> value, gradients = fc.LogisticLoss().value_and_grad(weights, None, [3, 7], inputs)
    >>> np.allclose(value, 50 * np.log(2)), gradients.weights.rows[[0, 3], 0].tolist()
    (True, [1.0, 0.0])
    """

    def _evaluate(self, batch: Batch, upstream: NDArray[Any] | None) -> Result:
        return full_logistic(batch, upstream)
