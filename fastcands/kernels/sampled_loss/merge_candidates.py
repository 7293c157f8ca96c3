"""The rows of the table that a sampled loss uses, each once, and where their gradients go."""

from __future__ import annotations

import math
from typing import Any

from fastcands.jit import kernel

__all__ = ["merge_candidates"]


@kernel
def merge_candidates(
    sampled: Any, order: Any, log_counts: Any, labels: Any, label_order: Any, merge: bool, classes: Any,
    log_weights: Any, copies: Any, gradient_rows: Any, label_candidates: Any, label_starts: Any,
    label_gradient_rows: Any, ids: Any,
) -> tuple[int, int, int]:  # fmt: skip
    """Merge the sorted candidates with the sorted labels.

    Copies of a candidate are merged into one. A softmax adds e^(o - log Q_k) for each copy k to the normalizer,
    together e^o sum_k 1 / Q_k, so the merged candidate's log weight is log sum_k 1 / Q_k instead of -log Q. A loss of
    single logits counts a merged candidate several times; copies with different Q stay separate candidates.

    IN
        sampled : (S,) int64, candidates
        order : (S,) int64, stable ``argsort(sampled)``
        log_counts : (S,) float64, log Q of each candidate
        labels : (N,) int64, the true classes of all examples, example by example
        label_order : (N,) int64, stable ``argsort(labels)``
        merge : whether copies are merged even if their Q differ, as a softmax does
    OUT
        classes : (S,) int64, the class of each of the C merged candidates, in ascending order
        log_weights : (S,) float64, what is added to the logit of each
        copies : (at least S,), how often each was drawn
        gradient_rows : (at least S,) int64, the row of the result of each; -1 for all but the first candidate of a
            class
        label_candidates : (N,) int64, the first candidate of a label's class, or -1
        label_starts : (N + 1,) int64, where each of the G distinct labels starts in `label_order`, and N
        label_gradient_rows : (N,) int64, the row of the result of each distinct label; -1 - row if the label is no
            candidate, so that nothing is written there before
        ids : (S + N,) int64, the class id of each of the R rows of the result, in ascending order

    Returns C, G and R.
    """
    num_sampled, num_labels = sampled.shape[0], labels.shape[0]
    i = j = num_candidates = num_distinct = rows = 0
    while i < num_sampled or j < num_labels:
        candidate_next = j >= num_labels or (i < num_sampled and sampled[order[i]] <= labels[label_order[j]])
        class_id = sampled[order[i]] if candidate_next else labels[label_order[j]]
        first = num_candidates
        while i < num_sampled and sampled[order[i]] == class_id:
            weight = -log_counts[order[i]]
            i += 1
            at = first
            while at < num_candidates and not (merge or log_weights[at] == weight):
                at += 1
            if at == num_candidates:
                classes[at], log_weights[at], copies[at] = class_id, weight, 1
                gradient_rows[at] = rows if at == first else -1
                num_candidates += 1
            elif merge:
                high = max(weight, log_weights[at])
                log_weights[at] = high + math.log1p(math.exp(min(weight, log_weights[at]) - high))
                copies[at] += 1
            else:
                copies[at] += 1
        if j < num_labels and labels[label_order[j]] == class_id:
            label_starts[num_distinct] = j
            label_gradient_rows[num_distinct] = rows if candidate_next else -1 - rows
            num_distinct += 1
            while j < num_labels and labels[label_order[j]] == class_id:
                label_candidates[label_order[j]] = first if candidate_next else -1
                j += 1
        ids[rows] = class_id
        rows += 1
    label_starts[num_distinct] = num_labels
    return num_candidates, num_distinct, rows
