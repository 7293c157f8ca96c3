"""Which rows a sampled loss touches, each once, and where its gradients go."""

from __future__ import annotations

import math
from typing import Any

from fastcands.jit import kernel

__all__ = ["plan_candidates"]


@kernel
def plan_candidates(
    sampled: Any,
    order: Any,
    log_counts: Any,
    labels: Any,
    label_order: Any,
    classes: Any,
    log_weights: Any,
    class_rows: Any,
    label_positions: Any,
    label_starts: Any,
    label_rows: Any,
    ids: Any,
) -> tuple[int, int, int]:
    """Merge the sorted candidates with the sorted labels.

    Copies of a candidate are one class: with e^(o - log Q_k) for each copy k, their share of the normaliser is
    e^o sum_k 1 / Q_k, so the class gets the log weight log sum_k 1 / Q_k in place of -log Q.

    IN
        sampled : (S,) int64, candidates
        order : (S,) int64, ``argsort(sampled)``
        log_counts : (S,) float64, log Q of each candidate
        labels : (N,) int64, the true classes of all rows, row by row
        label_order : (N,) int64, stable ``argsort(labels)``
    OUT
        classes : (S,) int64, the U distinct candidates, rising
        log_weights : (S,) float64, what is added to the logit of each
        class_rows : (S,) int64, the row of the result that each class has
        label_positions : (N,) int64, the place of a label among `classes`, or -1
        label_starts : (N + 1,) int64, where each of the G distinct labels starts in `label_order`, and N
        label_rows : (N,) int64, the row of the result that each distinct label has; -1 - row where the label is no
            candidate and so is the first to write there
        ids : (S + N,) int64, the class id of each of the R rows of the result, rising

    Returns U, G and R.
    """
    num_sampled, num_labels = sampled.shape[0], labels.shape[0]
    i = j = unique = groups = rows = 0
    while i < num_sampled or j < num_labels:
        candidate_next = j >= num_labels or (i < num_sampled and sampled[order[i]] <= labels[label_order[j]])
        class_id = sampled[order[i]] if candidate_next else labels[label_order[j]]
        position = -1
        if candidate_next:
            weight = -log_counts[order[i]]
            i += 1
            while i < num_sampled and sampled[order[i]] == class_id:
                other = -log_counts[order[i]]
                high = max(weight, other)
                weight = high + math.log1p(math.exp(min(weight, other) - high))
                i += 1
            classes[unique] = class_id
            log_weights[unique] = weight
            class_rows[unique] = rows
            position = unique
            unique += 1
        if j < num_labels and labels[label_order[j]] == class_id:
            label_starts[groups] = j
            label_rows[groups] = rows if candidate_next else -1 - rows
            groups += 1
            while j < num_labels and labels[label_order[j]] == class_id:
                label_positions[label_order[j]] = position
                j += 1
        ids[rows] = class_id
        rows += 1
    label_starts[groups] = num_labels
    return unique, groups, rows
