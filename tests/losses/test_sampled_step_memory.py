"""Memory that a sampled loss allocates in addition to its results."""

import tracemalloc

import numpy as np
import pytest

import fastcands as fc
from fastcands import workspace

V, D, B, S = 20_000, 16, 512, 8192


@pytest.fixture
def peak(monkeypatch):
    """Give a function that runs a call and returns the bytes it had allocated at its highest."""

    def measure(call):
        call()  # compile and load first: that is memory of another kind
        for name, empty in (("buffers", {}), ("sets", {}), ("arena", np.empty(0, np.uint8))):
            monkeypatch.setattr(workspace._pool, name, empty)
        tracemalloc.start()
        call()
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    return measure


@pytest.mark.parametrize("loss_class", [fc.SampledSoftmaxLoss, fc.NCELoss])
def test_one_array_of_logits_for_gradients_and_none_for_the_value(peak, loss_class):
    rng = np.random.default_rng(0)
    weights, inputs = rng.normal(size=(V, D)).astype(np.float32), rng.normal(size=(B, D)).astype(np.float32)
    arguments = weights, np.zeros(V, np.float32), rng.integers(0, V, B), inputs
    loss = loss_class(fc.LogUniformSampler(V, seed=1), S)
    logits = B * S * 4
    assert peak(lambda: loss.value(*arguments)) < logits / 4
    assert peak(lambda: loss.value_and_grad(*arguments)) < 1.25 * logits
