"""Random problems, and how far a result may be from the truth: in the norm of each array, and by element."""

from typing import NamedTuple

import numpy as np

import fastcands as fc

EPS = {np.dtype(np.float32): 1.2e-7, np.dtype(np.float64): 2.3e-16}
UNITS = {"high": 2.0**-17, "medium": 2.0**-9}
"""Rounding of a factor in a tier: of the two bfloat16 parts of one, of one bfloat16 number."""

LIMIT = 10.0
"""Over 30 seeds of every shape and option in these tests the worst element was off by 2.5 units of its size in float32,
4.1 in float64, 3.1 in 'high' and 3.6 in 'medium'; code for a Haswell was no worse."""


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


def worst_elements(got, exactly, unit=None):
    """Return by name the largest error of an element in units of its size.

    `unit` is how well a factor is known: by default as well as a sum is, to the rounding of the results' dtype.
    """
    eps = EPS[got["d_inputs"].dtype]
    tiny = 1e-36 if eps > 1e-9 else 1e-300  # a probability that the dtype does not hold is zero
    worst = {}
    for name, value in got.items():
        truth, factors, sums = (getattr(part, name) for part in exactly)
        assert value.shape == truth.shape, name
        size = (unit or eps) * factors + eps * sums + tiny
        worst[name] = (np.abs(value.astype(float) - truth) / size).max(initial=0)
    return worst


def check_elements(got, exactly, unit=None):
    """Check that no element is off by more than `LIMIT` units of the magnitude of what was summed for it."""
    for name, worst in worst_elements(got, exactly, unit).items():
        assert worst <= LIMIT, f"{name}: an element is off by {worst:.3g} units of its size"


def check_norms(got, truth, plain):
    """Check |got - truth| <= |plain - truth| + 8 units of the largest number, in the norm of each array."""
    for name, value in got.items():
        exactly, mine = np.asarray(getattr(truth, name), float), np.asarray(value, float)
        yardstick = np.asarray(getattr(plain, name), float)
        assert mine.shape == exactly.shape, name
        size = np.sqrt(max(exactly.size, 1)) * np.abs(exactly).max(initial=1e-30)
        allowed = np.linalg.norm(yardstick - exactly) + 8 * EPS[got["d_inputs"].dtype] * size
        assert np.linalg.norm(mine - exactly) <= allowed, name


def check_budget(got, truth, plain, exactly):
    """Check norms, then every element.

    `truth` is the reference in float64, `plain` the same formula in the dtype of `got`, by NumPy; `exactly` is what
    `exact` says of the same problem and options.
    """
    check_norms(got, truth, plain)
    for name in got:  # two ways to the same
        want = getattr(truth, name)
        tolerance = 1e-13 * max(1.0, np.abs(want).max(initial=0))
        np.testing.assert_allclose(getattr(exactly.truth, name), want, rtol=0, atol=tolerance, err_msg=name)
    check_elements(got, exactly)
