"""Optimizers as plain numbers, as pickles and as text."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.optimizers import from_dict
from tests.optimizers.dense import OPTIMIZERS

SCHEDULED = fc.Adagrad(fc.schedules.cosine(0.5, 100, warmup=10, end=0.1), clip_norm=2)


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, SCHEDULED, fc.SGD(fc.schedules.inverse_sqrt(1))], ids=repr)
def test_there_and_back(optimizer: Any) -> None:
    description = json.loads(json.dumps(optimizer.to_dict(), allow_nan=False))
    assert from_dict(description) == optimizer
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    assert hash(optimizer) == hash(pickle.loads(pickle.dumps(optimizer)))
    names = {"fc": fc, "Schedule": fc.schedules.Schedule}
    assert eval(f"fc.{optimizer!r}", names) == optimizer


def test_form() -> None:
    """Files hold it: it must not change by accident."""
    assert SCHEDULED.to_dict() == {
        "name": "Adagrad",
        "lr": {"shape": "cosine", "peak": 0.5, "steps": 100, "warmup": 10, "end": 0.1},
        "initial_accumulator": 0.1,
        "epsilon": 1e-7,
        "weight_decay": 0.0,
        "clip_norm": 2.0,
    }
    assert fc.LazyAdam(1, catch_up=True).to_dict() == {
        "name": "LazyAdam",
        "lr": 1.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "catch_up": True,
        "weight_decay": 0.0,
        "clip_norm": None,
    }
    numbers = fc.Momentum(np.float64(0.5), np.float32(0.5), nesterov=np.True_).to_dict()
    assert {type(value) for value in numbers.values()} == {str, float, bool, type(None)}


def test_a_function_is_left_out_and_must_be_given_again() -> None:
    description = fc.Momentum(lambda step: 0.1, 0.5).to_dict()
    assert "lr" not in description
    with pytest.raises(ValueError, match="the description of Momentum has no lr, which was a function: give lr"):
        from_dict(description)
    assert from_dict(description, lr=0.2) == fc.Momentum(0.2, 0.5)
    assert from_dict(SCHEDULED.to_dict(), lr=0.2) == fc.Adagrad(0.2, clip_norm=2)


@pytest.mark.parametrize(
    ("description", "error", "message"),
    [
        ("SGD", TypeError, "the description of an optimizer must be a mapping, got str"),
        ({}, ValueError, r"the description's name must be one of \['Adagrad', .*'SGD'.*\], got None"),
        ({"name": "Adam", "lr": 1}, ValueError, r"name must be one of .*, got 'Adam'"),
        ({"name": ["SGD"]}, ValueError, r"name must be one of .*, got \['SGD'\]"),
        (
            {"name": "SGD", "lr": 1, "beta1": 0},
            ValueError,
            r"of SGD has \['beta1'\], known are \['clip_norm', 'lr', 'w",
        ),
        ({"name": "SGD", "lr": -1}, ValueError, "lr must be finite"),
        ({"name": "SGD", "lr": "1"}, TypeError, "lr must be a number or a function of the step, got str"),
        ({"name": "SGD", "lr": {"shape": "linear", "peak": 1, "rate": 2}}, ValueError, r"of SGD's lr has \['rate'\]"),
        ({"name": "SGD", "lr": {"shape": "linear", "peak": 1}}, TypeError, "steps must be an integer, got NoneType"),
        ({"name": "SGD", "lr": {"peak": 1}}, ValueError, r"the description of SGD's lr must have \['peak', 'shape'\]"),
    ],
)
def test_bad_descriptions(description: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_dict(description)


def test_text_shows_what_was_set() -> None:
    assert repr(fc.SGD(0.1)) == "SGD(lr=0.1)"
    assert repr(fc.SGD(0.1, clip_norm=1, weight_decay=0.5)) == "SGD(lr=0.1, weight_decay=0.5, clip_norm=1)"
    assert repr(fc.Momentum(1)) == "Momentum(lr=1, momentum=0.9, nesterov=False, catch_up=False)"
