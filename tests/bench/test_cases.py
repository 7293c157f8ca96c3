"""Cases in small, and the numbers of threads they run with."""

from __future__ import annotations

import pytest

from bench.cases import Case, quick_case, thread_counts


def test_quick_cases_are_small_and_keep_their_differences() -> None:
    assert quick_case(Case(1_000_000, 128, 512, 0)) == Case(50_000, 32, 64, 0)
    assert quick_case(Case(10_000, 32, 16, 64)) == Case(500, 8, 4, 4)


@pytest.mark.parametrize(("cores", "counts"), [(1, [1, 2]), (2, [1, 2]), (4, [1, 2, 4]), (12, [1, 2, 4, 8, 12])])
def test_thread_counts(cores: int, counts: list[int]) -> None:
    assert thread_counts(cores) == counts
