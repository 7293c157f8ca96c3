"""The exact softmax loss, for evaluation, with its gradients."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastcands.gradients import Gradients
from fastcands.losses.batch import as_upstream
from fastcands.losses.full_softmax import full_softmax
from fastcands.nn.arguments import checked_batch
from fastcands.validation.error_state import own_error_state

__all__ = ["full_softmax_loss", "full_softmax_loss_and_grad"]


@own_error_state
def full_softmax_loss(
    weights: Any,
    biases: Any,
    labels: ArrayLike,
    inputs: ArrayLike,
    num_true: int = 1,
    partition_strategy: str = "mod",
) -> NDArray[Any]:
    """Compute the exact softmax loss, which TensorFlow's documentation advises for evaluation.

    In NumPy::

        logits = inputs @ weights.T + biases
        loss = np.log(np.exp(logits).sum(1)) - np.take_along_axis(logits, labels, 1).mean(1)

    Parameters
    ----------
    weights : array, shape (V, D), or list of shards
        Class weights: float32, float64, float16 or bfloat16, any strides.
    biases : array, shape (V,), list of shards, or None
        Class biases.
    labels : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, V).
    inputs : float array, shape (B, D)
        What the class weights are multiplied with.
    num_true : int, default 1
        True classes an example; each is a target of 1 / num_true.
    partition_strategy : {'mod', 'div'}, default 'mod'
        How ids are spread over shards.

    Returns
    -------
    array, shape (B,)
        The loss of each example, in the dtype of `inputs`.

    Raises
    ------
    TypeError
        If an array has a dtype that its argument cannot have.
    ValueError
        If shapes or sizes disagree, an id is out of range, or the strategy is unknown.

    Notes
    -----
    Time O(B V D), memory a few MiB beyond the arguments: the logits are never all there.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, inputs = np.zeros((100, 4), np.float32), np.ones((2, 4), np.float32)
    >>> fc.nn.full_softmax_loss(weights, None, [[3], [7]], inputs).round(4)
    array([4.6052, 4.6052], dtype=float32)
    """
    return full_softmax(checked_batch(weights, biases, labels, inputs, None, num_true, partition_strategy), None)[0]


@own_error_state
def full_softmax_loss_and_grad(
    weights: Any,
    biases: Any,
    labels: ArrayLike,
    inputs: ArrayLike,
    num_true: int = 1,
    partition_strategy: str = "mod",
    upstream: ArrayLike | None = None,
) -> tuple[NDArray[Any], Gradients]:
    """Compute the exact softmax loss and the gradients of ``sum(upstream * loss)``.

    With p the softmax of an example's logits, the gradient of a logit is ``upstream (p - target)``.

    Parameters
    ----------
    weights : array, shape (V, D), or list of shards
        Class weights: float32, float64, float16 or bfloat16, any strides.
    biases : array, shape (V,), list of shards, or None
        Class biases.
    labels : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, V).
    inputs : float array, shape (B, D)
        What the class weights are multiplied with.
    num_true : int, default 1
        True classes an example; each is a target of 1 / num_true.
    partition_strategy : {'mod', 'div'}, default 'mod'
        How ids are spread over shards.
    upstream : array, shape (B,), optional
        Weight of each example in the gradients; ones by default.

    Returns
    -------
    loss : array, shape (B,)
        The loss of each example, in the dtype of `inputs`, not multiplied by `upstream`.
    gradients : Gradients
        With respect to inputs, weights and biases; every class has a row.

    Raises
    ------
    TypeError
        If an array has a dtype that its argument cannot have.
    ValueError
        If shapes or sizes disagree, an id is out of range, or the strategy is unknown.

    Notes
    -----
    Time O(B V D), memory a few MiB beyond arguments and results. The same bits for any number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, inputs = np.zeros((4, 2), np.float32), np.ones((1, 2), np.float32)
    >>> loss, gradients = fc.nn.full_softmax_loss_and_grad(weights, None, [[3]], inputs)
    >>> gradients.weights.rows[:, 0]
    array([ 0.25,  0.25,  0.25, -0.75], dtype=float32)
    """
    batch = checked_batch(weights, biases, labels, inputs, None, num_true, partition_strategy)
    loss, gradients = full_softmax(batch, as_upstream(upstream, len(batch.inputs), batch.inputs.dtype))
    assert gradients is not None  # they were asked for
    return loss, gradients
