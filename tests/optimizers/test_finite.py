"""No optimizer writes NaN or infinity: such a step changes nothing, and its message says where."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import fastcands as fc

OPTIMIZERS: list[Any] = [
    fc.SGD(0.5),
    fc.SGD(0.5, weight_decay=0.1, clip_norm=1.0),
    fc.Momentum(0.3, nesterov=True),
    fc.Momentum(0.3, catch_up=True),
    fc.Adagrad(0.5),
    fc.Adagrad(0.5, weight_decay=2.0),
    fc.RowwiseAdagrad(0.5),
    fc.LazyAdam(0.1, weight_decay=0.1),
    fc.LazyAdam(0.1, catch_up=True),
]
KINDS = {"float32": np.float32, "float64": np.float64, "bfloat16": ml_dtypes.bfloat16}


def _problem(optimizer: Any, kind: Any, shape: tuple[int, ...], rng: Any) -> tuple[Any, Any, Any]:
    table = rng.normal(size=shape).astype(kind)
    state = optimizer.init(table)
    ids = np.sort(rng.choice(shape[0], 6, replace=False))
    rows = rng.normal(size=(6, *shape[1:])).astype(np.float64 if kind is np.float64 else np.float32)
    optimizer.update(table, state, fc.RowGradient(ids, rows, shape[0]), step=0)
    ids = np.sort(rng.choice(shape[0], 6, replace=False))
    return table, state, fc.RowGradient(ids, rows, shape[0])


def _bytes(table: Any, state: Any) -> list[bytes]:
    return [table.tobytes(), *(state[key].tobytes() for key in sorted(state))]


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("shape", [(12, 5), (12,)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_bad_numbers_anywhere(optimizer: Any, kind: str, shape: tuple[int, ...], strided: bool) -> None:
    """Table and state are finite and as without the bad number, or as before."""
    rng = np.random.default_rng(0)
    for _ in range(25):
        table, state, gradient = _problem(optimizer, KINDS[kind], shape, rng)
        if strided:
            table = np.asfortranarray(table)
        floats = [name for name in state if state[name].dtype.kind == "f"]
        places = {"gradient": gradient.rows, "table": table, **{name: state[name] for name in floats}}
        name = str(rng.choice(list(places)))
        array = places[name]
        place = tuple(int(rng.integers(size)) for size in array.shape)
        largest = float(ml_dtypes.finfo(array.dtype).max) if kind == "bfloat16" else np.finfo(array.dtype).max
        array[place] = rng.choice([np.nan, np.inf, -np.inf, largest])
        before = _bytes(table, state)
        message = ""
        try:
            optimizer.update(table, state, gradient, step=1)
        except ValueError as error:
            message = str(error)
        if message:
            assert "finite" in message
            assert _bytes(table, state) == before
        else:
            written = [table[gradient.ids], *(state[key][gradient.ids] for key in floats)]
            assert all(np.isfinite(array.astype(np.float64)).all() for array in written)


@pytest.mark.parametrize(
    ("optimizer", "change", "message"),
    [
        (
            fc.SGD(1.0),
            lambda table, state, rows: rows.__setitem__((1, 2), np.nan),
            r"gradient rows of table must be finite, got nan in row 3, at gradient.rows\[1, 2\]",
        ),
        (
            fc.SGD(1.0),
            lambda table, state, rows: table.__setitem__((3, 1), -np.inf),
            r"table must be finite, got -inf at \[3, 1\]",
        ),
        (
            fc.Adagrad(1.0),
            lambda table, state, rows: state["accumulator"].__setitem__((0, 1), np.nan),
            r"state\['accumulator'\] of table must be finite, got nan at \[0, 1\]",
        ),
        (
            fc.RowwiseAdagrad(1.0),
            lambda table, state, rows: state["accumulator"].__setitem__(3, np.inf),
            r"state\['accumulator'\] of table must be finite, got inf at \[3\]",
        ),
        (
            fc.Adagrad(1.0),
            lambda table, state, rows: rows.__setitem__((1, 2), -1e20),
            r"state\['accumulator'\] of table must stay finite, but the step would write inf at \[3, 2\]: gradient, "
            r"learning rate or state\['accumulator'\] of table too large \(the row's gradient is up to 1e\+20\)",
        ),
        (
            fc.RowwiseAdagrad(1.0),
            lambda table, state, rows: rows.__setitem__((0, 0), 1e25),
            r"state\['accumulator'\] of table must stay finite, but the step would write inf at \[0\]",
        ),
        (
            fc.SGD(10.0),
            lambda table, state, rows: rows.__setitem__((0, 0), 1e38),
            r"table must stay finite, but the step would write -inf at \[0, 0\]: gradient, learning rate",
        ),
    ],
)
def test_what_is_refused(optimizer: Any, change: Any, message: str) -> None:
    table = np.ones((4, 3), np.float32)
    state, rows = optimizer.init(table), np.ones((2, 3), np.float32)
    change(table, state, rows)
    before = _bytes(table, state)
    with pytest.raises(ValueError, match=message):
        optimizer.update(table, state, fc.RowGradient(np.array([0, 3]), rows, 4))
    assert _bytes(table, state) == before


def test_a_row_outside_the_step_may_hold_anything() -> None:
    table = np.full((4, 3), np.nan, np.float32)
    table[2] = 1
    fc.SGD(1.0).update(table, {}, fc.RowGradient(np.array([2]), np.ones((1, 3), np.float32), 4))
    assert (table[2] == 0).all()


def test_numbers_of_a_vector() -> None:
    table, rows = np.ones(4, np.float32), np.array([1, np.inf], np.float32)
    message = r"gradient rows of table must be finite, got inf in row 3, at gradient.rows\[1\]"
    with pytest.raises(ValueError, match=message):
        fc.SGD(1.0).update(table, {}, fc.RowGradient(np.array([0, 3]), rows, 4))


def test_many_threads_find_the_first_row() -> None:
    table, rows = np.ones((4000, 64), np.float32), np.ones((4000, 64), np.float32)
    rows[[1234, 1235, 3999], 5] = np.nan
    gradient = fc.RowGradient(np.arange(4000), rows, 4000)
    for threads in (1, 2):
        with fc.num_threads(threads), pytest.raises(ValueError, match="got nan in row 1234, "):
            fc.SGD(1.0).update(table, {}, gradient)
        assert (table == 1).all()


KEPT: list[Any] = [
    fc.SGD(2.0**20),
    fc.Momentum(2.0**20, 0.999999999, nesterov=True),
    fc.Momentum(2.0**20, catch_up=True),
    fc.Adagrad(2.0**20, initial_accumulator=0, epsilon=2e-38),
    fc.Adagrad(2.0**20, initial_accumulator=2e-38, epsilon=0),
    fc.RowwiseAdagrad(2.0**20, initial_accumulator=0, epsilon=2.0**-40),
    fc.LazyAdam(1e-2, beta2=0.1, epsilon=2.0**-40, weight_decay=100.0),
    fc.LazyAdam(2.0**5, beta1=0.9999, beta2=0.5, catch_up=True),
]


@pytest.mark.parametrize("optimizer", KEPT, ids=repr)
def test_moderate_gradients_keep_weights_of_any_size_finite(optimizer: Any) -> None:
    """What `Optimizer._keeps_finite` promises, where it promises it."""
    rng = np.random.default_rng(3)
    table = (np.finfo(np.float32).max * rng.choice([-1, 1], (64, 33))).astype(np.float32)
    table[::2] = 0
    state = optimizer.init(table)
    for step in range(60):
        size = 2.0 ** rng.choice([-148.0, -75, -63, -62, -40, 0, 39.99], (64, 33))
        rows = (size * rng.choice([-1, 1], size.shape)).astype(np.float32)
        if step % 3 == 0:
            rows[:] = np.where(table > 0, -1, 1) * 2.0**39.99  # as far outwards as it goes
        row_step = optimizer._row_step(
            table, state, fc.RowGradient(np.arange(64), rows, 64), step=step, seed=0, name="t"
        )
        assert row_step.keeps_finite
        assert row_step.check(by_gradient=True)
        row_step.make()
        for array in (table, *state.values()):
            assert np.isfinite(array).all()


@pytest.mark.parametrize(
    "optimizer",
    [
        fc.SGD(2.0**21),
        fc.SGD(0.1, weight_decay=0.1),
        fc.Momentum(0.1, weight_decay=0.1),
        fc.Adagrad(0.1, weight_decay=0.1),
        fc.Adagrad(0.1, initial_accumulator=1e30),
        fc.RowwiseAdagrad(0.1, epsilon=1e-20),
        fc.RowwiseAdagrad(0.1, weight_decay=0.1),
        fc.LazyAdam(0.1, epsilon=1e-20),
        fc.LazyAdam(1.0, weight_decay=3.0),
        fc.LazyAdam(2.0**21),
    ],
    ids=repr,
)
def test_where_the_gradient_alone_is_not_enough(optimizer: Any) -> None:
    table = np.ones((3, 2), np.float32)
    gradient = fc.RowGradient(np.arange(3), np.ones((3, 2), np.float32), 3)
    assert not optimizer._row_step(table, optimizer.init(table), gradient, step=5, seed=0, name="t").keeps_finite
