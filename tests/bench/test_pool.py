"""Processes and turns: known speeds give the right ratios, and what goes wrong is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.cases import Case
from bench.pool import ContenderError, Pool, in_turns
from bench.results import spread
from bench.tasks.task import Entry, Task

SLEEPERS = "tests.bench.sleepers"
CASE = Case(0, 0, 10, 0)


def task(measure: str = "seconds", **operations: str) -> Task:
    entries = {label: Entry(SLEEPERS, operation) for label, operation in operations.items()}
    return Task("fake", "fake", {"one": CASE}, entries, measure=measure)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(1, settle=0.0) as running:
        yield running


def test_every_round_begins_with_the_next_one() -> None:
    assert in_turns("abc", 4) == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_everybody_has_every_place_equally_often() -> None:
    rounds = in_turns("abcd", 8)
    for place in range(4):
        assert sorted(round_[place] for round_ in rounds) == list("aabbccdd")


def test_a_contender_three_times_slower_is_found_three_times_slower(pool: Pool) -> None:
    found = pool.measure(task(quick="steady", slow="thrice"), CASE, 3)
    ratio = spread([slow / quick for slow, quick in zip(found["slow"], found["quick"], strict=True)])
    assert 2.5 < ratio.median < 3.3
    assert min(found["quick"]) >= 0.010


def test_threads_of_an_entry_make_a_process_of_its_own(pool: Pool) -> None:
    entries = {str(count): Entry(SLEEPERS, "threads_thrice", count) for count in (1, 3)}
    found = pool.measure(Task("fake", "fake", {"one": CASE}, entries), CASE, 2)
    assert 2.4 < found["1"][0] / found["3"][0] < 3.6


def test_what_a_library_prints_is_no_reply(pool: Pool) -> None:
    assert len(pool.measure(task(noisy="noisy"), CASE, 1)["noisy"]) == 1


def test_memory_of_a_call(pool: Pool) -> None:
    size = 64 << 20
    found = pool.measure(task("bytes", array="array"), Case(size, 0, 0, 0), 2)
    for growth in found["array"]:
        assert 0.98 * size <= growth["peak"] < 1.1 * size  # the kernel counts pages by the batch


def test_an_error_of_a_contender_is_shown_and_the_others_go_on(pool: Pool) -> None:
    with pytest.raises(ContenderError, match="this one cannot"):
        pool.measure(task(bad="broken"), CASE, 1)
    assert pool.measure(task(good="steady"), CASE, 1)["good"]


def test_an_unknown_operation_is_named(pool: Pool) -> None:
    for name in ("nothing", "describe", "_hidden"):
        with pytest.raises(ContenderError, match=f"has no operation '{name}'"):
            pool.measure(task(bad=name), CASE, 1)


def test_a_contender_that_does_not_start_is_named() -> None:
    with Pool(1) as running, pytest.raises(ContenderError, match=r"No module named 'tests\.bench\.nobody'"):
        running.measure(Task("fake", "fake", {}, {"x": Entry("tests.bench.nobody", "steady")}), CASE, 1)


def test_the_last_words_of_a_process_that_died() -> None:
    with Pool(1) as running, pytest.raises(ContenderError, match="ended with code 3\nlast words"):
        running.measure(task(gone="gone"), CASE, 1)
