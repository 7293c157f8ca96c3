"""The contenders of the benchmarks compute the same: their losses on the same candidates, and that they run at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from bench.cases import GRID, Case, quick_case
from bench.contenders import with_fastcands, with_gensim, with_mkl, with_numpy, with_pytorch, with_tensorflow
from bench.contenders.interface import Contender
from bench.problems import Problem, make_problem
from bench.tasks import TASKS
from fastcands import reference

CASE = Case(500, 12, 9, 40)
BENCHES: dict[str, type[Contender]] = {
    "fastcands": with_fastcands.Bench,
    "tensorflow": with_tensorflow.Bench,
    "pytorch": with_pytorch.Bench,
    "numpy": with_numpy.Bench,
    "mkl": with_mkl.Bench,
    "gensim": with_gensim.Bench,
}


@pytest.fixture
def problem() -> Problem:
    return make_problem(CASE)._replace(biases=np.linspace(-1, 1, CASE.classes, dtype=np.float32))


@pytest.fixture
def sampled(problem: Problem) -> Any:
    return with_numpy.LogUniform(CASE.classes, CASE.candidates).sample(problem.labels)


@pytest.mark.parametrize(
    ("loss", "oracle"),
    [(with_pytorch.sampled_softmax, reference.sampled_softmax), (with_pytorch.nce, reference.sampled_logistic)],
)
def test_pytorchs_sampled_losses(loss: Any, oracle: Any, problem: Problem, sampled: Any) -> None:
    tensors = with_pytorch.as_tensors(problem)
    ids, true_counts, counts = (torch.from_numpy(part) for part in sampled)
    values = loss(tensors, (ids, true_counts, counts))
    exact = oracle(*problem, sampled)
    assert values.detach().numpy() == pytest.approx(exact.loss, rel=1e-5)
    d_inputs, d_weights, d_biases = torch.autograd.grad(values.sum(), [tensors[3], tensors[0], tensors[1]])
    assert d_inputs.numpy() == pytest.approx(exact.d_inputs, abs=1e-5)
    assert d_weights.is_sparse
    assert d_weights.to_dense().numpy() == pytest.approx(exact.d_weights, abs=1e-5)
    assert d_biases.to_dense().numpy()[:, 0] == pytest.approx(exact.d_biases, abs=1e-5)


def test_pytorchs_exact_loss(problem: Problem) -> None:
    values = with_pytorch.exact_softmax(with_pytorch.as_tensors(problem, column=False))
    assert values.detach().numpy() == pytest.approx(reference.full_softmax(*problem).loss, rel=1e-5)


def test_pytorchs_candidates_are_distinct_and_expected_as_often_as_they_come() -> None:
    sampler = with_pytorch.LogUniform(200, 50)
    labels = torch.arange(200)[:, None]
    seen, expected = np.zeros(200), np.zeros(200)
    draws = 2000
    for _ in range(draws):
        ids, true_counts, counts = sampler.sample(labels)
        assert len(torch.unique(ids)) == 50
        assert counts.numpy() == pytest.approx(true_counts.numpy()[ids.numpy(), 0])
        seen[ids.numpy()] += 1
        expected += true_counts.numpy()[:, 0]
    assert seen.sum() == pytest.approx(expected.sum(), rel=0.02)
    assert seen / draws == pytest.approx(expected / draws, rel=0.05, abs=0.05)


def test_mean_losses_of_all_samplers_agree() -> None:
    """Each with its own draws: the mean over many calls is the same to some percent."""
    case = Case(2_000, 16, 64, 256)
    means = {}
    for name in ("fastcands", "tensorflow", "pytorch", "numpy"):
        call = BENCHES[name](2).prepare("softmax_value", case)
        means[name] = float(np.mean([np.asarray(call()).mean() for _ in range(30)]))
    assert list(means.values()) == pytest.approx([means["fastcands"]] * 4, rel=0.01)


@pytest.mark.parametrize(
    ("contender", "operation"),
    sorted({(entry.contender, entry.operation) for task in TASKS.values() for entry in task.entries.values()}),
)
def test_every_operation_of_every_task_runs(contender: str, operation: str) -> None:
    bench = BENCHES[contender](2)
    case = quick_case(GRID["a"])
    call = bench.prepare(operation, case)
    for _ in range(2):
        call()
    found = bench.describe()
    assert set(found["versions"]) >= set(bench.packages)
    bench.forget()
