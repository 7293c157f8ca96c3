"""Public calls that together reach every kernel, at realistic sizes."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import fastcands as fc
from bench.cases import Case
from bench.problems import Problem, make_problem, write_unigrams
from fastcands.data import read_extreme
from fastcands.data.synthetic_extreme import ExtremeStructure, write_synthetic
from fastcands.models.embedding_bag import EmbeddingBag

__all__ = ["scenarios"]

Scenario = Callable[[], object]
CASE = Case(classes=200_000, width=128, batch=256, candidates=4096)
EXACT = CASE._replace(classes=100_000)
_MANY = 100_000


def _losses(problem: Problem, exact: Problem) -> dict[str, Scenario]:
    sampler = fc.LogUniformSampler(CASE.classes, seed=1)
    count = CASE.candidates
    own = sampler.sample(problem.labels, CASE.batch * 64, unique=False)
    shape = CASE.batch, 64
    each = own.sampled_candidates.reshape(shape), own.true_expected_count, own.sampled_expected_count.reshape(shape)
    return {
        "sampled softmax": lambda: fc.SampledSoftmaxLoss(sampler, count).value_and_grad(*problem),
        "smoothed softmax": lambda: fc.SampledSoftmaxLoss(sampler, count, label_smoothing=0.1).value_and_grad(*problem),
        "candidates for each example": lambda: fc.SampledSoftmaxLoss(sampler, 64, unique=False).value_and_grad(
            *problem, sampled_values=each
        ),
        "rank": lambda: fc.RankSampledSoftmaxLoss(sampler, 4 * count, num_resampled=count).value_and_grad(*problem),
        "exact softmax": lambda: fc.SoftmaxLoss().value_and_grad(*exact),
        "exact logistic": lambda: fc.LogisticLoss().value_and_grad(*exact),
    }


def _samplers(labels: Any, folder: Path) -> dict[str, Scenario]:
    classes, count = CASE.classes, CASE.candidates
    weights = np.random.default_rng(1).zipf(1.5, classes)
    path = folder / "weights.txt"
    write_unigrams(path, classes)
    learned, other = (fc.LearnedUnigramSampler(classes, seed=seed) for seed in (1, 2))
    much = fc.LearnedUnigramSampler(10_000, seed=1)
    state = much.state_dict()
    much.load_state_dict(state | {"counts": np.full_like(state["counts"], 2**31 // 10_000 + 1)})
    found = fc.UniformSampler(classes, seed=1)
    fixed = functools.partial(fc.FixedUnigramSampler, classes, seed=1)

    def draw(sampler: Any, size: int, unique: bool = True, **given: str) -> Scenario:
        given_labels = labels % sampler.num_classes
        return lambda: sampler.sample(given_labels, size, unique=unique, **given)

    def hits(size: int, rows: int) -> Scenario:
        candidates = found.sample([[0]], size, unique=False).sampled_candidates
        many = np.resize(labels, (rows, 1))
        return lambda: fc.nn.compute_accidental_hits(many, candidates, 1)

    return {
        "uniform": draw(fc.UniformSampler(classes, seed=1), count),
        "uniform, many": draw(fc.UniformSampler(classes, seed=1), _MANY, unique=False),
        "log-uniform": draw(fc.LogUniformSampler(classes, seed=1), count),
        "log-uniform, many": draw(fc.LogUniformSampler(classes, seed=1), _MANY, unique=False),
        "log-uniform, huge": draw(fc.LogUniformSampler(2**40, seed=1), count),
        "nearly all classes": draw(fc.LogUniformSampler(20_000, seed=1), 19_000),
        "unbiased": draw(fc.LogUniformSampler(classes, seed=1), count, expected_count="unbiased"),
        "weights from a file": lambda: fixed(vocab_file=str(path)).sample(labels, count),
        "weights from an array": lambda: fixed(unigrams=weights).sample(labels, count),
        "learned": draw(learned, count),
        "learned much": draw(much, count),
        "learned, merged": lambda: (learned.merge(other), learned.decay(0.5), learned.counts),
        "hits": hits(count, CASE.batch),
        "many hits": hits(_MANY, _MANY),
    }


def _tables(problem: Problem) -> dict[str, Scenario]:
    loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(CASE.classes, seed=1), CASE.candidates)
    optimizers = fc.SGD(1e-6), fc.Momentum(1e-6), fc.Adagrad(1e-6), fc.RowwiseAdagrad(1e-6), fc.LazyAdam(1e-6)
    ids = np.random.default_rng(0).integers(0, CASE.classes, 16_384)
    rows = np.ones((len(ids), CASE.width), np.float32)

    def step(optimizer: Any) -> Scenario:
        def run() -> None:
            table = fc.ClassTable.from_arrays(problem.weights, problem.biases, optimizer=optimizer)
            table.train_step(loss, problem.labels, problem.inputs)

        return run

    def ask() -> None:
        table = fc.ClassTable.from_arrays(problem.weights, problem.biases)
        table.evaluate(problem.labels, problem.inputs)
        table.topk(problem.inputs, 10)

    return {
        **{type(optimizer).__name__: step(optimizer) for optimizer in optimizers},
        "gradient of a lookup": lambda: fc.RowGradient.from_pairs(ids, rows, CASE.classes),
        "questions to a table": ask,
    }


def _models(folder: Path) -> dict[str, Scenario]:
    structure = ExtremeStructure(num_labels=2_000, num_features=20_000, cluster_labels=20)
    write_synthetic(folder, structure, 4_000, 10)
    data = read_extreme(folder / "train.txt")
    bag = EmbeddingBag(20_000, CASE.width)
    rng = np.random.default_rng(0)
    starts, features = np.arange(0, 64 * 513, 64), rng.integers(0, 20_000, 64 * 512)
    values, d_sums = rng.random(len(features), np.float32), np.ones((512, CASE.width), np.float32)
    assert len(data) == 4_000
    return {
        "points from a file": lambda: read_extreme(folder / "train.txt"),
        "bags of features": lambda: (
            bag.forward(starts, features, values), bag.backward(starts, features, values, d_sums)
        ),
    }  # fmt: skip


@contextmanager
def scenarios() -> Iterator[dict[str, Scenario]]:
    """Give the calls by name, each made once already, and what they need while the block runs."""
    problem = make_problem(CASE)
    exact = Problem(problem.weights[: EXACT.classes], problem.biases[: EXACT.classes], problem.labels % EXACT.classes,
                    problem.inputs)  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        labels = problem.labels
        yield {**_losses(problem, exact), **_samplers(labels, folder), **_tables(problem), **_models(folder)}
