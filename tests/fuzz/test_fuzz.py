"""A few hundred calls with arguments of all kinds: each is right, or refused by the name of an argument."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from tests.fuzz import __main__ as fuzz
from tests.fuzz import values
from tests.fuzz.calls import CALLS
from tests.fuzz.judge import Call, verdict

CASES = int(os.environ.get("FUZZ_CASES", "600"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))


def test_calls_with_arguments_of_all_kinds() -> None:
    found = fuzz.attack(SEED, 0, CASES)
    assert not found, "\n".join(["wrong; each line reproduces one:", *found])


@pytest.mark.parametrize("make", dict.fromkeys(CALLS), ids=lambda make: make.__name__)
def test_calls_are_right_as_they_stand(make: Callable[[np.random.Generator], Call]) -> None:
    for seed in range(5):
        call = make(np.random.default_rng(seed))
        assert verdict(call) is None
        call = make(np.random.default_rng(seed))
        call.function(**call.arguments)  # and not refused


def test_what_is_left_out_is_a_kind() -> None:
    assert set(values.LEFT_OUT) <= {*values.FORMS, *values.WRONG_ARRAYS, *values.WRONG_OBJECTS}


def forgets(state: dict[str, Any]) -> None:
    state["x"] = 0
    raise ValueError("state is wrong")


def fails(x: Any) -> Any:
    return {"error": 1 // 0}


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (lambda x: int("a"), {"x": 1}, r"names no argument: ValueError: invalid literal"),
        (fails, {"x": 1}, r"ZeroDivisionError"),
        (forgets, {"state": {"x": 1}}, r"refused, but changed an argument or a state: state is wrong"),
        (lambda x: x.fill(3), {"x": np.zeros(2)}, r"changed an argument"),
        (lambda x: np.log(x), {"x": np.zeros(2)}, r"RuntimeWarning: divide by zero"),
        (lambda x: 1, {"x": 1}, r"wrong result"),
    ],
)
def test_each_thing_that_can_be_wrong_is_found(function: Any, arguments: dict[str, Any], message: str) -> None:
    def check(result: Any, arguments: dict[str, Any]) -> None:
        assert result != 1

    assert re.match(message, verdict(Call("call", function, arguments, (), check)) or "right")


def test_a_sampler_that_moves_although_it_refuses_is_found() -> None:
    sampler = fc.UniformSampler(10, seed=1)

    def refuse(labels: Any) -> None:
        sampler.sample(labels, 3)
        raise ValueError("labels are wrong")

    assert "changed" in (verdict(Call("call", refuse, {"labels": [[1]]}, (sampler,))) or "")


def test_a_case_depends_on_its_number_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(fuzz, "verdict", lambda call: seen.append(repr((call.name, *call.arguments))))
    for case in (5, 6, 5, 6):
        fuzz.finding(1, case)
    assert seen[:2] == seen[2:]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("import os; os.abort()", r"ended the process, code -6"),
        ("import time; time.sleep(100)", r"took more than 0 s"),
    ],
)
def test_a_crash_and_a_hang_are_named(fault: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys, pathlib; pathlib.Path(sys.argv[-1]).write_text(str(int(sys.argv[-3]) + 2)); " + fault
    popen = fuzz.subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        return popen([command[0], "-c", program, *command[3:]], **options)

    monkeypatch.setattr(fuzz.subprocess, "Popen", start)
    monkeypatch.setattr(fuzz, "LONGEST", 0.4)
    (line,) = fuzz.attack(3, 0, 3)
    assert re.fullmatch(rf"python -m tests\.fuzz --seed 3 --case 2  # {told}", line)
