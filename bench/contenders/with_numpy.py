"""Plain NumPy in float32: the formulas of `fastcands.reference`, without arrays of the size of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.cases import Case
from bench.contenders.interface import Call, Contender
from bench.problems import Problem, log_uniform_probability, make_problem

__all__ = ["Bench", "LogUniform", "sampled_softmax", "sampled_softmax_and_grad"]

Array = NDArray[Any]
Sampled = tuple[Array, Array, Array]


class LogUniform:
    """Candidates without repetition in the order in which they came, and the expected counts."""

    def __init__(self, classes: int, candidates: int) -> None:
        self.classes, self.candidates = classes, candidates
        self._rng = np.random.default_rng(1)

    def sample(self, labels: Array) -> Sampled:
        """Draw for a batch."""
        draws, first = np.empty(0, np.int64), np.empty(0, np.int64)
        while len(first) < self.candidates:
            more = np.exp(self._rng.random(2 * self.candidates) * np.log1p(self.classes)).astype(np.int64) - 1
            draws = np.concatenate([draws, np.minimum(more, self.classes - 1)])
            first = np.sort(np.unique(draws, return_index=True)[1])
        ids, tries = draws[first[: self.candidates]], int(first[self.candidates - 1]) + 1
        counts = (
            -np.expm1(tries * np.log1p(-log_uniform_probability(classes, self.classes))) for classes in (labels, ids)
        )
        return ids, *(count.astype(np.float32) for count in counts)  # type: ignore[return-value]


def _forward(problem: Problem, sampled: Sampled) -> tuple[Array, Array, Array]:
    """Return the loss, the probabilities (B, 1 + S), and the candidates' rows."""
    weights, biases, labels, inputs = problem
    ids, true_count, sampled_count = sampled
    rows = weights[ids]
    logits = np.empty((len(inputs), 1 + len(ids)), np.float32)
    logits[:, 0] = (
        np.einsum("bd,bd->b", inputs, weights[labels[:, 0]]) + biases[labels[:, 0]] - np.log(true_count[:, 0])
    )
    np.matmul(inputs, rows.T, out=logits[:, 1:])
    logits[:, 1:] += biases[ids] - np.log(sampled_count)
    logits[:, 1:][labels == ids] = -np.inf
    logits -= logits.max(axis=1, keepdims=True)
    loss = -logits[:, 0]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    loss += np.log(total[:, 0])
    logits /= total
    return loss, logits, rows


def sampled_softmax(problem: Problem, sampled: Sampled) -> Array:
    """Return the loss of each row."""
    return _forward(problem, sampled)[0]


def sampled_softmax_and_grad(problem: Problem, sampled: Sampled) -> tuple[Array, Array, Array, Array, Array]:
    """Return the loss, d_inputs, the ids used, and the gradients of those rows of weights and biases."""
    labels, inputs, ids = problem.labels[:, 0], problem.inputs, sampled[0]
    loss, d_logits, rows = _forward(problem, sampled)
    d_logits[:, 0] -= 1
    d_inputs = d_logits[:, :1] * problem.weights[labels] + d_logits[:, 1:] @ rows
    used = np.concatenate([labels, ids])
    order = np.argsort(used, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(used[order]) != 0))
    d_rows = np.concatenate([d_logits[:, :1] * inputs, d_logits[:, 1:].T @ inputs])[order]
    d_biases = np.concatenate([d_logits[:, 0], d_logits[:, 1:].sum(axis=0)])[order]
    return loss, d_inputs, used[order[starts]], np.add.reduceat(d_rows, starts), np.add.reduceat(d_biases, starts)


class Bench(Contender):
    """The threads of NumPy's BLAS come from the environment of the process."""

    def softmax_step(self, case: Case) -> Call:
        """Value and gradients of sampled softmax, sampler and hits included."""
        problem, sampler = make_problem(case), LogUniform(case.classes, case.candidates)
        return lambda: sampled_softmax_and_grad(problem, sampler.sample(problem.labels))

    def softmax_value(self, case: Case) -> Call:
        """Value of sampled softmax, no gradients."""
        problem, sampler = make_problem(case), LogUniform(case.classes, case.candidates)
        return lambda: sampled_softmax(problem, sampler.sample(problem.labels))
