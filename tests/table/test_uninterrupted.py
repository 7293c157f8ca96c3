"""A step is made whole or not at all, whenever a signal comes."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.optimizers.row_step import RowStep
from fastcands.table.uninterrupted import Uninterrupted
from tests.table.test_class_table import snapshot

INPUTS = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)


def step(table: fc.ClassTable) -> None:
    table.train_step(fc.SoftmaxLoss(), [1, 2, 3, 4], INPUTS)


def test_interrupts_at_random_times_leave_whole_steps() -> None:
    """An interval timer raises in the middle of everything; each table found is one that whole steps lead to."""
    replay, table = (fc.ClassTable(50, 3, optimizer=fc.LazyAdam(0.01), seed=0) for _ in range(2))
    step(table), step(replay)
    rng = np.random.default_rng(0)

    def raise_it(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, raise_it)
    interrupted = 0
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-3))
                for _ in range(10_000):
                    step(table)
            except KeyboardInterrupt:
                interrupted += 1
            while replay.step < table.step:
                step(replay)
            assert snapshot(table) == snapshot(replay)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted == 300
    assert table.step > 100
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_signal_between_the_updates_waits_for_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    table, other = (fc.ClassTable(50, 3, seed=0) for _ in range(2))
    step(table), step(other)
    make = RowStep.make

    def make_then_interrupt(self: Any) -> None:
        make(self)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(RowStep, "make", make_then_interrupt)
    with pytest.raises(KeyboardInterrupt):
        step(table)
    monkeypatch.undo()
    step(other)
    assert table.step == 2
    assert snapshot(table) == snapshot(other)


def test_handlers_are_put_back_and_signals_sent_again() -> None:
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        for number in before:
            signal.signal(number, lambda number, frame: seen.append(number))
        ours = {number: signal.getsignal(number) for number in before}
        with Uninterrupted():
            for number in before:
                signal.raise_signal(number)
            assert seen == []
        assert seen == list(before)
        assert {number: signal.getsignal(number) for number in before} == ours
        with pytest.raises(ZeroDivisionError), Uninterrupted():
            1 / 0  # noqa: B018
        assert {number: signal.getsignal(number) for number in before} == ours
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_two_handlers_that_raise_both_run() -> None:
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        seen.append(number)
        raise RuntimeError(f"signal {number}")

    before = {number: signal.signal(number, note) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    try:
        with pytest.raises(RuntimeError), Uninterrupted():
            list(map(signal.raise_signal, before))
        assert seen == list(before)
        assert all(signal.getsignal(number) is note for number in before)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_thread_trains_while_the_main_thread_is_interrupted() -> None:
    table, replay = (fc.ClassTable(50, 3, seed=0) for _ in range(2))
    step(table), step(replay)
    thread = threading.Thread(target=lambda: [step(table) for _ in range(200)])
    thread.start()
    caught = 0
    while thread.is_alive():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            caught += 1
        time.sleep(1e-4)
    thread.join()
    for _ in range(200):
        step(replay)
    assert snapshot(table) == snapshot(replay)
    assert caught > 0
