"""The losses against live TensorFlow: values and every gradient, over random configurations.

TensorFlow and the float64 oracle are compared first, so the oracle is known to compute TensorFlow's function; our
float32 results are then held to the error that plain float32 NumPy makes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops import candidate_sampling_ops

import fastcands as fc
from fastcands import reference

BLOCKS, BLOCK = 7, 100  # of each sampled loss
_fresh_seeds = itertools.count(1000)  # a seed not used before starts a stream in TensorFlow and here


@dataclass
class Configuration:
    """One random problem: shapes, options, arrays."""

    weights: Any
    biases: Any
    labels: Any
    inputs: Any
    num_sampled: int
    sampled_values: Any
    remove_accidental_hits: bool
    upstream: Any
    weight_shards: int
    bias_shards: int
    strategy: str

    def __str__(self) -> str:
        (v, d), (b, t) = self.weights.shape, self.labels.shape
        return (
            f"V={v} D={d} B={b} T={t} S={self.num_sampled} hits removed: {self.remove_accidental_hits}, counts "
            f"{np.shape(self.sampled_values[1])}, upstream: {self.upstream is not None}, shards "
            f"{self.weight_shards}/{self.bias_shards} {self.strategy}"
        )


def configurations(seed: int, count: int) -> Iterator[Configuration]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        b = int(rng.choice([0, 1, 2, 3, 5, 7, 17, 31, 32, 33, 67]))
        d = int(rng.choice([1, 2, 3, 5, 8, 16, 17, 31, 33, 64, 100, 129]))
        t = int(rng.integers(1, 6))
        s = int(rng.choice([1, 2, 3, 7, 16, 31, 32, 65, 101]))
        v = s + int(rng.choice([0, 1, 13, 200]))
        removed = bool(rng.integers(2))
        # TensorFlow takes one copy only of a repeated candidate for a hit: with removal they are distinct
        sampled = rng.permutation(v)[:s] if removed else rng.integers(0, v, s)
        labels = rng.choice([rng.integers(0, v, (b, t)), rng.integers(0, min(v, 4), (b, t))])
        counts = rng.uniform(0.05, 2, (b, 1 if rng.integers(2) else t)), rng.uniform(0.05, 2, s)
        shards = rng.integers(1, min(7, v) + 1, 2)
        if rng.integers(2):
            shards[:] = 1
        yield Configuration(
            weights=rng.normal(size=(v, d)).astype(np.float32) * np.float32(d**-0.5),
            biases=rng.normal(size=v).astype(np.float32),
            labels=labels,
            inputs=rng.normal(size=(b, d)).astype(np.float32) * 2,
            num_sampled=s,
            sampled_values=(sampled, *(part.astype(np.float32) for part in counts)),
            remove_accidental_hits=removed,
            upstream=rng.normal(size=b).astype(np.float32) if rng.integers(2) else None,
            weight_shards=int(shards[0]),
            bias_shards=int(shards[1]),
            strategy=str(rng.choice(["mod", "div"])),
        )


def tables(case: Configuration) -> tuple[Any, Any]:
    """Return weights and biases as the functions take them: an array, or a list of shards."""
    weights, biases = (
        part if number == 1 else reference.to_shards(part, number, case.strategy)
        for part, number in ((case.weights, case.weight_shards), (case.biases, case.bias_shards))
    )
    return weights, biases


def dense_from_tensorflow(gradient: Any, number: int, strategy: str) -> Any:
    """Sum the slices of a gradient, and put its shards together."""
    parts = [np.asarray(tf.convert_to_tensor(part)) for part in (gradient if number > 1 else [gradient])]
    return reference.from_shards(parts, strategy) if number > 1 else parts[0]


def dense_from_ours(gradient: Any, number: int, strategy: str) -> Any:
    if number == 1:
        return gradient.to_dense()
    assert isinstance(gradient, list)
    assert len(gradient) == number
    return reference.from_shards([part.to_dense() for part in gradient], strategy)


def tensorflow_result(function: Any, case: Configuration, **arguments: Any) -> reference.Result:
    weights, biases = tf.nest.map_structure(tf.constant, tables(case))
    inputs = tf.constant(case.inputs)
    with tf.GradientTape() as tape:
        tape.watch([weights, biases, inputs])
        loss = function(weights=weights, biases=biases, inputs=inputs, **arguments)
    d_inputs, d_weights, d_biases = tape.gradient(
        loss, [inputs, weights, biases], None if case.upstream is None else tf.constant(case.upstream)
    )
    return reference.Result(
        np.asarray(loss),
        np.asarray(d_inputs),
        dense_from_tensorflow(d_weights, case.weight_shards, case.strategy),
        dense_from_tensorflow(d_biases, case.bias_shards, case.strategy),
    )


def our_result(function: Any, case: Configuration, **arguments: Any) -> reference.Result:
    weights, biases = tables(case)
    loss, gradients = function(weights, biases, case.labels, case.inputs, **arguments, upstream=case.upstream)
    assert loss.dtype == gradients.inputs.dtype == np.float32
    return reference.Result(
        loss,
        gradients.inputs,
        dense_from_ours(gradients.weights, case.weight_shards, case.strategy),
        dense_from_ours(gradients.biases, case.bias_shards, case.strategy),
    )


def sampling_arguments(case: Configuration) -> dict[str, Any]:
    return {
        "num_sampled": case.num_sampled,
        "num_classes": len(case.weights),
        "num_true": case.labels.shape[1],
        "sampled_values": case.sampled_values,
        "remove_accidental_hits": case.remove_accidental_hits,
        "partition_strategy": case.strategy,
    }


def terms(case: Configuration) -> list[float]:
    """Return the size of what is summed for the loss and each gradient, where the sums cancel.

    One term each; for the biases all, since there probabilities and targets cancel class by class.
    """
    upstream = np.ones(len(case.inputs)) if case.upstream is None else np.abs(case.upstream)
    largest = float(upstream.max(initial=0))
    return [
        1.0,
        largest * float(np.abs(case.weights).max()),
        largest * float(np.abs(case.inputs).max(initial=0)),
        float(upstream.sum()),
    ]


def check_oracle(case: Configuration, tensorflows: Any, exact: Any) -> None:
    """Require that the oracle computes TensorFlow's function: any other would be off by far more."""
    for name, theirs, double in zip(reference.Result._fields, tensorflows, exact, strict=True):
        scale = max(1.0, np.abs(double).max(initial=0))
        np.testing.assert_allclose(theirs, double, rtol=0, atol=2e-5 * scale, err_msg=f"{name} of {case}")


def check(judge: Any, case: Configuration, tensorflows: Any, ours: Any, plain: Any, exact: Any) -> None:
    check_oracle(case, tensorflows, exact)
    for name, our, single, double, term in zip(reference.Result._fields, ours, plain, exact, terms(case), strict=True):
        judge(our, single, double, term, f"{name} of {case}")


def of_tensorflow(name: str, strategy: str) -> tuple[Any, dict[str, str]]:
    """Return a loss of TensorFlow and how it is told the strategy: `tf.nn` knows 'div' only."""
    if strategy == "div":
        return getattr(tf.nn, name), {}
    return getattr(tf.compat.v1.nn, name), {"partition_strategy": strategy}


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("name", ["sampled_softmax_loss", "nce_loss"])
def test_sampled_losses(name: str, block: int, judge: Any) -> None:
    oracle = {"sampled_softmax_loss": reference.sampled_softmax, "nce_loss": reference.sampled_logistic}[name]
    for case in configurations(block if name == "sampled_softmax_loss" else 500 + block, BLOCK):
        arguments = sampling_arguments(case)
        function, strategy = of_tensorflow(name, case.strategy)
        theirs = tensorflow_result(
            function,
            case,
            labels=tf.constant(case.labels),
            **{key: value for key, value in arguments.items() if key != "partition_strategy"}
            | {"sampled_values": [tf.constant(part) for part in case.sampled_values]}
            | strategy,
        )
        ours = our_result(getattr(fc.nn, f"{name}_and_grad"), case, **arguments)
        weights, biases = tables(case)
        value = getattr(fc.nn, name)(weights, biases, case.labels, case.inputs, **arguments)
        np.testing.assert_allclose(value, ours.loss, rtol=1e-6, err_msg=str(case))
        plain, exact = (
            oracle(
                case.weights,
                case.biases,
                case.labels,
                case.inputs,
                case.sampled_values,
                remove_accidental_hits=case.remove_accidental_hits,
                upstream=case.upstream,
                dtype=dtype,
            )
            for dtype in (np.float32, np.float64)
        )
        check(judge, case, theirs, ours, plain, exact)


@pytest.mark.parametrize("block", range(2))
@pytest.mark.parametrize("name", ["full_softmax", "full_sigmoid"])
def test_exact_losses(name: str, block: int, judge: Any) -> None:
    """The exact losses as TensorFlow's documentation writes them: dense logits, dense targets."""

    def dense(weights: Any, biases: Any, labels: Any, inputs: Any) -> Any:
        ids = np.arange(sum(len(part) for part in weights) if isinstance(weights, list) else len(weights))
        w, b = (
            tf.nn.embedding_lookup(part, ids)
            if not isinstance(part, list)
            else tf.compat.v1.nn.embedding_lookup(part, ids, partition_strategy=case.strategy)
            for part in (weights, biases)
        )
        logits = tf.matmul(inputs, w, transpose_b=True) + b
        one_hot = tf.one_hot(labels, len(ids))
        if name == "full_softmax":
            return tf.nn.softmax_cross_entropy_with_logits(tf.reduce_mean(one_hot, axis=1), logits)
        targets = tf.reduce_max(one_hot, axis=1)
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=1)

    for case in configurations(1000 + block, BLOCK):
        theirs = tensorflow_result(dense, case, labels=case.labels)
        ours = our_result(
            getattr(fc.nn, f"{name}_loss_and_grad"),
            case,
            num_true=case.labels.shape[1],
            partition_strategy=case.strategy,
        )
        plain, exact = (
            getattr(reference, name)(
                case.weights, case.biases, case.labels, case.inputs, upstream=case.upstream, dtype=dtype
            )
            for dtype in (np.float32, np.float64)
        )
        check(judge, case, theirs, ours, plain, exact)


def draw_with_seed(draw: Any, own_seed: int, **arguments: Any) -> Any:
    return draw(**arguments | {"seed": own_seed})


@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("removed", [True, False])
@pytest.mark.parametrize("name", ["sampled_softmax_loss", "nce_loss"])
def test_default_sampler_draws_the_same_stream(
    name: str, num_true: int, removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Successive calls with one seed have the same candidates as TensorFlow's, so the same losses."""
    draw = candidate_sampling_ops.log_uniform_candidate_sampler
    rng = np.random.default_rng(num_true)
    for v, s in ((50, 25), (1000, 64), (5000, 333)):  # above V / 2 the draws need not be TensorFlow's
        weights, biases = rng.normal(size=(v, 16)).astype(np.float32), rng.normal(size=v).astype(np.float32)
        seed, losses = next(_fresh_seeds), []
        if name == "nce_loss":  # it has no seed in TensorFlow: its sampler gets one behind its back
            seeded = partial(draw_with_seed, draw, seed)
            monkeypatch.setattr(candidate_sampling_ops, "log_uniform_candidate_sampler", seeded)
        for _ in range(3):
            labels, inputs = rng.integers(0, v, (9, num_true)), rng.normal(size=(9, 16)).astype(np.float32)
            arguments = {
                "num_sampled": s,
                "num_classes": v,
                "num_true": num_true,
                "remove_accidental_hits": removed,
            }
            seeded_arguments = arguments | {"seed": seed}
            theirs = getattr(tf.nn, name)(
                weights, biases, labels, inputs, **(arguments if name == "nce_loss" else seeded_arguments)
            )
            ours = getattr(fc.nn, name)(weights, biases, labels, inputs, **seeded_arguments)
            np.testing.assert_allclose(ours, theirs, rtol=2e-5)
            losses.append(ours)
        assert not np.allclose(losses[0], losses[1], rtol=1e-2)


def test_gradients_of_bfloat16_weights_are_rounded_by_tensorflow_and_not_here() -> None:
    rng = np.random.default_rng(5)
    weights = rng.normal(size=(20, 4)).astype(tf.bfloat16.as_numpy_dtype)
    inputs, labels = rng.normal(size=(3, 4)).astype(np.float32), np.array([[1], [7], [7]])
    variable = tf.Variable(weights)
    with tf.GradientTape() as tape:
        logits = tf.matmul(tf.cast(inputs, tf.bfloat16), variable, transpose_b=True)
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels[:, 0], logits))
    theirs = tape.gradient(loss, variable).numpy()
    ours = fc.nn.full_softmax_loss_and_grad(weights, None, labels, inputs)[1].weights.to_dense()
    truth = reference.full_softmax(weights.astype(float), None, labels, inputs.astype(float)).d_weights
    assert (theirs.dtype, ours.dtype) == (weights.dtype, np.float32)
    assert np.abs(ours - truth).max() < 1e-6 < 1e-4 < np.abs(theirs.astype(float) - truth).max()
