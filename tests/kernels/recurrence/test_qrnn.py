"""The recurrence and its gradients, against one number after the other in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastcands.kernels.recurrence.dropout import dropout_mask
from fastcands.kernels.recurrence.qrnn import recur, recur_backward
from tests import qrnn_oracle

Array = np.ndarray[Any, Any]
SHAPES = [(1, 1, 1), (1, 1, 67), (5, 3, 7), (3, 2, 64), (4, 1, 193), (7, 5, 131)]
SEED = (3, 9)


class Problem:
    """A recurrence with random numbers."""

    def __init__(self, length: int, num_streams: int, width: int, kind: Any, scale: float = 1.5) -> None:
        generator = np.random.default_rng(length + 10 * width)

        def normal(*shape: int) -> Array:
            return (scale * generator.standard_normal(shape)).astype(kind)

        self.shape = length, num_streams, width
        self.sums, self.biases = normal(length * num_streams, 3 * width), normal(3 * width)
        self.state, self.d_hidden = normal(num_streams, width), normal(length * num_streams, width)
        self.starts = generator.random((length, num_streams)) < 0.3

    def run(self, threads: int, dropout: float = 0.0, offset: int = 3) -> dict[str, Array]:
        """Call both kernels; hidden values are columns of a wider array."""
        length, num_streams, width = self.shape
        kind, rows = self.sums.dtype, length * num_streams
        mask = dropout_mask(dropout, *SEED, 1)
        gates, cells = self.sums.copy(), np.full((rows, width), np.nan, kind)
        outputs = np.full((rows, offset + width), 77, kind)
        recur(gates, self.biases, self.starts, self.state, mask, cells, outputs, offset, threads)
        found = {"gates": gates.copy(), "cells": cells.copy(), "outputs": outputs.copy()}
        d_outputs = np.full((rows, offset + width + 1), 88, kind)
        d_outputs[:, offset:-1] = self.d_hidden
        d_biases, scratch = np.full((num_streams, 3 * width), np.nan, kind), np.full((num_streams, width), np.nan, kind)
        recur_backward(gates, self.starts, self.state, mask, cells, d_outputs, offset, d_biases, scratch, threads)
        assert (outputs[:, :offset] == 77).all()
        assert (d_outputs[:, :offset] == 88).all()
        assert (d_outputs[:, -1] == 88).all()
        return {**found, "d_sums": gates, "d_biases": d_biases}

    def hidden(self, sums: Array, dropout: float) -> tuple[Array, Array]:
        """Return cells and hidden values by the formula."""
        length, num_streams, width = self.shape
        cells, hidden = np.empty((2, length, num_streams, width))
        sums = sums.reshape(length, num_streams, 3, width).astype(np.float64) + self.biases.reshape(3, width)
        for b in range(num_streams):
            before = self.state[b].astype(np.float64)
            for t in range(length):
                before = np.zeros(width) if self.starts[t, b] else before
                before, hidden[t, b] = qrnn_oracle.step(*sums[t, b], before)
                cells[t, b] = before
        dropped = qrnn_oracle.mask(dropout, SEED, 1, (length * num_streams, width))
        return cells.reshape(-1, width), hidden.reshape(-1, width) * dropped

    def gradient(self, dropout: float) -> Array:
        """Return the gradient of the sums, going back through time by the chain rule on the formula's derivatives."""
        length, num_streams, width = self.shape
        sums = self.sums.reshape(length, num_streams, 3, width).astype(np.float64) + self.biases.reshape(3, width)
        dropped = qrnn_oracle.mask(dropout, SEED, 1, (length * num_streams, width))
        d_hidden = (self.d_hidden * dropped).reshape(length, num_streams, width)
        cells = self.hidden(self.sums, dropout)[0].reshape(length, num_streams, width)
        result = np.empty_like(sums)
        z, f, o = np.tanh(sums[:, :, 0]), qrnn_oracle.sigmoid(sums[:, :, 1]), qrnn_oracle.sigmoid(sums[:, :, 2])
        for b in range(num_streams):
            carried = np.zeros(width)
            for t in reversed(range(length)):
                before = self.state[b] if t == 0 else cells[t - 1, b]
                before = np.zeros(width) if self.starts[t, b] else before
                d_cell = carried + d_hidden[t, b] * o[t, b]
                result[t, b, 0] = d_cell * (1 - f[t, b]) / np.cosh(sums[t, b, 0]) ** 2
                result[t, b, 1] = d_cell * (before - z[t, b]) * f[t, b] * qrnn_oracle.sigmoid(-sums[t, b, 1])
                result[t, b, 2] = d_hidden[t, b] * cells[t, b] * o[t, b] * qrnn_oracle.sigmoid(-sums[t, b, 2])
                carried = np.zeros(width) if self.starts[t, b] else d_cell * f[t, b]
        return result.reshape(-1, 3 * width)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward_are_the_formulas(shape: tuple[int, int, int], kind: Any, dropout: float) -> None:
    problem = Problem(*shape, kind)
    found = problem.run(2, dropout)
    cells, hidden = problem.hidden(problem.sums, dropout)
    # numbers near 1 come from subtractions from 1, so an error is a few units in its last place
    unit = float(np.finfo(kind).eps)
    np.testing.assert_allclose(found["cells"], cells, rtol=8 * unit, atol=4 * unit)
    np.testing.assert_allclose(found["outputs"][:, 3:], hidden, rtol=10 * unit, atol=6 * unit)
    expected = problem.gradient(dropout)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found["d_sums"], expected, rtol=40 * unit, atol=20 * unit * scale)
    length, num_streams, width = shape
    by_stream = expected.reshape(length, num_streams, 3 * width).sum(axis=0)
    np.testing.assert_allclose(found["d_biases"], by_stream, rtol=40 * unit, atol=20 * unit * length * scale)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_gradient_is_the_numeric_derivative(dropout: float) -> None:
    problem = Problem(4, 2, 3, np.float64)
    found = problem.run(1, dropout)["d_sums"]
    numeric = np.empty_like(found)
    for index in np.ndindex(found.shape):
        values = []
        for distance in (-1e-5, 1e-5):
            moved = problem.sums.copy()
            moved[index] += distance
            values.append(float((problem.hidden(moved, dropout)[1] * problem.d_hidden).sum()))
        numeric[index] = (values[1] - values[0]) / 2e-5
    np.testing.assert_allclose(found, numeric, rtol=0, atol=1e-9 * np.abs(numeric).max())


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 200), (6, 5, 67), (2, 17, 33)])
def test_the_same_bits_for_any_number_of_threads(shape: tuple[int, int, int]) -> None:
    problem = Problem(*shape, np.float32)
    results = [
        b"".join(array.tobytes() for array in problem.run(threads, 0.3).values()) for threads in (1, 2, 3, 7, 40)
    ]
    assert len(set(results)) == 1


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sums_of_any_size(kind: Any) -> None:
    problem = Problem(3, 2, 40, kind, scale=1e4)  # exponentials overflow, and are zero
    found = problem.run(1)
    cells, _ = problem.hidden(problem.sums, 0.0)
    assert all(np.isfinite(array).all() for array in found.values())
    np.testing.assert_allclose(found["cells"], cells, rtol=1e-5, atol=1e-5)


def test_nan_stays_in_its_stream_and_column() -> None:
    problem = Problem(4, 3, 20, np.float32)
    problem.starts[:] = False
    problem.sums[1 * 3 + 2, 5] = np.nan  # z of time 1, stream 2
    cells = problem.run(1)["cells"].reshape(4, 3, 20)
    wrong = np.zeros_like(cells, bool)
    wrong[1:, 2, 5] = True
    assert (np.isnan(cells) == wrong).all()
