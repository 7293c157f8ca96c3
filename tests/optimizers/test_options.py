"""What optimizers refuse, and that a refused step changes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc

NAN, INF = float("nan"), float("inf")
CLASSES = [fc.SGD, fc.Momentum, fc.Adagrad, fc.RowwiseAdagrad, fc.LazyAdam]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"lr": "a"}, TypeError, "lr must be a number or a function of the step, got str"),
        ({"lr": True}, TypeError, "lr must be a number or a function of the step, got bool"),
        ({"lr": -0.1}, ValueError, r"lr must be finite \(in float32\) and not negative, got -0.1"),
        ({"lr": NAN}, ValueError, "lr must be finite .* got nan"),
        ({"lr": INF}, ValueError, "lr must be finite .* got inf"),
        ({"lr": 1e39}, ValueError, r"lr must be finite .* got 1e\+39"),
        ({"weight_decay": None}, TypeError, "weight_decay must be a number, got NoneType"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be .* not negative, got -1.0"),
        ({"weight_decay": NAN}, ValueError, "weight_decay must be finite .* got nan"),
        ({"weight_decay": INF}, ValueError, "weight_decay must be finite .* got inf"),
        ({"clip_norm": "1"}, TypeError, "clip_norm must be a number or None, got str"),
        ({"clip_norm": True}, TypeError, "clip_norm must be a number or None, got bool"),
        ({"clip_norm": 0}, ValueError, "clip_norm must be above 0, got 0.0: no row would ever move"),
        ({"clip_norm": -1}, ValueError, "clip_norm must be .* not negative, got -1.0"),
        ({"clip_norm": NAN}, ValueError, "clip_norm must be finite .* got nan"),
        ({"clip_norm": INF}, ValueError, "clip_norm must be finite .* got inf"),
    ],
)
@pytest.mark.parametrize("kind", CLASSES)
def test_options_of_all(kind: Any, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kind(**{"lr": 0.1, **options})


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: fc.Momentum(0.1, "a"), TypeError, "momentum must be a number, got str"),
        (lambda: fc.Momentum(0.1, 1), ValueError, r"momentum must be in \[0, 1\), got 1.0"),
        (lambda: fc.Momentum(0.1, -0.5), ValueError, r"momentum must be in \[0, 1\), got -0.5"),
        (lambda: fc.Momentum(0.1, NAN), ValueError, r"momentum must be in \[0, 1\), got nan"),
        (lambda: fc.Momentum(0.1, nesterov=1), TypeError, "nesterov must be a bool, got int"),
        (lambda: fc.Momentum(0.1, 0, nesterov=True), ValueError, "nesterov must be False where momentum is 0"),
        (lambda: fc.Momentum(0.1, catch_up=0.5), TypeError, "catch_up must be a bool, got float"),
        (lambda: fc.LazyAdam(0.1, beta1=1), ValueError, r"beta1 must be in \[0, 1\), got 1.0"),
        (lambda: fc.LazyAdam(0.1, beta1=None), TypeError, "beta1 must be a number, got NoneType"),
        (lambda: fc.LazyAdam(0.1, beta2=1.5), ValueError, r"beta2 must be in \[0, 1\), got 1.5"),
        (lambda: fc.LazyAdam(0.1, beta2=-1), ValueError, r"beta2 must be in \[0, 1\), got -1.0"),
        (lambda: fc.LazyAdam(0.1, epsilon=0), ValueError, r"epsilon must not be 0 \(in float32\): a zero gradient"),
        (lambda: fc.LazyAdam(0.1, epsilon=1e-40), ValueError, "epsilon must not be 0"),
        (lambda: fc.LazyAdam(0.1, epsilon=NAN), ValueError, "epsilon must be finite .* got nan"),
        (lambda: fc.LazyAdam(0.1, catch_up="no"), TypeError, "catch_up must be a bool, got str"),
    ],
)
def test_options_of_some(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("kind", [fc.Adagrad, fc.RowwiseAdagrad])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, "initial_accumulator must be a number, got NoneType"),
        ((-1,), ValueError, "initial_accumulator must be .* not negative, got -1.0"),
        ((NAN,), ValueError, "initial_accumulator must be finite .* got nan"),
        ((0.1, -1), ValueError, "epsilon must be .* not negative, got -1.0"),
        ((0.1, "a"), TypeError, "epsilon must be a number, got str"),
        ((0, 0), ValueError, "initial_accumulator and epsilon must not both be 0"),
        ((0, 1e-40), ValueError, r"must not both be 0 \(in float32\): a zero gradient gives 0 / 0"),
    ],
)
def test_options_of_adagrad(kind: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kind(0.1, *arguments)


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: fc.SGD(0.1).learning_rate(-1), ValueError, "step must be at least 0, got -1"),
        (lambda: fc.SGD(0.1).init([1.0]), TypeError, "table must be a NumPy array, got list"),
        (
            lambda: fc.SGD(0.1).init(np.zeros(3, int)),
            TypeError,
            "table must be float32, float64 or bfloat16, got int64",
        ),
        (
            lambda: fc.SGD(0.1).state_arrays(np.zeros((1, 1, 1))),
            ValueError,
            r"table must have shape \(V, D\) or \(V,\), got \(1, 1, 1\)",
        ),
    ],
)
def test_bad_uses(use: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        use()


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
        ({"table": TABLE.astype(">f4")}, TypeError, "table must be float32, float64 or bfloat16, got >f4"),
        ({"table": TABLE[:3]}, ValueError, r"state\['accumulator'\] of table must have shape \(3, 2\)"),
        ({"state": {}}, TypeError, r"dict that init\(\) returns, with \['accumulator'\], got \[\]"),
        ({"state": None}, TypeError, r"state of table must be the dict that init\(\) returns.* got NoneType"),
        ({"state": {**STATE, "m": TABLE}}, TypeError, r"got \['accumulator', 'm'\]"),
        (
            {"state": {"accumulator": [1.0]}},
            TypeError,
            r"state\['accumulator'\] of table must be a NumPy array, got list",
        ),
        ({"state": {"accumulator": TABLE.astype(float)}}, TypeError, "of table must be float32, got float64"),
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
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 2**64}, ValueError, "seed must be below 2\\*\\*64, got 18446744073709551616"),
        ({"seed": None}, TypeError, "seed must be an integer, got NoneType"),
        ({"lr": lambda step: -1.0}, ValueError, r"lr\(0\) must be finite .* got -1.0"),
        ({"lr": lambda step: None}, TypeError, r"lr\(0\) must be a number, got NoneType"),
        (
            {"lr": lambda step: 1.0, "step": None},
            ValueError,
            "step must be given: with Adagrad the change of table depends on it",
        ),
    ],
)
def test_a_refused_step_changes_nothing(change: dict[str, Any], error: type[Exception], message: str) -> None:
    state = {name: array.copy() for name, array in STATE.items()}
    given = {"table": TABLE.copy(), "state": state, "gradient": GRADIENT, "lr": 0.1, "step": 0, "seed": 0} | change
    optimizer = fc.Adagrad(given["lr"])
    with pytest.raises(error, match=message):
        optimizer.update(given["table"], given["state"], given["gradient"], step=given["step"], seed=given["seed"])
    assert not given["table"].any()
    assert_array_equal(state["accumulator"], STATE["accumulator"])


@pytest.mark.parametrize("optimizer", [fc.Momentum(0.1, catch_up=True), fc.LazyAdam(0.1, catch_up=True)], ids=repr)
def test_a_step_must_be_given_and_rise(optimizer: Any) -> None:
    table = TABLE.copy()
    state = optimizer.init(table)
    with pytest.raises(ValueError, match=f"step must be given: with {type(optimizer).__name__} the change of table"):
        optimizer.update(table, state, GRADIENT)
    optimizer.update(table, state, GRADIENT._replace(ids=np.array([0, 1])), step=5)
    before = {"table": table.copy(), **{key: array.copy() for key, array in state.items()}}
    for step in (5, 4, 0):
        with pytest.raises(ValueError, match=f"step must be above 5, the last step of row 1 of table, got {step}"):
            optimizer.update(table, state, GRADIENT, step=step)
    for key, array in {"table": table, **state}.items():
        assert_array_equal(array, before[key])
    optimizer.update(table, state, GRADIENT, step=6)
    assert state["last_step"].tolist() == [5, 6, -1, 6]


def test_adam_needs_the_step_and_others_do_not() -> None:
    with pytest.raises(ValueError, match="step must be given: with LazyAdam the change of table depends on it"):
        fc.LazyAdam(0.1).update(TABLE.copy(), fc.LazyAdam(0.1).init(TABLE), GRADIENT)
    for optimizer in (fc.SGD(0.1), fc.Momentum(0.1), fc.Adagrad(0.1), fc.RowwiseAdagrad(0.1)):
        table = TABLE.copy()
        optimizer.update(table, optimizer.init(table), GRADIENT)
        assert (table[[1, 3]] < 0).all()


def test_messages_call_the_table_by_its_name() -> None:
    optimizer = fc.LazyAdam(0.1)
    with pytest.raises(ValueError, match="with LazyAdam the change of biases depends"):
        optimizer.plan(TABLE.copy(), optimizer.init(TABLE), GRADIENT, name="biases")


def test_a_plan_changes_nothing_until_it_is_made() -> None:
    table, state = TABLE.copy(), {"accumulator": STATE["accumulator"].copy()}
    step = fc.Adagrad(0.1).plan(table, state, GRADIENT)
    assert not table.any()
    step()
    assert (table[GRADIENT.ids] < 0).all()
    assert_allclose(state["accumulator"][GRADIENT.ids], 1.1)


@pytest.mark.parametrize("shape", [(5, 3), (5,)])
def test_state_is_what_is_described(shape: tuple[int, ...]) -> None:
    table = np.zeros(shape, np.float32)
    expected: dict[Any, dict[str, tuple[Any, Any, float]]] = {
        fc.SGD(1): {},
        fc.Momentum(1): {"velocity": (shape, np.float32, 0)},
        fc.Momentum(1, catch_up=True): {"velocity": (shape, np.float32, 0), "last_step": ((5,), np.int64, -1)},
        fc.Adagrad(1, 0.5): {"accumulator": (shape, np.float32, 0.5)},
        fc.RowwiseAdagrad(1, 0.5): {"accumulator": ((5,), np.float32, 0.5)},
        fc.LazyAdam(1): {"first_moment": (shape, np.float32, 0), "second_moment": (shape, np.float32, 0)},
    }
    for optimizer, arrays in expected.items():
        assert optimizer.state_arrays(table) == arrays
        state = optimizer.init(table)
        assert {key: (array.shape, array.dtype) for key, array in state.items()} == {
            key: value[:2] for key, value in arrays.items()
        }
        assert all((state[key] == value[2]).all() for key, value in arrays.items())


def test_configurations_are_values() -> None:
    assert fc.Adagrad(0.1) == fc.Adagrad(lr=0.1, initial_accumulator=0.1, epsilon=1e-7)
    assert fc.SGD(0.1) != fc.SGD(0.2)
    assert fc.SGD(np.float32(0.5)).learning_rate(0) == 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        fc.SGD(0.1).lr = 0.2
    with pytest.raises(TypeError, match="positional"):
        fc.SGD(0.1, 0.2)
