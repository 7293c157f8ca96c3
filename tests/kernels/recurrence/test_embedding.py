"""Pairs of embeddings as inputs, and the gradient of the embeddings, against plain loops."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from fastcands.kernels.recurrence.dropout import dropout_mask
from fastcands.kernels.recurrence.embedding import gather_pairs, pair_gradients
from tests import qrnn_oracle


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("stored", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("length", "num_streams", "width"), [(1, 1, 1), (4, 3, 17), (9, 2, 5)])
def test_both_passes(length: int, num_streams: int, width: int, stored: str, dropout: float) -> None:
    generator = np.random.default_rng(1)
    table = generator.standard_normal((11, width)).astype(ml_dtypes.bfloat16 if stored == "bfloat16" else stored)
    kind: Any = np.float64 if stored == "float64" else np.float32
    words = generator.integers(0, 11, (length + 1, num_streams))
    starts = generator.random((length, num_streams)) < 0.4
    dropped = qrnn_oracle.mask(dropout, (1, 2), 0, (words.size, width)).reshape(*words.shape, width)
    x = 10 * table.astype(np.float64)[words] * dropped
    before = np.where(starts[..., None], 0, x[:-1])
    expected = np.concatenate([before, x[1:]], axis=2).reshape(starts.size, 2 * width)

    d_inputs = generator.standard_normal((starts.size, 2 * width)).astype(kind)
    d_outputs = generator.standard_normal((starts.size, width + 3)).astype(kind)
    d_x = np.zeros(x.shape)
    shape = (length, num_streams, width)
    d_x[1:] += d_inputs[:, width:].reshape(shape).astype(np.float64) + d_outputs[:, :width].reshape(shape)
    d_x[:-1] += np.where(starts[..., None], 0, d_inputs[:, :width].reshape(shape))
    d_expected = (10 * d_x * dropped).reshape(words.size, width)

    bits = table.view(np.uint16) if stored == "bfloat16" else table
    mask, results = dropout_mask(dropout, 1, 2, 0), []
    for threads in (1, 2, 5):
        inputs = np.full((starts.size, 2 * width + 2), 55, kind)
        gather_pairs(
            bits.dtype.type(0), bits.ctypes.data, bits.strides[0], words, starts, kind(10), mask, width, inputs, threads
        )
        assert (inputs[:, 2 * width :] == 55).all()
        d_rows = np.full((words.size, width), np.nan, kind)
        pair_gradients(d_inputs, d_outputs, starts, kind(10), mask, d_rows, threads)
        results.append(inputs.tobytes() + d_rows.tobytes())
    unit = float(np.finfo(kind).eps)
    np.testing.assert_allclose(inputs[:, : 2 * width], expected, rtol=4 * unit)
    np.testing.assert_allclose(d_rows, d_expected, rtol=4 * unit, atol=100 * unit)
    assert len(set(results)) == 1
