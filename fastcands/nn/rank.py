"""Sampled softmax over resampled candidates (TAPAS) under TensorFlow 1's name, with its gradients."""

from __future__ import annotations

import operator
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastcands.gradients import Gradients
from fastcands.losses.batch import as_upstream
from fastcands.losses.rank import rank_sampled_softmax
from fastcands.nn.arguments import checked_batch, checked_values
from fastcands.validation.error_state import own_error_state
from fastcands.validation.losses import as_num_resampled
from fastcands.validation.numbers import as_flag, as_size, as_temperature
from fastcands.values import SampledValues

__all__ = ["rank_sampled_softmax_loss", "rank_sampled_softmax_loss_and_grad"]


def _checked_resampled(num_sampled: int, num_resampled: int, num_classes: int) -> int:
    """Return how many candidates are kept, when all sizes make sense."""
    sampled, classes = as_size(num_sampled, "num_sampled"), as_size(num_classes, "num_classes")
    if sampled > classes:
        raise ValueError(f"num_sampled ({sampled}) must be at most num_classes ({classes})")
    as_num_resampled(num_resampled, sampled)
    return operator.index(num_resampled)


@own_error_state
def rank_sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: ArrayLike,
    inputs: ArrayLike,
    num_sampled: int,
    num_resampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: SampledValues | None = None,
    resampling_temperature: float = 1.0,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "rank_sampled_softmax_loss",
    seed: int | None = None,
) -> NDArray[Any]:
    """Compute the sampled softmax loss over resampled candidates: ``tf.contrib.nn.rank_sampled_softmax_loss``.

    In NumPy, with ``ids, true_q, sampled_q`` the sampled values and t the temperature::

        score = np.log(np.exp((inputs @ weights[ids].T + biases[ids]) / t).sum(0))
        kept = np.sort(np.argsort(-score, kind="stable")[:num_resampled])
        values = ids[kept], true_q, sampled_q[kept]
        loss = sampled_softmax_loss(..., num_resampled, ..., sampled_values=values)

    The scores are of the batch as a whole, and of the model's logits as they are: expected counts and hits come in
    afterwards. Of equal scores the one at the lower position is kept.

    Parameters
    ----------
    weights : array, shape (V, D), or list of shards
        Class weights: float32, float64, float16 or bfloat16, any strides, never copied as a whole.
    biases : array, shape (V,), list of shards, or None
        Class biases.
    labels : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, num_classes).
    inputs : float array, shape (B, D)
        What the class weights are multiplied with.
    num_sampled : int
        Candidates S of the first pass, shared by the examples of the batch; at most `num_classes`.
    num_resampled : int
        Candidates that are kept; fewer than `num_sampled`.
    num_classes : int
        Classes to sample from; at most V.
    num_true : int, default 1
        True classes an example; each is a target of 1 / num_true.
    sampled_values : SampledValues or tuple of three arrays, optional
        Candidates (S,), expected counts of the true classes (B, num_true) or (B, 1), and of the candidates (S,). By
        default a draw of the learned unigram sampler, without repetition, which learns from `labels` then.
    resampling_temperature : float, default 1.0
        What logits are divided by before they are summed up to scores.
    remove_accidental_hits : bool, default True
        Whether kept candidates that are true classes of an example are left out there, every copy of them. They are not
        left out of the first pass.
    partition_strategy : {'mod', 'div'}, default 'mod'
        How ids are spread over shards.
    name : str, optional
        Not used.
    seed : int, optional
        Seed of the default sampler; successive calls go on in its stream. None is random.

    Returns
    -------
    array, shape (B,)
        The loss of each example, in the dtype of `inputs`.

    Raises
    ------
    TypeError
        If an array has a dtype that its argument cannot have; swapped labels and inputs are named as such.
    ValueError
        If `num_sampled` is above `num_classes`, `num_resampled` not below `num_sampled`, or the strategy unknown,
        checked in this order; then if shapes disagree, an id is out of range, or a number that has to be positive and
        finite is not. No sampler has moved then.

    Notes
    -----
    Differences from TensorFlow are listed in `docs/tensorflow.md`: arguments have defaults, there is a seed, every
    dtype works, biases may be None, `num_sampled` has to agree with `sampled_values`, the temperature must be positive.

    References
    ----------
    Bai, Goldman, Zhang: TAPAS: Two-pass Approximate Adaptive Sampling for Softmax. arXiv 1707.03073 (2017).

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, biases = np.zeros((100, 4), np.float32), np.zeros(100, np.float32)
    >>> biases[5], inputs = -1, np.ones((2, 4), np.float32)
    >>> values = ([5, 9, 7], np.ones((2, 1)), np.ones(3))
    >>> fc.nn.rank_sampled_softmax_loss(
    ...     weights, biases, [[3], [7]], inputs, 3, 2, 100, sampled_values=values
    ... ).round(4)
    array([1.0986, 0.6931], dtype=float32)
    """
    num_resampled = _checked_resampled(num_sampled, num_resampled, num_classes)
    batch = checked_batch(weights, biases, labels, inputs, num_classes, num_true, partition_strategy)
    temperature = as_temperature(resampling_temperature, "resampling_temperature")
    remove = as_flag(remove_accidental_hits, "remove_accidental_hits")
    values = checked_values(batch, sampled_values, "learned_unigram", num_sampled, num_classes, seed)
    return rank_sampled_softmax(
        batch, values, num_resampled, temperature=temperature, remove_accidental_hits=remove, upstream=None
    )[0]


@own_error_state
def rank_sampled_softmax_loss_and_grad(
    weights: Any,
    biases: Any,
    labels: ArrayLike,
    inputs: ArrayLike,
    num_sampled: int,
    num_resampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: SampledValues | None = None,
    resampling_temperature: float = 1.0,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "rank_sampled_softmax_loss",
    seed: int | None = None,
    upstream: ArrayLike | None = None,
) -> tuple[NDArray[Any], Gradients]:
    """Compute the sampled softmax loss over resampled candidates and the gradients of ``sum(upstream * loss)``.

    They are those of `sampled_softmax_loss` over the kept candidates: no gradient goes through the choice.

    Parameters
    ----------
    weights : array, shape (V, D), or list of shards
        Class weights: float32, float64, float16 or bfloat16, any strides, never copied as a whole.
    biases : array, shape (V,), list of shards, or None
        Class biases.
    labels : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, num_classes).
    inputs : float array, shape (B, D)
        What the class weights are multiplied with.
    num_sampled : int
        Candidates S of the first pass, shared by the examples of the batch; at most `num_classes`.
    num_resampled : int
        Candidates that are kept; fewer than `num_sampled`.
    num_classes : int
        Classes to sample from; at most V.
    num_true : int, default 1
        True classes an example; each is a target of 1 / num_true.
    sampled_values : SampledValues or tuple of three arrays, optional
        Candidates (S,), expected counts of the true classes (B, num_true) or (B, 1), and of the candidates (S,). By
        default a draw of the learned unigram sampler, without repetition, which learns from `labels` then.
    resampling_temperature : float, default 1.0
        What logits are divided by before they are summed up to scores.
    remove_accidental_hits : bool, default True
        Whether kept candidates that are true classes of an example are left out there, every copy of them. They are not
        left out of the first pass.
    partition_strategy : {'mod', 'div'}, default 'mod'
        How ids are spread over shards.
    name : str, optional
        Not used.
    seed : int, optional
        Seed of the default sampler; successive calls go on in its stream. None is random.
    upstream : array, shape (B,), optional
        Weight of each example in the gradients; ones by default.

    Returns
    -------
    loss : array, shape (B,)
        The loss of each example, in the dtype of `inputs`, not multiplied by `upstream`.
    gradients : Gradients
        With respect to inputs, and to the rows of weights and biases that were used: each row once, sorted by id, one
        list entry a shard where the table came as a list.

    Raises
    ------
    TypeError
        If an array has a dtype that its argument cannot have; swapped labels and inputs are named as such.
    ValueError
        If `num_sampled` is above `num_classes`, `num_resampled` not below `num_sampled`, or the strategy unknown,
        checked in this order; then if shapes disagree, an id is out of range, or a number that has to be positive and
        finite is not. No sampler has moved then.

    Notes
    -----
    Time O(B (S + num_true) D); S D + B num_resampled numbers of scratch. The same bits for any number of threads.

    References
    ----------
    Bai, Goldman, Zhang: TAPAS: Two-pass Approximate Adaptive Sampling for Softmax. arXiv 1707.03073 (2017).

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, biases = np.zeros((100, 4), np.float32), np.zeros(100, np.float32)
    >>> biases[5], inputs = -1, np.ones((2, 4), np.float32)
    >>> values = ([5, 9, 7], np.ones((2, 1)), np.ones(3))
    >>> loss, gradients = fc.nn.rank_sampled_softmax_loss_and_grad(
    ...     weights, biases, [[3], [7]], inputs, 3, 2, 100, sampled_values=values
    ... )
    >>> gradients.biases.ids, gradients.biases.rows.round(2)
    (array([3, 7, 9]), array([-0.67, -0.17,  0.83], dtype=float32))
    """
    num_resampled = _checked_resampled(num_sampled, num_resampled, num_classes)
    batch = checked_batch(weights, biases, labels, inputs, num_classes, num_true, partition_strategy)
    temperature = as_temperature(resampling_temperature, "resampling_temperature")
    remove = as_flag(remove_accidental_hits, "remove_accidental_hits")
    given = as_upstream(upstream, len(batch.inputs), batch.inputs.dtype)
    values = checked_values(batch, sampled_values, "learned_unigram", num_sampled, num_classes, seed)
    loss, gradients = rank_sampled_softmax(
        batch, values, num_resampled, temperature=temperature, remove_accidental_hits=remove, upstream=given
    )
    assert gradients is not None  # they were asked for
    return loss, gradients
