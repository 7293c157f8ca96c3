"""The merged plan of candidates and labels against sets and dictionaries."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.candidate_plan import plan_candidates

IDS = st.lists(st.integers(0, 12), min_size=1, max_size=30)


@given(IDS, st.lists(st.integers(0, 12), max_size=30), st.integers(0, 2**32 - 1))
def test_plan(sampled, labels, seed):
    sampled, labels = np.array(sampled), np.array(labels, np.int64)
    counts = np.random.default_rng(seed).random(len(sampled)) + 0.1
    s, n = len(sampled), len(labels)
    classes, class_rows, ids = np.empty(s, np.int64), np.empty(s, np.int64), np.empty(s + n, np.int64)
    log_weights = np.empty(s)
    positions, starts, rows = np.empty(n, np.int64), np.empty(n + 1, np.int64), np.empty(n, np.int64)
    order = np.argsort(labels, kind="stable")
    unique, groups, results = plan_candidates(
        sampled, np.argsort(sampled), np.log(counts), labels, order, classes, log_weights, class_rows, positions,
        starts, rows, ids,
    )  # fmt: skip

    assert classes[:unique].tolist() == sorted(set(sampled))
    assert ids[:results].tolist() == sorted({*sampled, *labels})
    assert (ids[class_rows[:unique]] == classes[:unique]).all()
    weights = [np.log((1 / counts[sampled == c]).sum()) for c in classes[:unique]]
    np.testing.assert_allclose(log_weights[:unique], weights, rtol=1e-12, atol=1e-12)
    place = {c: i for i, c in enumerate(classes[:unique])}
    assert positions.tolist() == [place.get(label, -1) for label in labels]
    assert groups == len(set(labels))
    assert starts[groups] == n
    for g, label in enumerate(sorted(set(labels))):
        assert (labels[order[starts[g] : starts[g + 1]]] == label).all()
        row = rows[g] if label in place else -1 - rows[g]
        assert ids[row] == label
