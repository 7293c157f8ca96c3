"""TensorFlow in graph mode: ``tf.function`` around its own losses and samplers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

import fastcands as fc
from bench.cases import Case
from bench.contenders.interface import Call, Contender
from bench.problems import Problem, make_problem, write_unigrams

__all__ = ["Bench", "graph_step", "graph_value"]


def graph_value(loss: Callable[[Any, Any, Any, Any], Any], problem: Problem) -> Callable[[], Any]:
    """Return a traced graph of a loss of (weights, biases, labels, inputs)."""
    weights, biases = tf.Variable(problem.weights), tf.Variable(problem.biases)
    labels, inputs = tf.constant(problem.labels), tf.constant(problem.inputs)

    @tf.function
    def value() -> Any:
        return loss(weights, biases, labels, inputs)

    value.get_concrete_function()
    return value


def graph_step(loss: Callable[[Any, Any, Any, Any], Any], problem: Problem) -> Callable[[], Any]:
    """Return a traced graph of a loss and its gradients for inputs, weights and biases."""
    weights, biases = tf.Variable(problem.weights), tf.Variable(problem.biases)
    labels, inputs = tf.constant(problem.labels), tf.constant(problem.inputs)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = loss(weights, biases, labels, inputs)
        return value, tape.gradient(value, [inputs, weights, biases])

    step.get_concrete_function()
    return step


class Bench(Contender):
    """Gradients of tables are `IndexedSlices`, not summed by class: TensorFlow leaves that to the optimizer."""

    packages = ("numpy", "tensorflow-cpu")

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def _softmax(self, case: Case) -> Callable[[Any, Any, Any, Any], Any]:
        sizes = case.candidates, case.classes
        return lambda w, b, labels, x: tf.nn.sampled_softmax_loss(w, b, labels, x, *sizes, seed=1)

    def softmax_step(self, case: Case) -> Call:
        """Value and gradients of sampled softmax, sampler and hits included."""
        step = graph_step(self._softmax(case), make_problem(case))
        return lambda: step()[0].numpy()

    def softmax_value(self, case: Case) -> Call:
        """Value of sampled softmax, no gradients."""
        value = graph_value(self._softmax(case), make_problem(case))
        return lambda: value().numpy()

    def nce_step(self, case: Case) -> Call:
        """Value and gradients of noise contrastive estimation."""
        sizes = case.candidates, case.classes
        step = graph_step(lambda w, b, labels, x: tf.nn.nce_loss(w, b, labels, x, *sizes), make_problem(case))
        return lambda: step()[0].numpy()

    def _sampler(self, op: Callable[..., Any], case: Case, **given: str) -> Call:
        labels = tf.constant(np.random.default_rng(0).integers(0, case.classes, (case.batch, 1)))
        attributes = {"num_true": 1, "num_sampled": case.candidates, "unique": True, "range_max": case.classes}

        @tf.function
        def draw(true_classes: Any) -> Any:
            return op(true_classes=true_classes, seed=1, seed2=2, **attributes, **given)

        draw.get_concrete_function(labels)
        return lambda: [part.numpy() for part in draw(labels)]

    def draw_uniform(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts."""
        return self._sampler(tf.raw_ops.UniformCandidateSampler, case)

    def draw_log_uniform(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts."""
        return self._sampler(tf.raw_ops.LogUniformCandidateSampler, case)

    def draw_learned_unigram(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts; the labels are learned."""
        return self._sampler(tf.raw_ops.LearnedUnigramCandidateSampler, case)

    def draw_fixed_unigram(self, case: Case) -> Call:
        """Candidates without repetition and their expected counts, weights from a file."""
        # TensorFlow reads the file at the first call
        path = Path(self.until_forgotten.enter_context(tempfile.TemporaryDirectory())) / "weights.txt"
        write_unigrams(path, case.classes)
        return self._sampler(tf.raw_ops.FixedUnigramCandidateSampler, case, vocab_file=str(path))

    def hits(self, case: Case) -> Call:
        """Where candidates are true classes."""
        labels = np.random.default_rng(0).integers(0, case.classes, (case.batch, 1))
        sampled = fc.LogUniformSampler(case.classes, seed=1).sample(labels, case.candidates).sampled_candidates
        given, candidates = tf.constant(labels), tf.constant(sampled)

        @tf.function
        def find(true_classes: Any) -> Any:
            return tf.nn.compute_accidental_hits(true_classes, candidates, 1)

        find.get_concrete_function(given)
        return lambda: [part.numpy() for part in find(given)]
