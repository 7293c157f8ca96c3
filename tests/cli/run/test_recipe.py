"""The rules that plan a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.cli.run.recipe import (
    Plan,
    plan_points,
    plan_text,
    points_epochs,
    suits_exact_loss,
    text_dropout,
    text_epochs,
)


@given(st.integers(1, 10**11), st.floats(0.01, 100))
def test_plans_make_sense_for_any_size(tokens: int, epochs: float) -> None:
    plan = plan_text(tokens, 0.003)
    assert 6 <= plan.epochs < 40
    assert 32 <= plan.batch_size <= 1024
    assert plan.batch_size & (plan.batch_size - 1) == 0
    dropout = text_dropout(tokens, epochs)
    assert 0 <= dropout <= 0.4
    if epochs <= 1:
        assert dropout == 0


@given(st.integers(1, 10**9), st.integers(2, 100))
def test_more_text_has_more_epochs_and_less_dropout(tokens: int, factor: int) -> None:
    assert text_epochs(factor * tokens) >= text_epochs(tokens)
    assert text_dropout(factor * tokens, 4) <= text_dropout(tokens, 4)


@pytest.mark.parametrize(
    ("tokens", "batch", "dropout"), [(20_000, 128, 0.4), (200_000, 512, 0.4), (800_000, 1024, 0.4)]
)
def test_measured_sizes(tokens: int, batch: int, dropout: float) -> None:
    plan = plan_text(tokens, 0.003)
    assert (plan.batch_size, plan.dropout) == (batch, dropout)


def test_time_that_ends_the_first_epoch_needs_no_dropout() -> None:
    assert plan_text(10**6, 0.003, max_seconds=10, examples_per_second=50_000).dropout == 0
    assert plan_text(10**6, 0.003, max_seconds=1000, examples_per_second=50_000).dropout == text_dropout(10**6, 9)
    assert plan_text(10**6, 0.003, epochs=1).dropout == 0


def test_what_is_given_wins() -> None:
    plan = plan_text(10**6, 0.02, epochs=3, batch_size=100, dropout=0.7, max_seconds=1, examples_per_second=1)
    assert plan == Plan(3, 100, 0.02, 0.7)
    assert plan_points(500, 9, 700, 0.2, epochs=3, batch_size=7) == Plan(3, 7, 0.2, None)


@pytest.mark.parametrize(
    ("plan", "time", "line"),
    [
        (Plan(8.1, 1024, 0.003, 0.4), (), "9 things: 8.1 epochs, dropout 0.4, batches of 1,024, learning rate 0.003"),
        (Plan(0.005, 8, 0.1, None), (), "9 things: 0.005 epochs, batches of 8, learning rate 0.1"),
        (
            Plan(1.0, 8, 0.1, None),
            (60.0,),
            "9 things: 1 epoch, batches of 8, learning rate 0.1; at most 1:00 of training",
        ),
        (
            Plan(20, 8, 0.1, 0),
            (None, 3.0),
            "9 things: 20 epochs, dropout 0, batches of 8, learning rate 0.1; about 1:00 of training",
        ),
        (
            Plan(20, 8, 0.1, 0),
            (6.0, 3.0),
            "9 things: 2 epochs, dropout 0, batches of 8, learning rate 0.1; about 0:06 of training",
        ),
    ],
)
def test_the_line(plan: Plan, time: tuple[float | None, ...], line: str) -> None:
    assert plan.describe(9, "things", *time) == line


@given(st.integers(1, 10**9), st.integers(1, 10**8), st.integers(1, 10**10))
def test_passes_through_points(points: int, labels: int, occurrences: int) -> None:
    assert 3 <= points_epochs(points, labels, occurrences) <= 16
    assert points_epochs(2 * points, labels, occurrences) <= points_epochs(points, labels, occurrences)
    assert points_epochs(points, 2 * labels, occurrences) >= points_epochs(points, labels, occurrences)


def test_the_exact_loss_is_for_few_logits() -> None:
    assert suits_exact_loss(1, 2_000_000_000)
    assert not suits_exact_loss(2, 1_000_000_001)
