"""The exact result of any loss, and for each of its elements the magnitude of what was rounded for it."""

from typing import NamedTuple

import numpy as np

from fastcands import reference


class Exact(NamedTuple):
    """The result in float64, and how large the numbers are that each of its elements is made of.

    Let u be the rounding of a factor of a product. A logit z of size m = |x| @ |w| + |b| + |log q| is known to u m.
    That changes its probability p by p u m, and that of a softmax by p u times the mean of m over p besides. p and
    the target are rounded themselves, so the gradient of a logit is known to u s, where
    s = p + target + p m (+ p mean(m)). An element of a gradient is a sum of products: s |w|, s |x| or s.

    A loss is a sum of logits and of logarithms. Sums over classes go in blocks, and add no more than that. Sums over
    n examples go one after the other: at random, each adds its rounding of what has been summed, sqrt(n) in all.
    """

    truth: reference.Result
    factors: reference.Result
    """What is known to the rounding of the factors."""
    sums: reference.Result
    """What is known to the rounding of float32, or of float64, in which sums are taken."""


class _Logits(NamedTuple):
    """What is said of the classes of each example: all arrays have shape (B, C)."""

    ids: np.ndarray
    targets: np.ndarray
    log_q: np.ndarray
    counted: np.ndarray


def exact(
    problem,
    kind,
    *,
    sampled=True,
    subtract_log_q=True,
    remove_accidental_hits=False,
    temperature=1.0,
    log_normalizer=0.0,
    label_smoothing=0.0,
):
    """Return the exact 'softmax' or 'logistic' loss and its gradients, with the size of every element.

    The candidates are those of the problem, (S,) or (B, S), or all classes if not `sampled`. A label of -1 is none.
    """
    w, x = problem.weights.astype(float), problem.inputs.astype(float)
    b = np.zeros(len(w)) if problem.biases is None else problem.biases.astype(float)
    if sampled:
        logits = _of_candidates(problem, subtract_log_q, remove_accidental_hits)
    else:
        logits = _of_all_classes(problem, kind)
    ids, targets, counted = logits.ids, logits.targets, logits.counted
    if label_smoothing:
        share = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
        targets = (1 - label_smoothing) * targets + label_smoothing * share
    z = np.take_along_axis((x @ w.T + b) / temperature, ids, 1) - logits.log_q - log_normalizer
    m = np.take_along_axis((np.abs(x) @ np.abs(w).T + np.abs(b)) / temperature, ids, 1)
    m += np.abs(logits.log_q) + abs(log_normalizer)
    loss, loss_size, p, spread = (_softmax if kind == "softmax" else _logistic)(z, m, targets, counted)
    has_class = (problem.labels >= 0).any(axis=1)  # no loss otherwise
    weight = has_class[:, None] * counted * np.asarray(problem.upstream, float)[:, None] / temperature
    size = np.abs(weight)

    def carried(loss, d_logits, w, x):
        d = _by_class(ids, d_logits, len(w))
        return reference.Result(loss * has_class, d @ w, d.T @ x, d.sum(axis=0))

    return Exact(
        carried(loss, weight * (p - targets), w, x),
        carried(loss_size, size * (p + targets + spread), np.abs(w), np.abs(x)),
        carried(0 * loss, size * (p + targets) * np.sqrt(len(x)), 0 * w, np.abs(x)),
    )


def _of_candidates(problem, subtract_log_q, remove_accidental_hits):
    labels, present = np.maximum(problem.labels, 0), problem.labels >= 0
    ids, true_counts, counts = (np.asarray(part) for part in problem.values)
    ids, counts = (np.broadcast_to(part, (len(labels), ids.shape[-1])) for part in (ids, counts))
    hits = (ids[:, :, None] == np.where(present, labels, -1)[:, None, :]).any(axis=2) & remove_accidental_hits
    log_q = np.log(np.hstack([np.broadcast_to(true_counts, labels.shape), counts]).astype(float)) * subtract_log_q
    targets = np.hstack([present / np.maximum(present.sum(axis=1, keepdims=True), 1), np.zeros(ids.shape)])
    return _Logits(np.hstack([labels, ids]), targets, log_q, np.hstack([present, ~hits]))


def _of_all_classes(problem, kind):
    present, shape = problem.labels >= 0, (len(problem.labels), len(problem.weights))
    named = _by_class(np.maximum(problem.labels, 0), present.astype(float), shape[1])
    targets = named / np.maximum(present.sum(axis=1, keepdims=True), 1) if kind == "softmax" else np.minimum(named, 1)
    return _Logits(np.broadcast_to(np.arange(shape[1]), shape), targets, np.zeros(shape), np.ones(shape, bool))


def _softmax(z, m, targets, counted):
    """Return loss and its size, (B,), probabilities, and what the error of the logits adds to theirs, (B, C)."""
    z = np.where(counted, z, -np.inf)
    top = z.max(axis=1, keepdims=True, initial=np.finfo(float).min)
    p = np.exp(z - top)
    total = np.maximum(p.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    p /= total
    mean = (p * m).sum(axis=1, keepdims=True)
    aside = (targets * np.where(counted, z, 0)).sum(axis=1)
    loss = (top + np.log(total))[:, 0] * targets.sum(axis=1) - aside
    return loss, mean[:, 0] + (targets * m).sum(axis=1) + 1, p, p * (m + mean)


def _logistic(z, m, targets, counted):
    """Return what `_softmax` returns."""
    decay = np.exp(-np.abs(z))
    p = np.where(z >= 0, 1, decay) / (1 + decay)
    terms = np.maximum(z, 0) - z * targets + np.log1p(decay)
    sizes = np.maximum(z, 0) + np.abs(z) * targets + np.log1p(decay) + np.abs(p - targets) * m
    loss, size = ((part * counted).sum(axis=1) for part in (terms, sizes))
    return loss, size, p, p * (1 - p) * m


def _by_class(ids, values, num_classes):
    """Return the sum of an example's values for each class, (B, V)."""
    batch = len(ids)
    places = np.arange(batch)[:, None] * num_classes + ids
    return np.bincount(places.ravel(), values.ravel(), batch * num_classes).reshape(batch, num_classes)
