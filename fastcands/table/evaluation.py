"""Exact top classes and exact quality of a table, a batch of examples at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.table.blocking import panel_width
from fastcands.table.results import Evaluation, TopK
from fastcands.table.scores import Scores
from fastcands.threads import get_num_threads
from fastcands.validation.ids import as_ignore_index
from fastcands.validation.labels import as_labels_and_present
from fastcands.validation.numbers import as_size

__all__ = ["evaluate", "top_classes_of"]

_EXAMPLES_AT_ONCE = 1024
_FOUND_BYTES = 64 << 20
"""Largest size of all workers' best classes, in bytes."""


def top_classes_of(weights: NDArray[Any], biases: NDArray[Any] | None, inputs: Any, k: Any) -> TopK:
    """Return the k best classes of each example; see `ClassTable.topk`."""
    wanted = as_size(k, "k")
    if wanted > len(weights):
        raise ValueError(f"k must be at most the {len(weights)} classes, got {wanted}")
    scores = Scores(weights, biases, inputs)
    count = len(scores.inputs)
    result = TopK(np.empty((count, wanted), np.int64), np.empty((count, wanted), scores.dtype))
    each = get_num_threads() * wanted * (8 + scores.dtype.itemsize)
    nr = panel_width(scores.dtype)
    at_once = min(_EXAMPLES_AT_ONCE, max(1, _FOUND_BYTES // each))
    if at_once > nr:
        at_once -= at_once % nr
    for start in range(0, count, at_once):
        examples = slice(start, start + at_once)
        scores.top(examples, result.ids[examples], result.scores[examples])
    return result


def _as_ks(k: Any) -> list[int]:
    if isinstance(k, str) or not isinstance(k, Iterable) or np.ndim(k) == 0:  # type: ignore[arg-type]
        return [as_size(k, "k")]
    return [as_size(value, f"k[{i}]") for i, value in enumerate(k)]


def evaluate(
    weights: NDArray[Any],
    biases: NDArray[Any] | None,
    labels: Any,
    inputs: Any,
    k: Any,
    batch_size: Any,
    ignore_index: int | None,
) -> Evaluation:
    """Return loss, hits and ranks; see `ClassTable.evaluate`."""
    ks, at_once, ignore_index = _as_ks(k), as_size(batch_size, "batch_size"), as_ignore_index(ignore_index)
    classes, present = as_labels_and_present(labels, ignore_index=ignore_index, num_classes=len(weights))
    scores = Scores(weights, biases, inputs, len(classes))
    if present is not None:
        classes = np.where(present, classes, -1)
    counted = np.asarray((classes >= 0).any(axis=1))
    if not counted.any():
        raise ValueError("labels must have at least one example with a class: the mean of none is undefined")
    total, ranks = 0.0, []
    for start in range(0, len(classes), at_once):
        examples, here = slice(start, start + at_once), counted[start : start + at_once]
        if here.any():
            part = scores.losses_and_ranks(examples, classes[examples], with_ranks=bool(ks))
            total += float(part.losses[here].sum())
            ranks.append(part.ranks[here])
    mean = total / int(counted.sum())
    with np.errstate(over="ignore"):  # a loss above 709 nats has an infinite perplexity in float64
        perplexity = float(np.exp(mean))
    if not ks:
        return Evaluation(mean, perplexity, {}, None, None)
    rank = np.concatenate(ranks)
    hits = {value: float((rank <= value).mean()) for value in ks}
    return Evaluation(mean, perplexity, hits, float(rank.mean()), float((1 / rank).mean()))
