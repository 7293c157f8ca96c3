"""The loop that looks for NaN and infinity: what it finds is what the step would write, and it writes nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fastcands.kernels.optimizers.adagrad import AdagradRule
from fastcands.kernels.optimizers.check_rows import MODERATE_GRADIENT, check_rows, scan_rows
from fastcands.kernels.optimizers.update_rows import RowUpdate, update_rows


def _update(rng: Any, num_threads: int) -> RowUpdate:
    table, accumulator = rng.normal(size=(2, 50, 7)).astype(np.float32) ** 2
    return RowUpdate(
        rule=AdagradRule(0.5, 1e-7),
        table=table,
        per_weight=(accumulator,),
        per_row=(),
        last_step=np.empty(0, np.int64),
        ids=np.arange(30),
        places=rng.permutation(50)[:30],
        rows=rng.normal(size=(30, 7)).astype(np.float32),
        weight_decay=0.125,
        clip_norm=math.inf,
        seed=np.uint64(0),
        step=0,
        faulty=np.empty(num_threads, np.int64),
    )


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf, 1e25, 3e38])
@pytest.mark.parametrize("where", ["table", "per_weight", "rows"])
def test_the_first_row_that_would_not_be_finite(where: str, bad: float | None, num_threads: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        update = _update(rng, num_threads)
        array = update.per_weight[0] if where == "per_weight" else getattr(update, where)
        if bad is not None:
            for u, d in zip(rng.integers(0, 30, 2), rng.integers(0, 7, 2), strict=True):
                array[u if where == "rows" else update.places[u], d] = bad
        before = [a.copy() for a in (update.table, *update.per_weight, update.rows)]
        check_rows(update, None, num_threads)
        for a, b in zip((update.table, *update.per_weight, update.rows), before, strict=True):
            assert a.tobytes() == b.tobytes()
        update_rows(update, None, num_threads)
        finite = np.isfinite(update.table) & np.isfinite(update.per_weight[0])
        wrong = np.flatnonzero(~finite[update.places].all(axis=1))
        assert update.faulty.min() == (wrong[0] if len(wrong) else 30)


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("bad", [None, np.nan, -np.inf, MODERATE_GRADIENT, -1e30])
def test_gradients_that_are_not_moderate(bad: float | None, num_threads: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        update = _update(rng, num_threads)
        update.rows[0, 0] = -np.nextafter(np.float32(MODERATE_GRADIENT), np.float32(0))
        if bad is not None:
            update.rows[rng.integers(30), rng.integers(7)] = bad
        scan_rows(update, None, num_threads)
        assert (update.faulty.min() == 30) == (bad is None)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
def test_weights_of_a_vector(bad: float | None) -> None:
    rng = np.random.default_rng(2)
    update = _update(rng, 2)
    table, accumulator = np.ones((2, 50, 1), np.float32)
    update = update._replace(table=table, per_weight=(accumulator,), rows=update.rows[:, :1].copy())
    table[np.setdiff1d(np.arange(50), update.places)] = np.nan  # outside the step
    if bad is not None:
        table[update.places[17]] = bad
    scan_rows(update, None, 2)
    assert (update.faulty.min() == 30) == (bad is None)
