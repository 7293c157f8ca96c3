"""The precision of matrix products: settings, nesting, threads, and which tier a call gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.precision import as_precision, resolve
from fastcands.simd import dot

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    fc.set_matmul_precision("highest")


@pytest.fixture
def usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "unusable", lambda: None)


@pytest.fixture
def unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "unusable", lambda: "there are none")


def test_the_innermost_setting_counts() -> None:
    assert fc.get_matmul_precision() == "highest"
    fc.set_matmul_precision("high")
    with fc.matmul_precision("medium"):
        assert fc.get_matmul_precision() == "medium"
        with fc.matmul_precision("highest"):
            assert fc.get_matmul_precision() == "highest"
        fc.set_matmul_precision("highest")  # the default, hidden here by the block
        assert fc.get_matmul_precision() == "medium"
    assert fc.get_matmul_precision() == "highest"


def test_a_block_ends_by_an_exception_too() -> None:
    with pytest.raises(KeyError), fc.matmul_precision("medium"):
        raise KeyError
    assert fc.get_matmul_precision() == "highest"


def test_a_block_holds_in_its_own_thread_only() -> None:
    fc.set_matmul_precision("high")
    seen = []
    with fc.matmul_precision("medium"):
        other = threading.Thread(target=lambda: seen.append(fc.get_matmul_precision()))
        other.start()
        other.join()
    assert seen == ["high"]


@pytest.mark.parametrize("call", [fc.set_matmul_precision, lambda p: fc.matmul_precision(p).__enter__(), as_precision])
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("fast", ValueError, "precision must be 'highest', 'high' or 'medium', got 'fast'"),
        ("Medium", ValueError, "precision must be 'highest', 'high' or 'medium', got 'Medium'"),
        (None, TypeError, "precision must be 'highest', 'high' or 'medium', got NoneType"),
        (["high"], TypeError, "precision must be 'highest', 'high' or 'medium', got list"),
        (1, TypeError, "precision must be 'highest', 'high' or 'medium', got int"),
    ],
)
def test_other_words_are_refused(call: Any, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(value)
    assert fc.get_matmul_precision() == "highest"


@pytest.mark.usefixtures("usable")
def test_what_is_asked_for_is_computed_in_float32() -> None:
    for name in ("highest", "high", "medium"):
        assert resolve(name, FLOAT32) == name
        assert resolve(name, FLOAT64) == "highest"
    assert resolve(None, FLOAT32) == "highest"
    fc.set_matmul_precision("medium")
    assert resolve(None, FLOAT32) == "medium"
    assert resolve(None, FLOAT64) == "highest"
    assert resolve("high", FLOAT32) == "high"
    assert resolve("highest", FLOAT32) == "highest"


@pytest.mark.usefixtures("unusable")
def test_all_is_highest_without_an_instruction_set() -> None:
    fc.set_matmul_precision("medium")
    for asked in (None, "highest", "high", "medium"):
        assert resolve(asked, FLOAT32) == resolve(asked, FLOAT64) == "highest"


def test_highest_never_asks_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str | None:
        raise AssertionError("the operating system was asked")

    monkeypatch.setattr(dot, "unusable", fail)
    assert resolve(None, FLOAT32) == "highest"
    assert resolve("medium", FLOAT64) == "highest"
    with pytest.raises(AssertionError, match="was asked"):
        resolve("medium", FLOAT32)
