"""The quasi-recurrent layers against PyTorch's automatic differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fastcands.models import QRNN


def features(p: dict[str, torch.Tensor], words: Any, starts: Any, state: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the features (T * B, D) and the last cells, written as PyTorch's users would."""
    x = 10 * p["embedding"][torch.from_numpy(words)]
    goes_on = torch.from_numpy(~starts)[..., None]
    both = torch.cat([x[:-1] * goes_on, x[1:]], dim=-1)
    z, f, o = (both @ p["gate_weights"] + p["gate_biases"]).chunk(3, dim=-1)
    z, f, o = torch.tanh(z), torch.sigmoid(f), torch.sigmoid(o)
    cells, hidden = torch.from_numpy(state), []
    for t in range(len(starts)):
        cells = torch.lerp(z[t], cells * goes_on[t], f[t])
        hidden.append(o[t] * cells)
    outputs = torch.cat([x[1:], torch.stack(hidden)], dim=-1)
    return (outputs @ p["feature_weights"] + p["feature_biases"]).flatten(0, 1), cells


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("length", "num_streams", "width"), [(1, 1, 1), (9, 4, 13), (21, 1, 67), (16, 12, 64)])
def test_features_and_gradients(length: int, num_streams: int, width: int, dtype: str) -> None:
    generator = np.random.default_rng(width)
    layers = QRNN(23, embedding_dim=7, hidden_dim=width, feature_dim=5, dtype=dtype, seed=1)
    kind: Any = np.dtype(dtype).type
    layers.parameters["feature_weights"][:7] = generator.standard_normal((7, 5))
    words = generator.integers(0, 23, (length + 1, num_streams))
    starts = generator.random((length, num_streams)) < 0.2
    state = generator.standard_normal((num_streams, width)).astype(dtype)
    d_features = generator.standard_normal((length * num_streams, 5)).astype(dtype)

    ours = layers.forward(words, starts, state)
    theirs = {name: torch.tensor(array, requires_grad=True) for name, array in layers.parameters.items()}
    expected, cells = features(theirs, words, starts, state)
    expected.backward(torch.from_numpy(d_features))
    expected, cells = expected.detach(), cells.detach()
    unit = 10 * float(np.finfo(kind).eps)
    np.testing.assert_allclose(ours.features, expected, rtol=0, atol=unit * float(expected.abs().max()))
    np.testing.assert_allclose(ours.state, cells, rtol=0, atol=unit * float(cells.abs().max()))
    gradients = layers.backward(ours, d_features)._asdict()
    gradients["embedding"] = gradients["embedding"].to_dense()
    for name, tensor in theirs.items():
        assert tensor.grad is not None
        found = tensor.grad.numpy()
        np.testing.assert_allclose(gradients[name], found, rtol=0, atol=3 * unit * np.abs(found).max(), err_msg=name)
