"""Bias and spread of sampled softmax against the number of candidates: the figure of docs/losses.md.

A small language model is trained on the running Python's standard library with the exact loss. Then the mean loss of
one batch of held-out words, and its gradient with respect to the table's inputs, are computed exactly and from many
draws of each sampler, with both kinds of expected counts. Run with ``python -m bench.bias``; it takes some two minutes
and writes docs/figures/bias.png.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

import fastcands as fc
from fastcands.data import prepare_corpus, standard_library
from fastcands.models import NGramModel

VOCAB, CONTEXT, DIM, BATCH, STEPS, MR, DRAWS = 2000, 3, 32, 256, 1500, 64, 300
SIZES = [8, 16, 32, 64, 128, 256, 512, 1000]
COLOURS = ["tab:blue", "tab:orange", "tab:green", "tab:red"]
STYLES = {"tensorflow": "-", "unbiased": "--"}
TARGET = Path(__file__).parents[1] / "docs" / "figures" / "bias.png"


class Problem(NamedTuple):
    """A trained table, held-out rows for it, and how often each class came in training."""

    table: fc.ClassTable
    labels: np.ndarray
    inputs: np.ndarray
    counts: np.ndarray


class Estimate(NamedTuple):
    """How the sampled loss and its gradient lie around the exact ones; gradients relative to the exact norm."""

    loss_bias: float
    loss_spread: float
    gradient_bias: float
    gradient_spread: float


def trained() -> Problem:
    """Train on a twentieth of the standard library; the held-out rows are of files it has not seen."""
    corpus = standard_library()
    text = prepare_corpus(dataclasses.replace(corpus, train=corpus.train[::20]), "python", VOCAB)
    counts = text.train.counts(VOCAB)
    model = NGramModel(VOCAB, context=CONTEXT, embedding_dim=DIM, hidden_dim=64, class_counts=counts, seed=0)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(text.train), (STEPS, BATCH)):
        model.train_step(fc.SoftmaxLoss(), text.train.contexts(at, CONTEXT), text.train.ids[at])
    at = rng.integers(0, len(text.test), MR)
    contexts, labels = text.test.contexts(at, CONTEXT), text.test.ids[at]
    print(f"{len(text.train):,} words; exact loss {model.log_loss(contexts, labels):.3f} nats on the held-out rows")
    return Problem(model.table, labels, model.forward(contexts).features, counts)


def samplers(counts: np.ndarray) -> dict[str, Any]:
    """Return the samplers by name. The learned one is held still at what it has learned from the training text."""
    return {
        "uniform": fc.UniformSampler(VOCAB, seed=1),
        "log-uniform": fc.LogUniformSampler(VOCAB, seed=1),
        "fixed unigram, power 0.75": fc.FixedUnigramSampler(VOCAB, unigrams=counts + 1, distortion=0.75, seed=1),
        "learned unigram": fc.FixedUnigramSampler(VOCAB, unigrams=counts + 1, seed=1),
    }


def estimate(problem: Problem, sampler: Any, size: int, expected_count: str) -> Estimate:
    """Compare draws with the exact loss. The gradient's bias is cleared of the noise that finitely many draws leave."""
    table, labels, inputs = problem.table, problem.labels, problem.inputs
    upstream = np.full(MR, 1 / MR, np.float32)
    exact, exact_gradients = fc.SoftmaxLoss().value_and_grad(table.weights, table.biases, labels, inputs, upstream)
    loss = fc.SampledSoftmaxLoss(sampler, size)
    losses, gradients = np.empty(DRAWS), np.empty((DRAWS, inputs.size))
    start = sampler.state_dict()
    for k in range(DRAWS):
        values = sampler.sample(labels, size, expected_count=expected_count)
        value, gradient = loss.value_and_grad(
            table.weights, table.biases, labels, inputs, upstream, sampled_values=values
        )
        losses[k], gradients[k] = value.mean(), gradient.inputs.reshape(-1)
    sampler.load_state_dict(start)  # the same draws for both kinds of expected counts
    norm = np.linalg.norm(exact_gradients.inputs)
    variance = gradients.var(axis=0, ddof=1).sum()
    squared = np.square(gradients.mean(axis=0) - exact_gradients.inputs.reshape(-1)).sum() - variance / DRAWS
    seen = squared > 2 * variance / DRAWS  # else it is lost in the noise
    return Estimate(
        losses.mean() - exact.mean(),
        losses.std(ddof=1),
        np.sqrt(squared) / norm if seen else np.nan,
        np.sqrt(variance) / norm,
    )


def main() -> None:
    """Measure and draw."""
    problem = trained()
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained", sharex=True)
    for colour, (name, sampler) in zip(COLOURS, samplers(problem.counts).items(), strict=True):
        for expected_count, style in STYLES.items():
            results = [estimate(problem, sampler, size, expected_count) for size in SIZES]
            for result, size in zip(results, SIZES, strict=True):
                print(f"{name:25} {expected_count:11} {size:5}  " + "  ".join(f"{number:9.5f}" for number in result))
            label = f"{name}, {expected_count}"
            for axis, numbers in zip(axes.reshape(-1), np.transpose(results), strict=True):
                axis.plot(SIZES, numbers, style, marker=".", color=colour, label=label)
    titles = (
        "loss: mean over draws − exact (nats)",
        "loss: standard deviation (nats)",
        "gradient: |mean over draws − exact| / |exact|",
        "gradient: standard deviation / |exact|",
    )
    for axis, title in zip(axes.reshape(-1), titles, strict=True):
        axis.set(title=title, xscale="log")
        axis.grid(alpha=0.3)
        if axis is not axes[0, 0]:
            axis.set(yscale="log")
    for axis in axes[1]:
        axis.set(xlabel="candidates S")
    figure.suptitle(f"Sampled softmax beside exact softmax: {VOCAB:,} classes, {MR} held-out rows, {DRAWS} draws")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main()
