"""Merged candidates and labels against sets and dictionaries."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.sampled_loss.merge_candidates import merge_candidates

IDS = st.lists(st.integers(0, 12), min_size=1, max_size=30)
LABELS = st.lists(st.integers(0, 12), max_size=30)


class Plan(NamedTuple):
    classes: Any
    log_weights: Any
    copies: Any
    gradient_rows: Any
    label_candidates: Any
    label_starts: Any
    label_gradient_rows: Any
    ids: Any


def _plan(sampled, counts, labels, label_order, merge):
    s, n = len(sampled), len(labels)
    classes, gradient_rows, ids = np.empty(s, np.int64), np.empty(s, np.int64), np.empty(s + n, np.int64)
    log_weights, copies = np.empty(s), np.empty(s)
    label_candidates, starts, rows = np.empty(n, np.int64), np.empty(n + 1, np.int64), np.empty(n, np.int64)
    candidates, distinct, results = merge_candidates(
        sampled, np.argsort(sampled, kind="stable"), np.log(counts), labels, label_order, merge, classes, log_weights,
        copies, gradient_rows, label_candidates, starts, rows, ids,
    )  # fmt: skip
    return Plan(
        classes[:candidates], log_weights[:candidates], copies[:candidates], gradient_rows[:candidates],
        label_candidates, starts[: distinct + 1], rows[:distinct], ids[:results],
    )  # fmt: skip


def _check_labels(plan, sampled, labels, order):
    """Check what does not depend on how copies are merged."""
    assert plan.ids.tolist() == sorted({*sampled, *labels})
    first = {c: plan.classes.tolist().index(c) for c in set(sampled.tolist())}
    assert plan.label_candidates.tolist() == [first.get(label, -1) for label in labels]
    assert len(plan.label_gradient_rows) == len(set(labels))
    assert plan.label_starts[-1] == len(labels)
    for g, label in enumerate(sorted(set(labels))):
        assert (labels[order[plan.label_starts[g] : plan.label_starts[g + 1]]] == label).all()
        row = plan.label_gradient_rows[g] if label in first else -1 - plan.label_gradient_rows[g]
        assert plan.ids[row] == label
    assert (plan.ids[plan.gradient_rows[list(first.values())]] == list(first)).all()
    further = np.delete(np.arange(len(plan.classes)), list(first.values()))
    assert (plan.gradient_rows[further] == -1).all()


@given(IDS, LABELS, st.integers(0, 2**32 - 1))
def test_merged_copies(sampled, labels, seed):
    sampled, labels = np.array(sampled), np.array(labels, np.int64)
    counts = np.random.default_rng(seed).random(len(sampled)) + 0.1
    order = np.argsort(labels, kind="stable")
    plan = _plan(sampled, counts, labels, order, True)
    _check_labels(plan, sampled, labels, order)
    assert plan.classes.tolist() == sorted(set(sampled))
    weights = [np.log((1 / counts[sampled == c]).sum()) for c in plan.classes]
    np.testing.assert_allclose(plan.log_weights, weights, rtol=1e-12, atol=1e-12)
    assert plan.copies.tolist() == [(sampled == c).sum() for c in plan.classes]


@given(IDS, LABELS, st.integers(0, 2**32 - 1))
def test_copies_with_another_count_are_candidates_of_their_own(sampled, labels, seed):
    sampled, labels = np.array(sampled), np.array(labels, np.int64)
    counts = np.random.default_rng(seed).choice([0.25, 0.5, 3.0], len(sampled))
    order = np.argsort(labels, kind="stable")
    plan = _plan(sampled, counts, labels, order, False)
    _check_labels(plan, sampled, labels, order)
    assert (np.diff(plan.classes) >= 0).all()
    pairs = list(zip(sampled.tolist(), (-np.log(counts)).tolist(), strict=True))
    candidates = list(zip(plan.classes.tolist(), plan.log_weights.tolist(), strict=True))
    assert sorted(candidates) == sorted(set(pairs))
    assert plan.copies.tolist() == [pairs.count(pair) for pair in candidates]


@pytest.mark.parametrize("merge", [False, True])
def test_no_labels(merge):
    none = np.zeros(0, np.int64)
    plan = _plan(np.array([7, 3, 7]), np.ones(3), none, none, merge)
    assert plan.classes.tolist() == plan.ids.tolist() == [3, 7]
    assert plan.copies.tolist() == [1, 2]
    assert plan.label_starts.tolist() == [0]
