"""Memory that a call takes, and bytes of what it returns."""

from __future__ import annotations

import numpy as np

import fastcands as fc
from bench.memory import measure_growth, result_bytes


def test_peak_memory_is_of_what_a_call_holds_at_once() -> None:
    def call() -> np.ndarray:
        np.ones(4 << 20)  # 32 MiB, gone before the next
        return np.ones(2 << 20)

    call()
    growth = measure_growth(call)
    assert 31 << 20 <= growth.peak < 36 << 20  # the kernel counts pages by the batch
    assert growth.results == 16 << 20


def test_bytes_of_nested_results() -> None:
    gradient = fc.RowGradient.from_pairs([1, 2], np.ones((2, 3), np.float32), num_rows=4)
    assert result_bytes((np.zeros(2), [gradient, None], {"a": np.zeros(1)})) == 16 + 2 * 8 + 6 * 4 + 8
