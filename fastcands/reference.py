"""The oracle: every sampled and exact loss in plain NumPy, slow and obvious.

Each function follows its formula step by step with whole B x (T + S) or B x V arrays, in float64 unless asked
otherwise, and shares no code with the rest of the library. Tests, benchmarks and the documentation compare
with it. With ``dtype=np.float32`` it is the plain float32 NumPy program whose rounding error a kernel must
not exceed.

Arguments are trusted here; the library's own functions check theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "Hits",
    "Result",
    "accidental_hits",
    "expected_count",
    "from_shards",
    "full_sigmoid",
    "full_softmax",
    "locate",
    "log_uniform_probability",
    "rank_sampled_softmax",
    "resample",
    "sampled_logistic",
    "sampled_logits",
    "sampled_softmax",
    "to_shards",
    "uniform_probability",
]

# candidates (S,), expected counts of the true classes (B, T), expected counts of the candidates (S,)
Triple = tuple[ArrayLike, ArrayLike, ArrayLike]


class Hits(NamedTuple):
    """Accidental hits as triples: row of the labels, position of the candidate, lowest float32."""

    indices: NDArray[np.int32]
    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


class Result(NamedTuple):
    """A loss (B,) and the gradients of ``sum(upstream * loss)``, dense in the classes."""

    loss: NDArray[Any]
    d_inputs: NDArray[Any]
    d_weights: NDArray[Any]
    d_biases: NDArray[Any]


def uniform_probability(ids: ArrayLike, num_classes: int) -> NDArray[np.float64]:
    """Return ``1 / num_classes`` for each id."""
    return np.full(np.shape(ids), 1.0 / num_classes)


def log_uniform_probability(ids: ArrayLike, num_classes: int) -> NDArray[np.float64]:
    """Return ``log((k + 2) / (k + 1)) / log(num_classes + 1)`` for each id k."""
    k = np.asarray(ids, np.float64)
    return np.asarray(np.log1p(1.0 / (k + 1.0)) / np.log1p(num_classes))


def expected_count(probability: ArrayLike, num_sampled: int, num_tries: int) -> NDArray[np.float64]:
    """Return how often a class of the given probability is expected in a draw that took `num_tries` tries.

    ``p * num_sampled`` if no try was rejected, else the probability ``1 - (1 - p)**num_tries`` of being seen.
    """
    p = np.asarray(probability, np.float64)
    if num_tries == num_sampled:
        return p * num_sampled
    with np.errstate(divide="ignore"):  # p = 1: log1p(-1) = -inf, the count is 1
        return np.asarray(-np.expm1(num_tries * np.log1p(-p)))


def accidental_hits(labels: ArrayLike, sampled: ArrayLike) -> Hits:
    """Return every pair of a true class and an equal candidate, each copy of a repeated candidate included.

    Row-major over the labels, ascending position within a label.
    """
    labels_ = _as_labels(labels)
    row, _, position = np.nonzero(labels_[:, :, None] == np.asarray(sampled)[None, None, :])
    weights = np.full(len(row), np.finfo(np.float32).min, np.float32)
    return Hits(row.astype(np.int32), position.astype(np.int64), weights)


def locate(ids: ArrayLike, num_rows: int, num_shards: int, strategy: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each id's shard, and its row there, for a table of `num_rows` rows in `num_shards` shards.

    'mod': id ``i`` is row ``i // num_shards`` of shard ``i % num_shards``. 'div': consecutive ids, the first
    ``num_rows % num_shards`` shards one row longer than the others.
    """
    ids_ = np.asarray(ids, np.int64)
    if strategy == "mod":
        return ids_ % num_shards, ids_ // num_shards
    if strategy != "div":
        raise ValueError(f"strategy must be 'mod' or 'div', got {strategy!r}")
    sizes = [num_rows // num_shards + (shard < num_rows % num_shards) for shard in range(num_shards)]
    first = np.cumsum([0, *sizes])
    shard = np.searchsorted(first, ids_, side="right") - 1
    return shard, ids_ - first[shard]


def to_shards(table: ArrayLike, num_shards: int, strategy: str) -> list[NDArray[Any]]:
    """Cut a dense table into shards."""
    table_ = np.asarray(table)
    shard, _ = locate(np.arange(len(table_)), len(table_), num_shards, strategy)
    return [table_[shard == s] for s in range(num_shards)]


def from_shards(shards: Sequence[ArrayLike], strategy: str) -> NDArray[Any]:
    """Put shards together to the dense table, which the losses below take."""
    parts = [np.asarray(part) for part in shards]
    num_rows = sum(len(part) for part in parts)
    shard, row = locate(np.arange(num_rows), num_rows, len(parts), strategy)
    return np.stack([parts[s][r] for s, r in zip(shard, row, strict=True)])


def sampled_logits(
    weights: ArrayLike,
    biases: ArrayLike | None,
    labels: ArrayLike,
    inputs: ArrayLike,
    sampled_values: Triple,
    *,
    subtract_log_q: bool = True,
    remove_accidental_hits: bool = False,
    dtype: DTypeLike = np.float64,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the corrected logits (B, T + S), true classes first, and their targets.

    ``logit[i, j] = inputs[i] @ weights[c] + biases[c] - log(expected_count[c])`` for the class c of column j.
    A hit gets -inf. The targets are 1 / T for the true columns and 0 for the sampled ones.
    """
    w, b, y, x = _arrays(weights, biases, labels, inputs, dtype)
    sampled, true_count, sampled_count = (np.asarray(part) for part in sampled_values)
    true_logits = np.einsum("id,itd->it", x, w[y]) + b[y]
    other_logits = x @ w[sampled].T + b[sampled]
    if subtract_log_q:
        true_logits = true_logits - np.log(true_count.astype(dtype))
        other_logits = other_logits - np.log(sampled_count.astype(dtype))
    if remove_accidental_hits:
        hits = accidental_hits(y, sampled)
        other_logits[hits.indices, hits.ids] = -np.inf
    logits = np.concatenate([true_logits, other_logits], axis=1)
    targets = np.zeros_like(logits)
    targets[:, : y.shape[1]] = 1.0 / y.shape[1]
    return logits, targets


def sampled_softmax(
    weights: ArrayLike,
    biases: ArrayLike | None,
    labels: ArrayLike,
    inputs: ArrayLike,
    sampled_values: Triple,
    *,
    subtract_log_q: bool = True,
    remove_accidental_hits: bool = True,
    upstream: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> Result:
    """Return softmax cross-entropy over the true classes and the candidates, and its gradients.

    ``loss[i] = logsumexp(logit[i]) - sum(target[i] * logit[i])`` over the columns of `sampled_logits`.
    """
    tables = weights, biases, labels, inputs
    options = subtract_log_q, remove_accidental_hits
    return _sampled(_softmax_cross_entropy, tables, sampled_values, options, upstream, dtype)


def sampled_logistic(
    weights: ArrayLike,
    biases: ArrayLike | None,
    labels: ArrayLike,
    inputs: ArrayLike,
    sampled_values: Triple,
    *,
    subtract_log_q: bool = True,
    remove_accidental_hits: bool = False,
    upstream: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> Result:
    """Return the sum of binary cross-entropies over the true classes and the candidates, and its gradients.

    By default noise contrastive estimation; without hits the sampled logistic loss; without log Q negative
    sampling. ``loss[i] = sum(max(z, 0) - z * target + log1p(exp(-abs(z))))`` over the columns z of row i.
    """
    tables = weights, biases, labels, inputs
    options = subtract_log_q, remove_accidental_hits
    return _sampled(_binary_cross_entropy, tables, sampled_values, options, upstream, dtype)


def resample(
    weights: ArrayLike,
    biases: ArrayLike | None,
    inputs: ArrayLike,
    sampled: ArrayLike,
    num_resampled: int,
    *,
    temperature: float = 1.0,
    dtype: DTypeLike = np.float64,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the positions, ascending, of the candidates that score highest, and every candidate's score.

    ``score[k] = logsumexp over rows i of (inputs[i] @ weights[c] + biases[c]) / temperature`` for candidate
    c. Of equal scores the lower position wins.
    """
    w, b, c, x = _arrays(weights, biases, sampled, inputs, dtype)
    tau = np.asarray(temperature, dtype)
    logits = w[c[:, 0]] @ (x / tau).T  # (S, B)
    top = logits.max(axis=1, initial=np.finfo(dtype).min)
    with np.errstate(divide="ignore"):  # no rows: every score is log(0)
        scores = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) + b[c[:, 0]] / tau
    return np.sort(np.argsort(-scores, kind="stable")[:num_resampled]), scores


def rank_sampled_softmax(
    weights: ArrayLike,
    biases: ArrayLike | None,
    labels: ArrayLike,
    inputs: ArrayLike,
    sampled_values: Triple,
    num_resampled: int,
    *,
    temperature: float = 1.0,
    remove_accidental_hits: bool = True,
    upstream: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> Result:
    """Return the sampled softmax over the `num_resampled` candidates of highest score, and its gradients."""
    sampled, true_count, sampled_count = (np.asarray(part) for part in sampled_values)
    kept, _ = resample(weights, biases, inputs, sampled, num_resampled, temperature=temperature, dtype=dtype)
    tables = weights, biases, labels, inputs
    resampled_values = sampled[kept], true_count, sampled_count[kept]
    options = True, remove_accidental_hits
    return _sampled(_softmax_cross_entropy, tables, resampled_values, options, upstream, dtype)


def full_softmax(
    weights: ArrayLike,
    biases: ArrayLike | None,
    labels: ArrayLike,
    inputs: ArrayLike,
    *,
    upstream: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> Result:
    """Return softmax cross-entropy over all classes, target 1 / T for each of the T true classes of a row."""
    w, b, y, x = _arrays(weights, biases, labels, inputs, dtype)
    targets = np.zeros((len(x), len(w)), dtype)
    np.add.at(targets, (np.arange(len(y))[:, None], y), np.asarray(1.0 / y.shape[1], dtype))
    loss, d_logits = _softmax_cross_entropy(x @ w.T + b, targets)
    d_logits = _scaled(d_logits, upstream)
    return Result(loss, d_logits @ w, d_logits.T @ x, d_logits.sum(axis=0))


def full_sigmoid(
    weights: ArrayLike,
    biases: ArrayLike | None,
    labels: ArrayLike,
    inputs: ArrayLike,
    *,
    upstream: ArrayLike | None = None,
    dtype: DTypeLike = np.float64,
) -> Result:
    """Return the sum of binary cross-entropies over all classes, target 1 for every true class of a row."""
    w, b, y, x = _arrays(weights, biases, labels, inputs, dtype)
    targets = np.zeros((len(x), len(w)), dtype)
    targets[np.arange(len(y))[:, None], y] = 1.0
    loss, d_logits = _binary_cross_entropy(x @ w.T + b, targets)
    d_logits = _scaled(d_logits, upstream)
    return Result(loss, d_logits @ w, d_logits.T @ x, d_logits.sum(axis=0))


def _as_labels(labels: ArrayLike) -> NDArray[np.int64]:
    ids = np.asarray(labels, np.int64)
    return ids[:, None] if ids.ndim == 1 else ids


def _arrays(
    weights: ArrayLike, biases: ArrayLike | None, labels: ArrayLike, inputs: ArrayLike, dtype: DTypeLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64], NDArray[Any]]:
    w = np.asarray(weights).astype(dtype)
    b = np.zeros(len(w), dtype) if biases is None else np.asarray(biases).astype(dtype)
    return w, b, _as_labels(labels), np.asarray(inputs).astype(dtype)


def _softmax_cross_entropy(logits: NDArray[Any], targets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return ``-sum(target * log softmax(logit))`` by row, and ``softmax(logit) - target``."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    log_probability = shifted - np.log(total)
    loss = -(targets * np.where(targets == 0, 0, log_probability)).sum(axis=1)  # a hit's logarithm is -inf
    return loss, np.exp(shifted) / total - targets


def _binary_cross_entropy(logits: NDArray[Any], targets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the sum by row of binary cross-entropies, and ``sigmoid(logit) - target``."""
    decay = np.exp(-np.abs(logits))
    linear = targets * np.where(targets == 0, 0, logits)  # a hit's logit is -inf
    loss = (np.maximum(logits, 0) - linear + np.log1p(decay)).sum(axis=1)
    return loss, np.where(logits >= 0, 1, decay) / (1 + decay) - targets


def _scaled(d_logits: NDArray[Any], upstream: ArrayLike | None) -> NDArray[Any]:
    return d_logits if upstream is None else d_logits * np.asarray(upstream).astype(d_logits.dtype)[:, None]


def _sampled(
    entropy: Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]],
    tables: tuple[ArrayLike, ArrayLike | None, ArrayLike, ArrayLike],
    sampled_values: Triple,
    options: tuple[bool, bool],
    upstream: ArrayLike | None,
    dtype: DTypeLike,
) -> Result:
    """Compute logits, loss and d_logits (B, T + S), and carry them back to inputs, weights and biases."""
    logits, targets = sampled_logits(
        *tables, sampled_values, subtract_log_q=options[0], remove_accidental_hits=options[1], dtype=dtype
    )
    loss, d_logits = entropy(logits, targets)
    d_logits = _scaled(d_logits, upstream)
    w, _, y, x = _arrays(*tables, dtype)
    sampled = np.asarray(sampled_values[0], np.int64)
    d_true, d_sampled = d_logits[:, : y.shape[1]], d_logits[:, y.shape[1] :]
    d_inputs = np.einsum("it,itd->id", d_true, w[y]) + d_sampled @ w[sampled]
    d_weights, d_biases = np.zeros_like(w), np.zeros(len(w), dtype)
    np.add.at(d_weights, y, d_true[:, :, None] * x[:, None, :])
    np.add.at(d_weights, sampled, d_sampled.T @ x)
    np.add.at(d_biases, y, d_true)
    np.add.at(d_biases, sampled, d_sampled.sum(axis=0))
    return Result(loss, d_inputs, d_weights, d_biases)
