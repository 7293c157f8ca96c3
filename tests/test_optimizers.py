"""Row-sparse optimizers against dense NumPy, and what they refuse."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc

OPTIMIZERS = [fc.SGD(0.3), fc.Adagrad(0.3), fc.Adagrad(0.3, initial_accumulator=0, epsilon=1e-3)]


def dense_step(optimizer: Any, table: Any, accumulator: Any, gradient: Any, lr: float) -> tuple[Any, Any]:
    """Make the step of the whole table in its own dtype."""
    kind = table.dtype.type
    if isinstance(optimizer, fc.SGD):
        return table - kind(lr) * gradient, accumulator
    accumulator = accumulator + gradient * gradient
    # a row without gradient may have an accumulator of zero
    root = np.sqrt(accumulator) + kind(optimizer.epsilon)
    return table - kind(lr) * gradient / root, accumulator


def random_gradient(rng: Any, shape: tuple[int, ...], num_ids: int, dtype: Any) -> fc.RowGradient:
    ids = np.sort(rng.permutation(shape[0])[:num_ids])
    return fc.RowGradient(ids, rng.normal(size=(num_ids, *shape[1:])).astype(dtype), shape[0])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (50, 7), (50, 64), (40,), (9, 0)])
def test_steps_are_those_of_the_dense_optimizer(optimizer: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    table = rng.normal(size=shape).astype(dtype)
    expected = table.copy()
    state = optimizer.init(table)
    accumulator = np.full(shape, getattr(optimizer, "initial_accumulator", 0), dtype)
    for num_ids in (1, shape[0], 0, (shape[0] + 1) // 2):
        gradient = random_gradient(rng, shape, num_ids, dtype)
        before, untouched = table.copy(), np.setdiff1d(np.arange(shape[0]), gradient.ids)
        optimizer.update(table, state, gradient)
        expected, accumulator = dense_step(optimizer, expected, accumulator, gradient.to_dense(), 0.3)
        assert_array_equal(table[untouched], before[untouched])
    # sums and products round once each: compiled and NumPy code agree to the last bit
    assert_array_equal(table, expected)
    if state:
        assert_array_equal(state["accumulator"], accumulator)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_threads_give_the_same_bits(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 30), st.integers(1, 20)))
    optimizer = data.draw(st.sampled_from(OPTIMIZERS))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    start = rng.normal(size=shape).astype(np.float32)
    gradient = random_gradient(rng, shape, data.draw(st.integers(0, shape[0])), np.float32)
    results = []
    for n in (1, 2, 3, 7):
        table = start.copy()
        state = optimizer.init(table)
        with fc.num_threads(n):
            optimizer.update(table, state, gradient)
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
@pytest.mark.parametrize("optimizer", OPTIMIZERS[:2], ids=repr)
def test_strides_do_not_matter(layout: str, optimizer: Any) -> None:
    rng = np.random.default_rng(2)
    plain = rng.normal(size=(12, 5)).astype(np.float32)
    strided = LAYOUTS[layout](plain)
    assert not strided.flags.c_contiguous
    gradient = random_gradient(rng, (12, 5), 8, np.float32)
    readonly = gradient.rows[::-1].copy()[::-1]
    readonly.setflags(write=False)
    for table, rows in ((plain, gradient.rows), (strided, readonly)):
        optimizer.update(table, optimizer.init(table), gradient._replace(rows=rows))
    assert_array_equal(strided, plain)


def test_biases_of_any_stride() -> None:
    both = np.zeros((6, 2), np.float32)
    gradient = fc.RowGradient(np.array([1, 4]), np.array([1, 2], np.float32), 6)
    fc.SGD(1.0).update(both[:, 1], {}, gradient)
    assert both.tolist() == [[0, 0], [0, -1], [0, 0], [0, 0], [0, -2], [0, 0]]


def test_memmap_is_changed_on_disk(tmp_path: Any) -> None:
    path = tmp_path / "table.npy"
    np.save(path, np.zeros((4, 2), np.float32))
    table = np.load(path, mmap_mode="r+")
    gradient = fc.RowGradient(np.array([2]), np.ones((1, 2), np.float32), 4)
    fc.SGD(1.0).update(table, {}, gradient)
    table.flush()
    assert np.load(path).tolist() == [[0, 0], [0, 0], [-1, -1], [0, 0]]
    readonly = np.load(path, mmap_mode="r")
    with pytest.raises(ValueError, match="table must be writable, got a read-only array"):
        fc.SGD(1.0).update(readonly, {}, gradient)


def test_gradient_that_is_a_part_of_the_table() -> None:
    table = np.arange(6, dtype=np.float64).reshape(6, 1)
    gradient = fc.RowGradient(np.arange(3, 6), table[2:5], 6)
    with fc.num_threads(2):
        fc.SGD(1.0).update(table, {}, gradient)
    assert table[:, 0].tolist() == [0, 1, 2, 1, 1, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_element_stays_alone(bad: float) -> None:
    for optimizer in OPTIMIZERS:
        rows = np.ones((2, 9), np.float32)
        rows[1, 4] = bad
        table = np.zeros((5, 9), np.float32)
        state = optimizer.init(table)
        optimizer.update(table, state, fc.RowGradient(np.array([0, 3]), rows, 5))
        assert np.argwhere(~np.isfinite(table)).tolist() == [[3, 4]]


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


def test_configurations_are_values() -> None:
    assert fc.Adagrad(0.1) == fc.Adagrad(lr=0.1, initial_accumulator=0.1, epsilon=1e-7)
    assert fc.SGD(0.1) != fc.SGD(0.2)
    assert pickle.loads(pickle.dumps(fc.Adagrad(0.5))) == fc.Adagrad(0.5)
    assert fc.SGD(np.float32(0.5)).learning_rate(0) == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        fc.SGD(0.1).lr = 0.2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: fc.SGD("a"), TypeError, "lr must be a number or a function of the step, got str"),
        (lambda: fc.SGD(True), TypeError, "lr must be a number or a function of the step, got bool"),
        (lambda: fc.SGD(-0.1), ValueError, r"lr must be finite \(in float32\) and not negative, got -0.1"),
        (lambda: fc.SGD(float("nan")), ValueError, "lr must be finite .* got nan"),
        (lambda: fc.SGD(1e39), ValueError, r"lr must be finite .* got 1e\+39"),
        (lambda: fc.Adagrad(0.1, None), TypeError, "initial_accumulator must be a number, got NoneType"),
        (lambda: fc.Adagrad(0.1, -1), ValueError, "initial_accumulator must be .* not negative, got -1.0"),
        (lambda: fc.Adagrad(0.1, 0.1, -1), ValueError, "epsilon must be .* not negative, got -1.0"),
        (lambda: fc.Adagrad(0.1, 0, 0), ValueError, "initial_accumulator and epsilon must not both be 0"),
        (lambda: fc.Adagrad(0.1, 0, 1e-60), ValueError, "must not both be 0: a zero gradient gives 0 / 0"),
        (lambda: fc.SGD(0.1).learning_rate(-1), ValueError, "step must be at least 0, got -1"),
        (lambda: fc.SGD(0.1).init([1.0]), TypeError, "table must be a NumPy array, got list"),
        (
            lambda: fc.SGD(0.1).init(np.zeros(3, int)),
            TypeError,
            "table must be float32 or float64, got int64",
        ),
        (
            lambda: fc.SGD(0.1).init(np.zeros((1, 1, 1))),
            ValueError,
            r"table must have shape \(V, D\) or \(V,\), got \(1, 1, 1\)",
        ),
    ],
)
def test_bad_configurations(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


TABLE = np.zeros((4, 2), np.float32)
STATE = {"accumulator": np.full((4, 2), 0.1, np.float32)}
GRADIENT = fc.RowGradient(np.array([1, 3]), np.ones((2, 2), np.float32), 4)


def readonly(array: Any) -> Any:
    copy = array.copy()
    copy.setflags(write=False)
    return copy


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"table": readonly(TABLE)}, ValueError, "table must be writable, got a read-only array"),
        ({"table": TABLE.astype(">f4")}, TypeError, "table must be float32 or float64, got >f4"),
        ({"table": TABLE[:3]}, ValueError, r"state\['accumulator'\] of table must have shape \(3, 2\)"),
        ({"state": {}}, TypeError, r"dict that init\(\) returns, with \['accumulator'\], got \[\]"),
        ({"state": None}, TypeError, r"state of table must be the dict that init\(\) returns.* got NoneType"),
        ({"state": {**STATE, "m": TABLE}}, TypeError, r"got \['accumulator', 'm'\]"),
        ({"state": {"accumulator": TABLE.astype(float)}}, TypeError, "must be float32 as it is, got float64"),
        (
            {"state": {"accumulator": readonly(TABLE)}},
            ValueError,
            r"state\['accumulator'\] of table must be writable",
        ),
        ({"gradient": (1, 2, 3)}, TypeError, "gradient of table must be a RowGradient, got tuple"),
        ({"gradient": GRADIENT._replace(num_rows=5)}, ValueError, "gradient.num_rows must be 4, .* got 5"),
        ({"gradient": GRADIENT._replace(ids=[1, 3])}, TypeError, r"shape \(U,\), got list"),
        (
            {"gradient": GRADIENT._replace(ids=GRADIENT.ids.astype(np.int32))},
            TypeError,
            r"gradient.ids must be an int64 array of shape \(U,\), got int32 \(2,\)",
        ),
        ({"gradient": GRADIENT._replace(ids=np.array([3, 1]))}, ValueError, r"rise, got 3 before 1 at \[1\]"),
        ({"gradient": GRADIENT._replace(ids=np.array([3, 3]))}, ValueError, r"rise, got 3 before 3 at \[1\]"),
        (
            {"gradient": GRADIENT._replace(ids=np.array([1, 4]))},
            ValueError,
            r"gradient.ids must be in \[0, num_rows\) = \[0, 4\), got 4 at \[1\]",
        ),
        ({"gradient": GRADIENT._replace(ids=np.array([-1, 3]))}, ValueError, r"got -1 at \[0\]"),
        ({"gradient": GRADIENT._replace(ids=np.array([3, -1]))}, ValueError, r"got -1 at \[1\]"),
        ({"gradient": GRADIENT._replace(rows=None)}, TypeError, "rows must be float32 as table is, got None"),
        (
            {"gradient": GRADIENT._replace(rows=np.ones((2, 2)))},
            TypeError,
            "gradient.rows must be float32 as table is, got float64",
        ),
        (
            {"gradient": GRADIENT._replace(rows=np.ones((2, 3), np.float32))},
            ValueError,
            r"gradient.rows must have shape \(2, 2\) for table, got \(2, 3\)",
        ),
        ({"gradient": GRADIENT._replace(rows=np.ones(2, np.float32))}, ValueError, r"got \(2,\)"),
        ({"step": -1}, ValueError, "step must be at least 0, got -1"),
        ({"step": 0.5}, TypeError, "step must be an integer, got float"),
        ({"lr": lambda step: -1.0}, ValueError, r"lr\(0\) must be finite .* got -1.0"),
        ({"lr": lambda step: None}, TypeError, r"lr\(0\) must be a number, got NoneType"),
    ],
)
def test_a_refused_step_changes_nothing(change: dict[str, Any], error: type[Exception], message: str) -> None:
    state = {name: array.copy() for name, array in STATE.items()}
    given = {"table": TABLE.copy(), "state": state, "gradient": GRADIENT, "step": 0, "lr": 0.1} | change
    with pytest.raises(error, match=message):
        fc.Adagrad(given["lr"]).update(given["table"], given["state"], given["gradient"], step=given["step"])
    assert not given["table"].any()
    assert_array_equal(state["accumulator"], STATE["accumulator"])


def test_a_plan_changes_nothing_until_it_is_made() -> None:
    table, state = TABLE.copy(), {"accumulator": STATE["accumulator"].copy()}
    step = fc.Adagrad(0.1).plan(table, state, GRADIENT)
    assert not table.any()
    step()
    assert (table[GRADIENT.ids] < 0).all()
    assert_allclose(state["accumulator"][GRADIENT.ids], 1.1)
