"""fastcands through its public functions."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np

import fastcands as fc
from bench.cases import Case
from bench.contenders.interface import Call, Contender
from bench.problems import make_problem, write_unigrams

__all__ = ["Bench"]

_PAIRS_AT_ONCE, _SHARED = 1024, 64


def _at(precision: Any, call: Call) -> Call:
    """Return a call in a tier of precision."""

    def run() -> Any:
        with fc.matmul_precision(precision):
            return call()

    return run


class Bench(Contender):
    """Functions of `fastcands.nn` where there is one, so that what they cost around the kernels is in."""

    packages = ("llvmlite", "numba", "numpy", "tbb")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        fc.set_num_threads(threads)
        self._tables: dict[Case, fc.ClassTable] = {}

    def forget(self) -> None:
        """Let go of tables and of samplers that `fastcands.nn` keeps."""
        super().forget()
        self._tables.clear()
        fc.nn.reset()

    def describe(self) -> dict[str, Any]:
        """Return versions, the threading layer once a kernel has run, and the processor as the compiler sees it."""
        try:
            layer = numba.threading_layer()
        except ValueError:  # nothing parallel has run
            layer = None
        found = super().describe()
        found["versions"]["fastcands"] = fc.__version__
        config = fc.show_config(mode="dicts")
        assert config is not None
        products = config["matmul precision"]["instruction set"]
        target = llvmlite.binding.get_host_cpu_name()
        return found | {"threading_layer": layer, "target": target, "bfloat16_products": products}

    def _sampled(self, function: Any, case: Case) -> Call:
        sizes = case.candidates, case.classes
        return functools.partial(function, *make_problem(case), *sizes, seed=1)

    def softmax_step(self, case: Case) -> Call:
        """Value and gradients of sampled softmax, sampler and hits included."""
        return self._sampled(fc.nn.sampled_softmax_loss_and_grad, case)

    def softmax_step_high(self, case: Case) -> Call:
        """`softmax_step` with factors split in two bfloat16 numbers."""
        return _at("high", self.softmax_step(case))

    def softmax_step_medium(self, case: Case) -> Call:
        """`softmax_step` with bfloat16 products."""
        return _at("medium", self.softmax_step(case))

    def softmax_step_bfloat16_table(self, case: Case) -> Call:
        """`softmax_step` with bfloat16 products, of a table that is stored so."""
        import ml_dtypes  # nothing else here needs it

        weights, *rest = make_problem(case)
        halves = weights.astype(ml_dtypes.bfloat16)
        sizes = case.candidates, case.classes
        step = functools.partial(fc.nn.sampled_softmax_loss_and_grad, halves, *rest, *sizes, seed=1)
        return _at("medium", step)

    def peaked_step(self, case: Case) -> Call:
        """Value and gradients where most probabilities are below the smallest normal number."""
        weights, biases, labels, inputs = make_problem(case)
        # logits of a standard deviation of 40: half of them lie more than 87 below the highest
        inputs = inputs * np.float32(40 / (0.0577 * case.width**0.5))
        return functools.partial(
            fc.nn.sampled_softmax_loss_and_grad, weights, biases, labels, inputs, case.candidates, case.classes, seed=1
        )

    def softmax_value(self, case: Case) -> Call:
        """Value of sampled softmax, no gradients."""
        return self._sampled(fc.nn.sampled_softmax_loss, case)

    def nce_step(self, case: Case) -> Call:
        """Value and gradients of noise contrastive estimation."""
        return self._sampled(fc.nn.nce_loss_and_grad, case)

    def exact_value(self, case: Case) -> Call:
        """Softmax over all classes."""
        return functools.partial(fc.nn.full_softmax_loss, *make_problem(case))

    def exact_step(self, case: Case) -> Call:
        """Softmax over all classes and its gradients."""
        return functools.partial(fc.nn.full_softmax_loss_and_grad, *make_problem(case))

    def exact_step_high(self, case: Case) -> Call:
        """`exact_step` with factors split in two bfloat16 numbers."""
        return _at("high", self.exact_step(case))

    def exact_step_medium(self, case: Case) -> Call:
        """`exact_step` with bfloat16 products."""
        return _at("medium", self.exact_step(case))

    def _table(self, case: Case) -> tuple[fc.ClassTable, fc.SampledSoftmaxLoss]:
        problem = make_problem(case)
        if case not in self._tables:
            # a rate so low that a thousand steps leave the problem as it is
            optimizer = fc.Adagrad(lr=1e-7)
            self._tables[case] = fc.ClassTable.from_arrays(problem.weights, problem.biases, optimizer=optimizer)
        return self._tables[case], fc.SampledSoftmaxLoss(fc.LogUniformSampler(case.classes, seed=1), case.candidates)

    def train_step(self, case: Case) -> Call:
        """Value, gradients and the update of the rows by Adagrad."""
        table, loss = self._table(case)
        problem = make_problem(case)
        return functools.partial(table.train_step, loss, problem.labels, problem.inputs)

    def train_gradients(self, case: Case) -> Call:
        """Value and gradients as `train_step` computes them, without the update, on the same table."""
        table, loss = self._table(case)
        problem = make_problem(case)
        return functools.partial(loss.value_and_grad, table.weights, table.biases, problem.labels, problem.inputs)

    def _sampler(self, sampler: Any, case: Case) -> Call:
        labels = np.random.default_rng(0).integers(0, case.classes, (case.batch, 1))
        return functools.partial(sampler.sample, labels, case.candidates)

    def draw_uniform(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts."""
        return self._sampler(fc.UniformSampler(case.classes, seed=(1, 2)), case)

    def draw_log_uniform(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts."""
        return self._sampler(fc.LogUniformSampler(case.classes, seed=(1, 2)), case)

    def draw_learned_unigram(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts; the labels are learned."""
        return self._sampler(fc.LearnedUnigramSampler(case.classes, seed=(1, 2)), case)

    def draw_fixed_unigram(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts, weights from a file."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.txt"
            write_unigrams(path, case.classes)
            return self._sampler(fc.FixedUnigramSampler(case.classes, vocab_file=str(path), seed=(1, 2)), case)

    def hits(self, case: Case) -> Call:
        """Where candidates are true classes."""
        labels = np.random.default_rng(0).integers(0, case.classes, (case.batch, 1))
        sampled = fc.LogUniformSampler(case.classes, seed=1).sample(labels, case.candidates).sampled_candidates
        return functools.partial(fc.nn.compute_accidental_hits, labels, sampled, 1)

    def _word_vectors(self, case: Case, candidates: int, shared: bool) -> Call:
        problem = make_problem(case._replace(batch=1))
        inner, outer = problem.weights.copy(), fc.ClassTable.from_arrays(problem.weights, None, optimizer=fc.SGD(1e-7))
        words = fc.ClassTable.from_arrays(inner, None, optimizer=fc.SGD(1e-7))
        counts = 1e9 / np.arange(1.0, case.classes + 1)
        sampler = fc.FixedUnigramSampler(case.classes, unigrams=counts, distortion=0.75, seed=1)
        pairs = sampler.sample([[0]], 2 * case.batch, unique=False).sampled_candidates.reshape(2, -1)
        plain = fc.NegativeSamplingLoss(sampler, candidates, unique=False)
        loss: Any = plain if shared else _CandidatesForEach(plain)

        def run() -> None:
            for start in range(0, case.batch, _PAIRS_AT_ONCE):
                given, wanted = pairs[:, start : start + _PAIRS_AT_ONCE]
                result = outer.train_step(loss, wanted, inner[given])
                gradient = fc.RowGradient.from_pairs(given, result.d_inputs, case.classes)
                words.optimizer.plan(inner, words.optimizer_state["weights"], gradient, step=0, name="words")()

        return run

    def word_vectors(self, case: Case) -> Call:
        """One pass of negative sampling over pairs of words, candidates for each pair, both tables trained."""
        return self._word_vectors(case, case.candidates, shared=False)

    def word_vectors_shared(self, case: Case) -> Call:
        """One such pass with more candidates, shared by the pairs of a batch."""
        return self._word_vectors(case, _SHARED, shared=True)


class _CandidatesForEach:
    """Negative sampling with candidates of its own for every row."""

    def __init__(self, loss: fc.NegativeSamplingLoss) -> None:
        self._loss = loss

    def value_and_grad(self, weights: Any, biases: Any, labels: Any, *rest: Any) -> Any:
        shape = len(labels), self._loss.num_sampled
        ids, true_counts, counts = self._loss.sampler.sample(labels[:, None], shape[0] * shape[1], unique=False)
        values = ids.reshape(shape), true_counts, counts.reshape(shape)
        return self._loss.value_and_grad(weights, biases, labels, *rest, sampled_values=values)
