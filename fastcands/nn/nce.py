"""Noise-contrastive estimation under TensorFlow's name, with its gradients."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastcands.gradients import Gradients
from fastcands.kernels.epilogues.logistic import LOGISTIC
from fastcands.losses.batch import as_upstream
from fastcands.losses.per_logit import sampled_per_logit
from fastcands.nn.arguments import checked_batch, checked_values
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_flag
from fastcands.values import SampledValues

__all__ = ["nce_loss", "nce_loss_and_grad"]


@own_error_state
def nce_loss(
    weights: Any,
    biases: Any,
    labels: ArrayLike,
    inputs: ArrayLike,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: SampledValues | None = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
    seed: int | None = None,
) -> NDArray[Any]:
    """Compute the noise-contrastive estimation loss: ``tf.nn.nce_loss``.

    In NumPy, with ``ids, true_q, sampled_q`` the sampled values and T true classes an example::

        true = (inputs[:, None] * weights[labels]).sum(-1) + biases[labels] - np.log(true_q)
        other = inputs @ weights[ids].T + biases[ids] - np.log(sampled_q)
        if remove_accidental_hits:
            other[(labels[:, :, None] == ids).any(1)] = -np.inf
        loss = np.log(1 + np.exp(true)).sum(1) - true.mean(1) + np.log(1 + np.exp(other)).sum(1)

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
        Candidates S, shared by the examples of the batch.
    num_classes : int
        Classes to sample from; at most V.
    num_true : int, default 1
        True classes an example; each is a target of 1 / num_true.
    sampled_values : SampledValues or tuple of three arrays, optional
        Candidates (S,), expected counts of the true classes (B, num_true) or (B, 1), and of the candidates (S,). By
        default a draw of the log-uniform sampler, without repetition.
    remove_accidental_hits : bool, default False
        Whether candidates that are true classes of an example are left out there, every copy of them. That is the
        sampled logistic loss.
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
        If shapes or sizes disagree, an id is out of range, an expected count is not positive and finite, or the
        strategy is unknown. No sampler has moved then.

    Notes
    -----
    Differences from TensorFlow are listed in `docs/tensorflow.md`: there is a seed, every dtype works, biases may be
    None, `num_sampled` has to agree with `sampled_values`.

    References
    ----------
    Gutmann, Hyvarinen: Noise-Contrastive Estimation of Unnormalized Statistical Models. JMLR 13 (2012), section 2.
    Mnih, Teh: A Fast and Simple Algorithm for Training Neural Probabilistic Language Models. ICML 2012, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, biases = np.zeros((100, 4), np.float32), np.zeros(100, np.float32)
    >>> inputs = np.ones((2, 4), np.float32)
    >>> values = ([5, 9, 7], np.ones((2, 1)), np.ones(3))
    >>> fc.nn.nce_loss(weights, biases, [[3], [7]], inputs, 3, 100, sampled_values=values).round(4)
    array([2.7726, 2.7726], dtype=float32)
    """
    remove = as_flag(remove_accidental_hits, "remove_accidental_hits")
    batch = checked_batch(weights, biases, labels, inputs, num_classes, num_true, partition_strategy)
    values = checked_values(batch, sampled_values, "log_uniform", num_sampled, num_classes, seed)
    return sampled_per_logit(
        batch, values, LOGISTIC, subtract_log_q=True, remove_accidental_hits=remove, upstream=None
    )[0]


@own_error_state
def nce_loss_and_grad(
    weights: Any,
    biases: Any,
    labels: ArrayLike,
    inputs: ArrayLike,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: SampledValues | None = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
    seed: int | None = None,
    upstream: ArrayLike | None = None,
) -> tuple[NDArray[Any], Gradients]:
    """Compute the noise-contrastive estimation loss and the gradients of ``sum(upstream * loss)``.

    With p the sigmoid of a logit and T true classes, the gradient of a true logit is ``upstream (p - 1 / T)``, of a
    candidate's ``upstream p``; the rest is the backward pass of a product.

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
        Candidates S, shared by the examples of the batch.
    num_classes : int
        Classes to sample from; at most V.
    num_true : int, default 1
        True classes an example; each is a target of 1 / num_true.
    sampled_values : SampledValues or tuple of three arrays, optional
        Candidates (S,), expected counts of the true classes (B, num_true) or (B, 1), and of the candidates (S,). By
        default a draw of the log-uniform sampler, without repetition.
    remove_accidental_hits : bool, default False
        Whether candidates that are true classes of an example are left out there, every copy of them. That is the
        sampled logistic loss.
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
        If shapes or sizes disagree, an id is out of range, an expected count is not positive and finite, or the
        strategy is unknown. No sampler has moved then.

    Notes
    -----
    Time O(B (S + num_true) D); B S numbers of scratch. The same bits for any number of threads.

    References
    ----------
    Gutmann, Hyvarinen: Noise-Contrastive Estimation of Unnormalized Statistical Models. JMLR 13 (2012), section 2.
    Mnih, Teh: A Fast and Simple Algorithm for Training Neural Probabilistic Language Models. ICML 2012, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, biases = np.zeros((100, 4), np.float32), np.zeros(100, np.float32)
    >>> inputs = np.ones((2, 4), np.float32)
    >>> values = ([5, 9, 7], np.ones((2, 1)), np.ones(3))
    >>> loss, gradients = fc.nn.nce_loss_and_grad(
    ...     weights, biases, [[3], [7]], inputs, 3, 100, sampled_values=values
    ... )
    >>> gradients.biases.ids, gradients.biases.rows.round(2)
    (array([3, 5, 7, 9]), array([-0.5,  1. ,  0.5,  1. ], dtype=float32))
    """
    remove = as_flag(remove_accidental_hits, "remove_accidental_hits")
    batch = checked_batch(weights, biases, labels, inputs, num_classes, num_true, partition_strategy)
    given = as_upstream(upstream, len(batch.inputs), batch.inputs.dtype)
    values = checked_values(batch, sampled_values, "log_uniform", num_sampled, num_classes, seed)
    loss, gradients = sampled_per_logit(
        batch, values, LOGISTIC, subtract_log_q=True, remove_accidental_hits=remove, upstream=given
    )
    assert gradients is not None  # they were asked for
    return loss, gradients
