"""The row-sparse optimizers against PyTorch's, on sparse gradients and on dense ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import fastcands as fc

torch.sparse.check_sparse_tensor_invariants.enable()

Build = Callable[[Any], torch.optim.Optimizer]
STATE_NAMES = {
    "velocity": "momentum_buffer",
    "accumulator": "sum",
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
}
SHAPES = [(1, 1), (37, 5), (37, 64), (101,)]

SPARSE: dict[str, tuple[Any, Build]] = {
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
    # PyTorch adds epsilon before the second moment's bias is corrected: it has to be too small to matter
    "adam whose moments stand still": (
        fc.LazyAdam(0.05, 0.8, 0.95, epsilon=1e-18),
        lambda p: torch.optim.SparseAdam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-18),
    ),
}

DENSE: dict[str, tuple[Any, Build]] = {
    "sgd with decay": (fc.SGD(0.1, weight_decay=0.2), lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.2)),
    "momentum": (fc.Momentum(0.1), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "momentum, nesterov, decay": (
        fc.Momentum(0.1, 0.7, nesterov=True, catch_up=True, weight_decay=0.2),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.7, nesterov=True, weight_decay=0.2),
    ),
    "adagrad with decay": (
        fc.Adagrad(0.3, weight_decay=0.2),
        lambda p: torch.optim.Adagrad(p, lr=0.3, weight_decay=0.2, initial_accumulator_value=0.1, eps=1e-7),
    ),
    "adam": (fc.LazyAdam(0.05, epsilon=1e-3), lambda p: torch.optim.Adam(p, lr=0.05, eps=1e-3)),
    "adamw": (
        fc.LazyAdam(0.05, 0.8, 0.95, catch_up=True, weight_decay=0.3),
        lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), weight_decay=0.3),
    ),
}


def tolerance(dtype: Any) -> float:
    return 2e-6 if dtype == np.float32 else 1e-14


def assert_same_state(state: Any, theirs: Any, rows: Any, dtype: Any) -> None:
    for key, array in state.items():
        if key != "last_step":
            expected = theirs[STATE_NAMES[key]].numpy()[rows]
            np.testing.assert_allclose(array[rows], expected, rtol=tolerance(dtype), atol=tolerance(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SPARSE)
def test_steps_on_sparse_gradients(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    """Twenty steps whose gradients repeat ids, as `torch.nn.Embedding(sparse=True)` gives them."""
    ours, build = SPARSE[name]
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
    np.testing.assert_allclose(table, parameter.detach().numpy(), rtol=tolerance(dtype), atol=tolerance(dtype))
    assert_same_state(state, theirs.state[parameter], slice(None), dtype)
    left = sorted(untouched)
    np.testing.assert_array_equal(table[left], start[left])
    assert (table != start).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DENSE)
def test_steps_with_every_row(name: str, shape: tuple[int, ...], dtype: Any) -> None:
    ours, build = DENSE[name]
    rng = np.random.default_rng(5)
    table = rng.normal(size=shape).astype(dtype)
    state = ours.init(table)
    parameter = torch.nn.Parameter(torch.from_numpy(table.copy()))
    theirs = build([parameter])
    for step in range(20):
        gradient = rng.normal(size=shape).astype(dtype)
        parameter.grad = torch.from_numpy(gradient)
        theirs.step()
        ours.update(table, state, fc.RowGradient(np.arange(shape[0]), gradient, shape[0]), step=step)
    np.testing.assert_allclose(table, parameter.detach().numpy(), rtol=tolerance(dtype), atol=tolerance(dtype))
    assert_same_state(state, theirs.state[parameter], slice(None), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("ours", "build"),
    [
        (fc.Momentum(0.1, 0.8, catch_up=True), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8)),
        (fc.LazyAdam(0.1, 0.8, 0.95, catch_up=True), lambda p: torch.optim.Adam(p, lr=0.1, betas=(0.8, 0.95))),
    ],
    ids=["momentum", "adam"],
)
def test_moments_that_catch_up_are_the_dense_ones(ours: Any, build: Build, dtype: Any) -> None:
    """A dense gradient that is zero in the rows outside the step. The weights differ, and are not compared."""
    rng = np.random.default_rng(6)
    table = rng.normal(size=(30, 4)).astype(dtype)
    state = ours.init(table)
    parameter = torch.nn.Parameter(torch.from_numpy(table.copy()))
    theirs = build([parameter])
    for step in range(40):
        ids = np.sort(rng.permutation(30)[: int(rng.integers(0, 6))])
        gradient = fc.RowGradient(ids, rng.normal(size=(len(ids), 4)).astype(dtype), 30)
        parameter.grad = torch.from_numpy(gradient.to_dense())
        theirs.step()
        ours.update(table, state, gradient, step=step)
        assert_same_state(state, theirs.state[parameter], ids, dtype)
    assert np.abs(table - parameter.detach().numpy()).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rowwise_adagrad_is_adagrad_where_rows_have_one_number(dtype: Any) -> None:
    rng = np.random.default_rng(7)
    table = rng.normal(size=(30, 1)).astype(dtype)
    ours = fc.RowwiseAdagrad(0.3, weight_decay=0.1)
    state = ours.init(table)
    parameter = torch.nn.Parameter(torch.from_numpy(table.copy()))
    theirs = torch.optim.Adagrad([parameter], lr=0.3, weight_decay=0.1, initial_accumulator_value=0.1, eps=1e-7)
    for _ in range(10):
        gradient = rng.normal(size=(30, 1)).astype(dtype)
        parameter.grad = torch.from_numpy(gradient)
        theirs.step()
        ours.update(table, state, fc.RowGradient(np.arange(30), gradient, 30))
    np.testing.assert_allclose(table, parameter.detach().numpy(), rtol=tolerance(dtype), atol=tolerance(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_clipped_as_renorm_does(dtype: Any) -> None:
    rng = np.random.default_rng(8)
    rows = (rng.normal(size=(30, 6)) * np.geomspace(0.01, 10, 30)[:, None]).astype(dtype)
    table = np.zeros((30, 6), dtype)
    fc.SGD(1.0, clip_norm=0.75).update(table, {}, fc.RowGradient(np.arange(30), rows, 30))
    expected = torch.renorm(torch.from_numpy(rows), p=2, dim=0, maxnorm=0.75).numpy()
    # PyTorch adds 1e-7 to the norm it divides by
    np.testing.assert_allclose(-table, expected, rtol=1e-6, atol=0)
