"""Steps of the row-sparse optimizers against dense NumPy, in every layout, for any threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc
from fastcands.optimizers import row_step
from tests.optimizers.dense import OPTIMIZERS, Dense, random_gradient


@pytest.fixture
def _threads_for_few_numbers() -> Iterator[None]:
    """Let the smallest step use all threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_step, "_NUMBERS_PER_THREAD", 1)
        yield


def is_exact(optimizer: Any) -> bool:
    """Whether sums and products round once each, so that compiled and NumPy code agree to the last bit."""
    catch_up = getattr(optimizer, "catch_up", False)
    return optimizer.clip_norm is None and not catch_up and not isinstance(optimizer, fc.RowwiseAdagrad)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (50, 7), (50, 64), (40,), (9, 0)])
def test_steps_are_those_of_the_dense_optimizer(optimizer: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    table = rng.normal(size=shape).astype(dtype)
    dense, state = Dense(optimizer, table), optimizer.init(table)
    tolerance = 0 if is_exact(optimizer) else (1e-5 if dtype == np.float32 else 1e-13)
    seen: set[int] = set()
    for step, num_ids in enumerate((1, shape[0], 0, (shape[0] + 1) // 2, 1, shape[0] // 3)):
        gradient = random_gradient(rng, shape, num_ids, dtype)
        before, outside = table.copy(), np.setdiff1d(np.arange(shape[0]), gradient.ids)
        optimizer.update(table, state, gradient, step=step)
        dense.step(gradient, step)
        assert_array_equal(table[outside], before[outside])
        assert_allclose(table, dense.table, rtol=tolerance, atol=tolerance)
        for name, moment in dense.moments.items() if table.size else []:
            ours, theirs = state[name][gradient.ids], moment[gradient.ids]
            assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance, err_msg=name)
        seen |= set(gradient.ids.tolist())
        if "last_step" in state and table.size:
            assert (state["last_step"][gradient.ids] == step).all()
            assert (state["last_step"][sorted(set(range(shape[0])) - seen)] == -1).all()


def test_the_oracle_is_dense_where_nothing_outside_the_step_would_move() -> None:
    """Without momentum and decay the dense step leaves the other rows alone by itself."""
    rng = np.random.default_rng(1)
    start = rng.normal(size=(9, 3))
    gradient = random_gradient(rng, (9, 3), 4, np.float64)
    for optimizer in (fc.SGD(0.3), fc.Adagrad(0.3), fc.RowwiseAdagrad(0.3)):
        dense = Dense(optimizer, start)
        dense._all_rows(gradient.to_dense(), np.ones(9), 0)
        outside = np.setdiff1d(np.arange(9), gradient.ids)
        assert_array_equal(dense.table[outside], start[outside])


numbers = st.floats(0, 2, width=32)
decays = st.floats(0, 0.999)
lengths = st.none() | st.floats(0.01, 10)


@st.composite
def any_optimizer(draw: st.DrawFn) -> Any:
    shared = {"weight_decay": draw(numbers), "clip_norm": draw(lengths)}
    lr = draw(numbers)
    name = draw(st.sampled_from(["SGD", "Momentum", "Adagrad", "RowwiseAdagrad", "LazyAdam"]))
    if name == "SGD":
        return fc.SGD(lr, **shared)
    if name == "Momentum":
        return fc.Momentum(lr, draw(st.floats(0.1, 0.99)), draw(st.booleans()), draw(st.booleans()), **shared)
    if name == "LazyAdam":
        return fc.LazyAdam(lr, draw(decays), draw(decays), 1e-3, draw(st.booleans()), **shared)
    return getattr(fc, name)(lr, draw(numbers), draw(st.floats(1e-3, 1)), **shared)


@pytest.mark.usefixtures("_threads_for_few_numbers")
@given(data=st.data())
def test_any_options_any_threads(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 20)))
    optimizer = data.draw(any_optimizer())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    start = rng.normal(size=shape)
    gradients = [random_gradient(rng, shape, data.draw(st.integers(0, shape[0])), np.float64) for _ in range(3)]
    results = []
    for n in (1, 2, 3, 7):
        table = start.copy()
        state = optimizer.init(table)
        with fc.num_threads(n):
            for step, gradient in enumerate(gradients):
                optimizer.update(table, state, gradient, step=step)
        results.append([table, *state.values()])
    for other in results[1:]:
        for ours, expected in zip(other, results[0], strict=True):
            assert_array_equal(ours, expected)
    dense = Dense(optimizer, start)
    for step, gradient in enumerate(gradients):
        dense.step(gradient, step)
    assert_allclose(results[0][0], dense.table, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_enough_rows_for_all_threads(optimizer: Any) -> None:
    rng = np.random.default_rng(6)
    start = rng.normal(size=(900, 64)).astype(np.float32)
    gradient = random_gradient(rng, start.shape, 700, np.float32)
    results = []
    for n in (1, 2, 5):
        table = start.copy()
        state = optimizer.init(table)
        with fc.num_threads(n):
            optimizer.update(table, state, gradient, step=0)
        results.append([table, *state.values()])
    for other in results[1:]:
        for ours, expected in zip(other, results[0], strict=True):
            assert_array_equal(ours, expected)


def columns_of_a_wider_array(table: Any) -> Any:
    wide = np.zeros((len(table), 11), table.dtype)
    wide[:, 3:8] = table
    return wide[:, 3:8]


LAYOUTS = {
    "transposed": np.asfortranarray,
    "reversed": lambda table: table[::-1].copy()[::-1],
    "every third row": lambda table: np.repeat(table, 3, axis=0)[::3],
    "columns of a wider array": columns_of_a_wider_array,
    "every other column": lambda table: np.repeat(table, 2, axis=1)[:, ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS[1::2], ids=repr)
def test_strides_do_not_matter(layout: str, optimizer: Any) -> None:
    """Table, moments and gradient of any strides; a read-only gradient."""
    rng = np.random.default_rng(2)
    plain = rng.normal(size=(12, 5)).astype(np.float32)
    strided, both = LAYOUTS[layout](plain), LAYOUTS[layout](plain)
    assert not strided.flags.c_contiguous
    gradient = random_gradient(rng, (12, 5), 8, np.float32)
    readonly = gradient.rows[::-1].copy()[::-1]
    readonly.setflags(write=False)
    states = []
    for table, rows in ((plain, gradient.rows), (strided, readonly), (both, gradient.rows)):
        state = optimizer.init(table)
        if table is both:
            state = {key: LAYOUTS[layout](array) if array.ndim == 2 else array for key, array in state.items()}
        for step in range(2):
            optimizer.update(table, state, gradient._replace(rows=rows), step=step)
        states.append(state)
    assert_array_equal(strided, plain)
    assert_array_equal(both, plain)
    for key, array in states[0].items():
        assert_array_equal(states[1][key], array)
        assert_array_equal(states[2][key], array)


def test_biases_of_any_stride() -> None:
    both = np.zeros((6, 2), np.float32)
    gradient = fc.RowGradient(np.array([1, 4]), np.array([1, 2], np.float32), 6)
    fc.SGD(1.0).update(both[:, 1], {}, gradient)
    assert both.tolist() == [[0, 0], [0, -1], [0, 0], [0, 0], [0, -2], [0, 0]]


@pytest.mark.parametrize("optimizer", [fc.Adagrad(0.5), fc.RowwiseAdagrad(0.5)], ids=repr)
def test_memmaps_are_changed_on_disk(tmp_path: Any, optimizer: Any) -> None:
    path, state_path = tmp_path / "table.npy", tmp_path / "state.npy"
    np.save(path, np.zeros((4, 2), np.float32))
    table = np.load(path, mmap_mode="r+")
    np.save(state_path, optimizer.init(table)["accumulator"])
    state = {"accumulator": np.load(state_path, mmap_mode="r+")}
    gradient = fc.RowGradient(np.array([2]), np.ones((1, 2), np.float32), 4)
    optimizer.update(table, state, gradient)
    table.flush()
    state["accumulator"].flush()
    rate = 0.5 / np.sqrt(1.1)
    assert_allclose(np.load(path), [[0, 0], [0, 0], [-rate, -rate], [0, 0]], rtol=1e-6)
    assert_allclose(np.load(state_path)[2], 1.1, rtol=1e-6)
    with pytest.raises(ValueError, match="table must be writable, got a read-only array"):
        optimizer.update(np.load(path, mmap_mode="r"), state, gradient)


def test_gradient_that_is_a_part_of_the_table() -> None:
    table = np.arange(6, dtype=np.float64).reshape(6, 1)
    gradient = fc.RowGradient(np.arange(3, 6), table[2:5], 6)
    with fc.num_threads(2):
        fc.SGD(1.0).update(table, {}, gradient)
    assert table[:, 0].tolist() == [0, 1, 2, 1, 1, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_bad_element_stays_alone(bad: float, optimizer: Any) -> None:
    rows = np.ones((2, 9), np.float32)
    rows[1, 4] = bad
    table = np.zeros((5, 9), np.float32)
    optimizer.update(table, optimizer.init(table), fc.RowGradient(np.array([0, 3]), rows, 5), step=0)
    spoilt = np.argwhere(~np.isfinite(table)).tolist()
    if isinstance(optimizer, fc.RowwiseAdagrad) and (np.isnan(bad) or optimizer.clip_norm):
        assert spoilt == [[3, d] for d in range(9)]  # its rate belongs to the row
    else:
        assert spoilt == [[3, 4]]


@pytest.mark.parametrize("shape", [(8, 3), (8,)])
def test_a_clipped_row_has_the_norm(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=shape) * 10.0 ** np.arange(-4, 4).reshape(-1, *[1] * (len(shape) - 1))
    table = np.zeros(shape)
    fc.SGD(1.0, clip_norm=0.5).update(table, {}, fc.RowGradient(np.arange(8), rows, 8))
    norms = np.sqrt((rows.reshape(8, -1) ** 2).sum(axis=1))
    assert (norms > 0.5).sum() == 4
    assert_allclose(np.sqrt((table.reshape(8, -1) ** 2).sum(axis=1)), np.minimum(norms, 0.5), rtol=1e-14)
    short = norms <= 0.5
    assert_array_equal(table[short], -rows[short])  # not scaled at all


@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e37), (np.float32, 1e-30), (np.float64, 1e300)])
def test_squares_beyond_the_range_do_not_mislead_the_limit(dtype: Any, size: float) -> None:
    table = np.zeros((1, 4), dtype)
    rows = np.full((1, 4), size, dtype)
    fc.SGD(1.0, clip_norm=1.0).update(table, {}, fc.RowGradient(np.array([0]), rows, 1))
    assert_allclose(table, -min(size, 0.5), rtol=1e-6)


def test_learning_rate_of_the_step() -> None:
    seen: list[int] = []

    def schedule(step: int) -> float:
        seen.append(step)
        return 1.0 / (1 + step)

    table = np.zeros(2, np.float64)
    gradient = fc.RowGradient(np.array([1]), np.ones(1), 2)
    for step in range(3):
        fc.SGD(schedule).update(table, {}, gradient, step=step)
    assert seen == [0, 1, 2]
    assert_allclose(table, [0, -(1 + 1 / 2 + 1 / 3)])


@pytest.mark.parametrize("momentum", [fc.Momentum, fc.LazyAdam])
def test_moments_catch_up_over_very_many_steps(momentum: Any) -> None:
    optimizer = momentum(0.1, catch_up=True)
    table = np.ones((2, 3), np.float32)
    state, gradient = optimizer.init(table), fc.RowGradient(np.array([1]), np.ones((1, 3), np.float32), 2)
    optimizer.update(table, state, gradient, step=0)
    first = {key: array[1].copy() for key, array in state.items() if key != "last_step"}
    optimizer.update(table, state, gradient, step=2**40)
    for key, moment in first.items():  # nothing is left of what was
        assert_array_equal(state[key][1], moment)
    assert state["last_step"].tolist() == [-1, 2**40]
    assert np.isfinite(table).all()


@pytest.mark.parametrize("catch_up", [False, True])
def test_moments_of_rows_that_miss_steps(catch_up: bool) -> None:
    optimizer = fc.LazyAdam(0.1, 0.5, 0.75, catch_up=catch_up)
    table = np.zeros((2, 1))
    state = optimizer.init(table)
    for step in (0, 3):
        optimizer.update(table, state, fc.RowGradient(np.array([0]), np.ones((1, 1)), 2), step=step)
    left1, left2 = (0.5**3, 0.75**3) if catch_up else (0.5, 0.75)
    assert_allclose(state["first_moment"][:, 0], [0.5 * left1 + 0.5, 0], rtol=1e-15)
    assert_allclose(state["second_moment"][:, 0], [0.25 * left2 + 0.25, 0], rtol=1e-15)


def test_tiny_gradients_count_as_zero_where_their_squares_are_denormal() -> None:
    table = np.zeros((1, 2), np.float32)
    optimizer = fc.Adagrad(1.0, initial_accumulator=0, epsilon=1e-10)
    state = optimizer.init(table)
    optimizer.update(table, state, fc.RowGradient(np.array([0]), np.array([[1e-21, 1e-15]], np.float32), 1))
    assert state["accumulator"][0, 0] == 0
    assert_allclose(state["accumulator"][0, 1], 1e-30, rtol=1e-6)
    assert_allclose(table[0], [-1e-11, -1e-15 / (1e-15 + 1e-10)], rtol=1e-5)


def _steps_of_small_gradients(optimizer: Any, dtype: Any, size: float) -> tuple[Any, Any, Any]:
    """Return a table after 20 steps, what `Dense` makes of it in a wider type, and how far each weight went."""
    rng = np.random.default_rng(8)
    table = (rng.normal(size=(30, 8)) * size).astype(dtype)
    dense, state, way = Dense(optimizer, table.astype(np.longdouble)), optimizer.init(table), 0
    for step in range(20):
        before, rows = dense.table, (rng.normal(size=(30, 8)) * size).astype(dtype)
        optimizer.update(table, state, fc.RowGradient(np.arange(30), rows, 30), step=step)
        dense.step(fc.RowGradient(np.arange(30), rows.astype(np.longdouble), 30), step)
        way = way + np.abs(dense.table - before)
    return table, dense.table, way


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [fc.SGD(0.3, weight_decay=0.25), fc.Momentum(0.3, 0.5, nesterov=True)], ids=repr)
def test_denormal_numbers_change_a_weight_by_no_more_than_they_may(optimizer: Any, dtype: Any) -> None:
    tiny = np.finfo(dtype).tiny
    table, want, _ = _steps_of_small_gradients(optimizer, dtype, tiny)
    error = np.abs(table - want).max()
    assert 0 < error <= 20 * 4 * tiny / (1 - getattr(optimizer, "momentum", 0))


@pytest.mark.parametrize(
    "optimizer",
    [
        fc.Adagrad(0.3, initial_accumulator=0, epsilon=3e-18),
        fc.RowwiseAdagrad(0.3, initial_accumulator=0, epsilon=3e-18),
        fc.LazyAdam(0.3, epsilon=3e-17),
        fc.Adagrad(0.3, initial_accumulator=0),
        fc.LazyAdam(0.3),
    ],
    ids=repr,
)
@pytest.mark.parametrize("size", [1e-20, 3e-20, 1e-19, 1e-18, 1e-17])
def test_lost_squares_change_a_step_by_no_more_than_they_may(optimizer: Any, size: float) -> None:
    lost = 3 / (1 - optimizer.beta2) if isinstance(optimizer, fc.LazyAdam) else 2 * 20
    relative = 2.0**-63 * np.sqrt(lost) / optimizer.epsilon
    table, want, way = _steps_of_small_gradients(optimizer, np.float32, size)
    assert (np.abs(table - want) <= (relative + 2e-6) * (way + size)).all()
