"""PyTorch as one writes it there: autograd over gathered rows with sparse gradients, and `F.cross_entropy`.

PyTorch has no candidate sampler. This one inverts the log-uniform distribution function for enough draws at once to
have S distinct classes among them, and keeps S of those.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F

from bench.cases import Case
from bench.contenders.interface import Call, Contender
from bench.problems import Problem, make_problem, tries_for

__all__ = ["Bench", "LogUniform", "as_tensors", "exact_softmax", "nce", "sampled_softmax"]

Sampled = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


class LogUniform:
    """Candidates without repetition, and expected counts of true classes (B, 1) and candidates (S,)."""

    def __init__(self, classes: int, candidates: int) -> None:
        self.classes, self.candidates = classes, candidates
        self.tries = tries_for(classes, candidates) * 21 // 20  # a twentieth more: seldom too few
        self.generator = torch.Generator().manual_seed(1)

    def _probability(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.log1p(1 / (ids + 1.0)) / math.log1p(self.classes)

    def sample(self, labels: torch.Tensor) -> Sampled:
        """Draw for a batch."""
        ids, tries = torch.empty(0, dtype=torch.int64), 0
        while len(ids) < self.candidates:
            draws = torch.rand(self.tries, generator=self.generator).mul_(math.log1p(self.classes)).exp_().long() - 1
            ids, tries = torch.unique(torch.cat([ids, draws.clamp_(0, self.classes - 1)])), tries + self.tries
        kept = self.candidates / len(ids)  # the share of the distinct ones
        ids = ids[torch.randperm(len(ids), generator=self.generator)[: self.candidates]]
        true, other = (
            kept * -torch.expm1(tries * torch.log1p(-self._probability(classes))) for classes in (labels, ids)
        )
        return ids, true, other


def _logits(tensors: Tensors, sampled: Sampled, remove_hits: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return corrected logits of the true classes (B, 1) and the candidates (B, S); biases (V, 1)."""
    weights, biases, labels, inputs = tensors
    ids, true_count, sampled_count = sampled
    true_rows = F.embedding(labels[:, 0], weights, sparse=True)
    true_bias = F.embedding(labels[:, 0], biases, sparse=True)
    sampled_rows = F.embedding(ids, weights, sparse=True)
    sampled_bias = F.embedding(ids, biases, sparse=True)[:, 0]
    true = (inputs * true_rows).sum(1, keepdim=True) + true_bias - true_count.log()
    other = torch.addmm(sampled_bias - sampled_count.log(), inputs, sampled_rows.T)
    if remove_hits:
        other = other.masked_fill(labels == ids, -math.inf)
    return true, other


def sampled_softmax(tensors: Tensors, sampled: Sampled) -> torch.Tensor:
    """Return the loss of each row."""
    logits = torch.cat(_logits(tensors, sampled, remove_hits=True), dim=1)
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64), reduction="none")


def nce(tensors: Tensors, sampled: Sampled) -> torch.Tensor:
    """Return the loss of each row."""
    logits = torch.cat(_logits(tensors, sampled, remove_hits=False), dim=1)
    targets = torch.zeros_like(logits)
    targets[:, 0] = 1
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)


def exact_softmax(tensors: Tensors) -> torch.Tensor:
    """Return the loss of each row, from logits of all classes; biases (V,)."""
    weights, biases, labels, inputs = tensors
    return F.cross_entropy(F.linear(inputs, weights, biases), labels[:, 0], reduction="none")


def as_tensors(problem: Problem, *, column: bool = True) -> Tensors:
    """Return the problem's arrays as tensors on the same memory, those of floats with gradients.

    Biases become a table with one column, (V, 1): the sparse gradient of a lookup has the shape of the table.
    """
    weights, biases, labels, inputs = (torch.from_numpy(array) for array in problem)
    biases = biases[:, None] if column else biases
    return weights.requires_grad_(), biases.requires_grad_(), labels, inputs.requires_grad_()


class Bench(Contender):
    """Gradients of tables are sparse and not coalesced: PyTorch leaves that to the optimizer."""

    packages = ("numpy", "torch")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        torch.set_num_threads(threads)

    def _sampled(self, loss: Any, case: Case, gradients: bool) -> Call:
        tensors = as_tensors(make_problem(case))
        sampler = LogUniform(case.classes, case.candidates)

        def value() -> Any:
            with torch.no_grad():
                return loss(tensors, sampler.sample(tensors[2]))

        def step() -> Any:
            values = loss(tensors, sampler.sample(tensors[2]))
            return values, torch.autograd.grad(values.sum(), [tensors[3], tensors[0], tensors[1]])

        return step if gradients else value

    def softmax_step(self, case: Case) -> Call:
        """Value and gradients of sampled softmax, sampler and hits included."""
        return self._sampled(sampled_softmax, case, gradients=True)

    def softmax_step_bfloat16(self, case: Case) -> Call:
        """`softmax_step` under autocast: products in bfloat16, the rest in float32."""
        step = self.softmax_step(case)

        def run() -> Any:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return step()

        return run

    def softmax_value(self, case: Case) -> Call:
        """Value of sampled softmax, no gradients."""
        return self._sampled(sampled_softmax, case, gradients=False)

    def nce_step(self, case: Case) -> Call:
        """Value and gradients of noise contrastive estimation."""
        return self._sampled(nce, case, gradients=True)

    def exact_value(self, case: Case) -> Call:
        """Softmax over all classes."""
        tensors = as_tensors(make_problem(case), column=False)

        def value() -> Any:
            with torch.no_grad():
                return exact_softmax(tensors)

        return value

    def exact_step(self, case: Case) -> Call:
        """Softmax over all classes and its gradients."""
        tensors = as_tensors(make_problem(case), column=False)

        def step() -> Any:
            values = exact_softmax(tensors)
            return values, torch.autograd.grad(values.sum(), [tensors[3], tensors[0], tensors[1]])

        return step
