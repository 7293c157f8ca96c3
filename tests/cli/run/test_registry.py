"""Names on the command line, and the rates that go with them."""

from __future__ import annotations

import json

import pytest

import fastcands as fc
from fastcands.cli.errors import Refusal
from fastcands.cli.run.registry import LOSSES, OPTIMIZERS, PRECISIONS, SAMPLERS, TABLE_DTYPES, check_name, default_rate
from tests.cli.conftest import CONFIG


@pytest.mark.parametrize("table", [LOSSES, SAMPLERS, OPTIMIZERS])
def test_names(table: dict[str, object]) -> None:
    for name in table:
        assert check_name("--x", name, table) == name
        with pytest.raises(Refusal, match=f"^--x: unknown name '{name}z', did you mean '{name}'"):
            check_name("--x", name + "z", table)
    with pytest.raises(Refusal, match="did you mean"):
        check_name("--x", "", table)


def test_default_rates_are_for_known_names() -> None:
    assert default_rate("adagrad", "softmax") == OPTIMIZERS["adagrad"].learning_rate
    assert default_rate("sgd", "logistic") < default_rate("sgd", "softmax")
    assert default_rate("adagard", "softmax") == default_rate("sgd", "logstic") == 1.0  # until they are refused


def test_names_are_those_of_the_library() -> None:
    for name in PRECISIONS:
        with fc.matmul_precision(name):
            assert fc.get_matmul_precision() == name
    for dtype in TABLE_DTYPES:
        assert fc.ClassTable(3, 2, dtype=dtype).weights.dtype.name == dtype
    with pytest.raises(Refusal, match="--precision: unknown name 'x'"):
        type(CONFIG).from_json(json.dumps(json.loads(CONFIG.to_json()) | {"precision": "x"})).check()
