"""Tables stored as bfloat16: the step of a float32 table, rounded at random to one of the two neighbours."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc
from tests.optimizers.dense import OPTIMIZERS, random_gradient

HALF = np.dtype(ml_dtypes.bfloat16)


def half_table(rng: Any, shape: tuple[int, ...]) -> Any:
    return rng.normal(size=shape).astype(np.float32).astype(HALF)


def bits(table: Any) -> Any:
    return table.view(np.uint16)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("shape", [(60, 33), (60,)])
def test_a_step_rounds_the_step_of_float32(optimizer: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    table = half_table(rng, shape)
    state = optimizer.init(table)
    assert all(array.dtype in (np.float32, np.int64) for array in state.values())
    for step in range(3):
        wide, wide_state = table.astype(np.float32), {key: array.copy() for key, array in state.items()}
        gradient = random_gradient(rng, shape, 40, np.float32)
        before = table.copy()
        optimizer.update(wide, wide_state, gradient, step=step)
        optimizer.update(table, state, gradient, step=step, seed=8)
        for key, array in wide_state.items():  # moments are not rounded
            assert_array_equal(state[key], array)
        down = bits(wide.view(np.uint32) >> 16).reshape(*shape, 2)[..., 0]
        up = bits(table).astype(np.int64) - down
        assert set(up[gradient.ids].ravel().tolist()) == {0, 1}
        outside = np.setdiff1d(np.arange(shape[0]), gradient.ids)
        assert_array_equal(bits(table)[outside], bits(before)[outside])


def test_small_steps_add_up() -> None:
    """10,000 steps of 1/16 of the spacing each: rounded to nearest the weights would never move."""
    table = np.ones((50, 20), np.float32).astype(HALF)
    spacing = 2.0**-7
    assert np.float32(HALF.type(np.float32(1 + spacing / 16))) == 1
    gradient = fc.RowGradient(np.arange(50), np.full((50, 20), -spacing / 16, np.float32), 50)
    for step in range(1600):
        fc.SGD(1.0).update(table, {}, gradient, step=step, seed=1)
    moved = table.astype(np.float64) - 1
    # each step adds a Bernoulli variable, of the spacing (one to 2, two times as large above) and the right mean
    assert moved.mean() == pytest.approx(1600 * spacing / 16, rel=0.01)
    assert 0 < moved.std() < 3 * spacing * np.sqrt(1600 / 16)


def test_a_step_is_right_on_average() -> None:
    """The mean over seeds, rows and features is the exact step, within six standard errors."""
    exact, spacing = 1 + 0.3 * 2.0**-7, 2.0**-7
    gradient = fc.RowGradient(np.arange(40), np.full((40, 50), 1 - exact, np.float64).astype(np.float32), 40)
    means = []
    for seed in range(100):
        table = np.ones((40, 50), np.float32).astype(HALF)
        fc.SGD(1.0).update(table, {}, gradient, step=3, seed=seed)
        means.append(table.astype(np.float64).mean())
    error = spacing * np.sqrt(0.3 * 0.7 / (100 * 40 * 50))
    assert abs(np.mean(means) - exact) < 6 * error
    assert len(set(means)) > 50  # another seed, other bits


@pytest.mark.parametrize("optimizer", OPTIMIZERS[1::2], ids=repr)
def test_random_bits_belong_to_seed_step_row_and_feature(optimizer: Any) -> None:
    """Threads, strides and the other rows of the step change nothing; seed, step and row do."""
    rng = np.random.default_rng(4)
    start = half_table(rng, (700, 40))
    gradient = random_gradient(rng, (700, 40), 600, np.float32)

    def after(table: Any, rows: Any = slice(None), *, step: int = 2, seed: int = 5) -> Any:
        given = fc.RowGradient(gradient.ids[rows], gradient.rows[rows], 700)
        optimizer.update(table, optimizer.init(table), given, step=step, seed=seed)
        return bits(np.ascontiguousarray(table))

    expected = after(start.copy())
    for n in (1, 2, 3):
        with fc.num_threads(n):
            assert_array_equal(after(start.copy()), expected)
    assert_array_equal(after(np.asfortranarray(start)), expected)
    some = slice(100, 400, 3)
    assert_array_equal(after(start.copy(), some)[gradient.ids[some]], expected[gradient.ids[some]])
    assert (after(start.copy(), seed=6) != expected).mean() > 0.2
    if not isinstance(optimizer, fc.LazyAdam):  # its step itself depends on the number
        assert (after(start.copy(), step=3) != expected).mean() > 0.2


def test_rows_do_not_share_random_bits() -> None:
    table = np.ones((64, 64), np.float32).astype(HALF)
    rows = np.full((64, 64), 2.0**-8, np.float32)  # halfway below 1, where the spacing is 2**-8: every second rounds up
    rows /= 2
    fc.SGD(1.0).update(table, {}, fc.RowGradient(np.arange(64), rows, 64), step=0)
    up = table.astype(np.float32) == 1
    assert 0.45 < up.mean() < 0.55
    assert len({row.tobytes() for row in up}) == 64
    assert len({feature.tobytes() for feature in up.T.copy()}) == 64


@pytest.mark.parametrize("shape", [(5, 3), (5,)])
def test_gradient_rows_may_be_bfloat16(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(9)
    start = half_table(rng, shape)
    ids, rows = np.array([1, 4]), half_table(rng, (2, *shape[1:]))
    tables = []
    for given in (rows, rows.astype(np.float32)):
        table = start.copy()
        optimizer = fc.Adagrad(0.5)
        optimizer.update(table, optimizer.init(table), fc.RowGradient(ids, given, 5), step=0)
        tables.append(bits(table))
    assert_array_equal(*tables)


def test_numbers_beyond_the_largest_become_it() -> None:
    table = np.ones((2, 3), np.float32).astype(HALF)
    rows = np.array([[0, 3.4e38, -3.4e38]], np.float32)
    fc.SGD(1.0).update(table, {}, fc.RowGradient(np.array([1]), rows, 2), step=0)
    most = np.float32(ml_dtypes.finfo(HALF).max)
    assert_array_equal(table.astype(np.float32), [[1, 1, 1], [1, -most, most]])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step": None}, ValueError, "step must be given: with SGD the change of table depends on it"),
        ({"rows": np.ones((1, 2))}, TypeError, "gradient.rows must be float32, or bfloat16 as table is, got float64"),
        (
            {"rows": np.ones((1, 2), np.float16)},
            TypeError,
            "rows must be float32, or bfloat16 as table is, got float16",
        ),
        ({"rows": np.ones((1, 3), HALF)}, ValueError, r"gradient.rows must have shape \(1, 2\) for table"),
    ],
)
def test_what_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {"step": 0, "rows": np.ones((1, 2), np.float32)} | change
    table = np.ones((3, 2), HALF)
    with pytest.raises(error, match=message):
        fc.SGD(1.0).update(table, {}, fc.RowGradient(np.array([1]), given["rows"], 3), step=given["step"])
    assert_array_equal(table.astype(np.float32), np.ones((3, 2)))


def test_the_state_must_be_float32() -> None:
    table = np.ones((3, 2), HALF)
    gradient = fc.RowGradient(np.array([1]), np.ones((1, 2), np.float32), 3)
    with pytest.raises(TypeError, match=r"state\['accumulator'\] of table must be float32, got bfloat16"):
        fc.Adagrad(0.1).update(table, {"accumulator": table.copy()}, gradient, step=0)


def test_memmap_of_bits(tmp_path: Any) -> None:
    """How a file holds a bfloat16 table: NumPy's format knows the bits only."""
    path = tmp_path / "table.npy"
    np.save(path, bits(np.ones((4, 2), HALF)))
    table = np.load(path, mmap_mode="r+").view(HALF)
    gradient = fc.RowGradient(np.array([2]), np.ones((1, 2), np.float32), 4)
    fc.SGD(0.5).update(table, {}, gradient, step=0)
    table.flush()
    assert_allclose(np.load(path).view(HALF).astype(np.float32), [[1, 1], [1, 1], [0.5, 0.5], [1, 1]])
