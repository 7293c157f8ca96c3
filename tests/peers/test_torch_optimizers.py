"""The row-sparse optimizers against PyTorch's on sparse gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import fastcands as fc

torch.sparse.check_sparse_tensor_invariants.enable()

PAIRS: dict[str, tuple[Any, Callable[[Any], torch.optim.Optimizer]]] = {
    "sgd": (fc.SGD(0.3), lambda p: torch.optim.SGD(p, lr=0.3)),
    "adagrad": (
        fc.Adagrad(0.3),
        lambda p: torch.optim.Adagrad(p, lr=0.3, initial_accumulator_value=0.1, eps=1e-7),
    ),
    "adagrad from zero": (
        fc.Adagrad(0.05, initial_accumulator=0, epsilon=1e-10),
        lambda p: torch.optim.Adagrad(p, lr=0.05, initial_accumulator_value=0, eps=1e-10),
    ),
    "adagrad with a schedule": (
        fc.Adagrad(lambda step: 0.3 / (1 + step * 0.5)),
        lambda p: torch.optim.Adagrad(p, lr=0.3, lr_decay=0.5, initial_accumulator_value=0.1, eps=1e-7),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (37, 5), (37, 64), (101,)])
@pytest.mark.parametrize("name", PAIRS)
def test_steps_are_pytorchs(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Twenty steps whose gradients repeat ids, as `torch.nn.Embedding(sparse=True)` gives them."""
    ours, build = PAIRS[name]
    rng = np.random.default_rng(4)
    table = rng.normal(size=shape).astype(dtype)
    start = table.copy()
    state = ours.init(table)
    parameter = torch.nn.Parameter(torch.from_numpy(table.copy()))
    theirs = build([parameter])
    untouched = set(range(shape[0]))
    for step in range(20):
        ids = rng.integers(0, max(1, shape[0] // 2), int(rng.integers(0, 12)))
        rows = rng.normal(size=(len(ids), *shape[1:])).astype(dtype)
        untouched -= set(ids.tolist())
        parameter.grad = torch.sparse_coo_tensor(
            torch.from_numpy(ids)[None], torch.from_numpy(rows), shape, check_invariants=True
        )
        theirs.step()
        ours.update(table, state, fc.RowGradient.from_pairs(ids, rows, shape[0]), step=step)
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    np.testing.assert_allclose(table, parameter.detach().numpy(), rtol=tolerance, atol=tolerance)
    if state:
        accumulator = theirs.state[parameter]["sum"].numpy()
        np.testing.assert_allclose(state["accumulator"], accumulator, rtol=tolerance, atol=tolerance)
    left = sorted(untouched)
    np.testing.assert_array_equal(table[left], start[left])
    assert (table != start).any()
