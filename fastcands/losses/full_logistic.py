"""The logistic loss over every class: what NCE and sampled logistic losses estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastcands.kernels.epilogues.logistic import LOGISTIC
from fastcands.losses.batch import Batch
from fastcands.losses.interface import ExactLoss, Result
from fastcands.losses.per_logit import full_per_logit

__all__ = ["LogisticLoss"]


@dataclass(frozen=True)
class LogisticLoss(ExactLoss):
    """Logistic loss over all classes, without an array of examples x classes.

    With z = ``inputs @ weights.T + biases`` and y 1 for the true classes of an example, 0 for the others::

        loss[i] = (np.log(1 + np.exp(z[i])) - y[i] * z[i]).sum()

    A class that is a label of an example twice counts once.

    Parameters
    ----------
    temperature : float, default 1.0
        What the logits z are divided by.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
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
        return full_per_logit(batch, LOGISTIC, upstream)
