"""Random problems, and how far a result may be from the truth."""

from typing import NamedTuple

import numpy as np

import fastcands as fc

EPS = {np.dtype(np.float32): 1.2e-7, np.dtype(np.float64): 2.3e-16}


class Problem(NamedTuple):
    weights: np.ndarray
    biases: np.ndarray
    labels: np.ndarray
    inputs: np.ndarray
    values: fc.SampledValues
    upstream: np.ndarray


def make(num_classes, dim, batch, num_sampled, num_true=1, *, dtype=np.float32, seed=0, unique=False, spread=0.3):
    rng = np.random.default_rng(seed)
    sampled = rng.permutation(num_classes)[:num_sampled] if unique else rng.integers(0, num_classes, num_sampled)
    counts = rng.random(num_classes) + 0.1
    labels = rng.integers(0, num_classes, (batch, num_true))
    return Problem(
        (rng.normal(size=(num_classes, dim)) * spread).astype(dtype),
        rng.normal(size=num_classes).astype(dtype),
        labels,
        rng.normal(size=(batch, dim)).astype(dtype),
        fc.SampledValues(sampled, counts[labels].astype(np.float32), counts[sampled].astype(np.float32)),
        rng.random(batch).astype(dtype),
    )


def flat(loss, gradients):
    """Return loss and dense gradients by name."""
    dense = {"loss": loss, "d_inputs": gradients.inputs, "d_weights": gradients.weights.to_dense()}
    if gradients.biases is not None:
        dense["d_biases"] = gradients.biases.to_dense()
    return dense


def check_budget(got, truth, plain, *, names=("loss", "d_inputs", "d_weights", "d_biases")):
    """Check |got - truth| <= |plain - truth| + 8 units of the largest number, in the norm of each array.

    `truth` is the reference in float64, `plain` the same formula in the dtype of `got`, by NumPy.
    """
    for name in names:
        if name not in got:
            continue
        exact, mine = np.asarray(getattr(truth, name), float), np.asarray(got[name], float)
        yardstick = np.asarray(getattr(plain, name), float)
        assert mine.shape == exact.shape, name
        size = np.sqrt(max(exact.size, 1)) * np.abs(exact).max(initial=1e-30)
        allowed = np.linalg.norm(yardstick - exact) + 8 * EPS[got["d_inputs"].dtype] * size
        assert np.linalg.norm(mine - exact) <= allowed, name
