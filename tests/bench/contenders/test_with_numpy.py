"""The NumPy contender computes what fastcands computes, and what the reference computes."""

from __future__ import annotations

import numpy as np
import pytest

import fastcands as fc
from bench.cases import Case
from bench.contenders import with_numpy
from bench.contenders.with_fastcands import Bench as Ours
from bench.problems import make_problem
from fastcands import reference

CASE = Case(500, 12, 9, 40)


@pytest.fixture
def sampled():
    problem = make_problem(CASE)
    return with_numpy.LogUniform(CASE.classes, CASE.candidates).sample(problem.labels)


def test_value_and_gradients(sampled) -> None:
    problem = make_problem(CASE)
    biased = problem._replace(biases=np.linspace(-1, 1, CASE.classes, dtype=np.float32))
    loss, d_inputs, ids, d_rows, d_biases = with_numpy.sampled_softmax_and_grad(biased, sampled)
    exact = reference.sampled_softmax(*biased, sampled)
    assert loss == pytest.approx(exact.loss, rel=1e-5)
    assert d_inputs == pytest.approx(exact.d_inputs, abs=1e-5)
    assert d_rows == pytest.approx(exact.d_weights[ids], abs=1e-5)
    assert d_biases == pytest.approx(exact.d_biases[ids], abs=1e-5)
    assert np.abs(np.delete(exact.d_weights, ids, axis=0)).max() == 0
    sizes = CASE.candidates, CASE.classes
    values = fc.nn.sampled_softmax_loss(*biased, *sizes, sampled_values=sampled)
    assert with_numpy.sampled_softmax(biased, sampled) == pytest.approx(values, rel=1e-5)


def test_candidates_are_distinct_and_counts_are_theirs(sampled) -> None:
    ids, true_counts, counts = sampled
    assert len(np.unique(ids)) == CASE.candidates
    assert true_counts.shape == (CASE.batch, 1)
    # class 0 comes nearly for certain, the last hardly ever
    assert counts[ids.argmin()] > 0.9
    assert 0 < counts.min() < 0.2


@pytest.mark.parametrize("operation", ["softmax_step", "softmax_value"])
def test_operations_run_at_all(operation: str) -> None:
    result = with_numpy.Bench(1).prepare(operation, CASE)()
    loss = result[0] if operation == "softmax_step" else result
    assert loss.shape == (CASE.batch,)
    assert np.isfinite(loss).all()


def test_a_training_step_leaves_the_problem_nearly_as_it_was() -> None:
    before = make_problem(CASE).weights.copy()
    call = Ours(fc.get_num_threads()).prepare("train_step", CASE)
    for _ in range(100):
        call()
    assert np.abs(make_problem(CASE).weights - before).max() < 1e-4


def test_word_vectors_train_both_tables_on_all_pairs() -> None:
    bench = Ours(fc.get_num_threads())
    case = Case(200, 8, 64, 5)
    table = make_problem(case._replace(batch=1)).weights
    before = table.copy()
    bench.prepare("word_vectors", case)()
    assert (table != before).any()
