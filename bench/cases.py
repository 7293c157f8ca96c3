"""The sizes that everything is measured at, and the numbers that are asked for."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = [
    "EXACT", "EXPECTED", "GRID", "GROWTH", "MEMORY_GROWTH", "SAMPLERS", "SMALL", "TINY", "WORD_VECTORS", "Case",
    "Expectation", "quick_case", "thread_counts",
]  # fmt: skip


class Case(NamedTuple):
    """Classes V, width D, batch B, candidates S."""

    classes: int
    width: int
    batch: int
    candidates: int


class Expectation(NamedTuple):
    """A number to reach: at least or at most so much."""

    at_least: bool
    number: float

    def met(self, value: float) -> bool:
        """Whether a value is as asked for."""
        return value >= self.number if self.at_least else value <= self.number

    def __str__(self) -> str:
        """Return the sign and the number."""
        return f"{'≥' if self.at_least else '≤'} {self.number:g}"


GRID = {
    "a": Case(100_000, 128, 128, 1024),
    "b": Case(1_000_000, 128, 512, 8192),
    "c": Case(1_000_000, 256, 1024, 8192),
    "d": Case(793_000, 512, 256, 8192),
}
SMALL = {"small": Case(10_000, 32, 16, 64)}
EXACT = {"exact": Case(1_000_000, 128, 256, 0)}
SAMPLERS = {"large": Case(1_000_000, 0, 512, 8192), "small": Case(100_000, 0, 64, 64)}
# the batch is the number of training pairs, the candidates are those of each pair
WORD_VECTORS = {"pairs": Case(100_000, 128, 20_480, 5)}
TINY = Case(2_000, 16, 8, 16)
"""What a process computes once before its memory is measured: compilation and thread pools are no part of that."""

_MIDDLE = Case(200_000, 128, 256, 2048)
GROWTH = {
    "V": [_MIDDLE._replace(classes=v) for v in (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)],
    "B": [_MIDDLE._replace(batch=b) for b in (16, 32, 64, 128, 256, 512, 1024, 2048)],
    "S": [_MIDDLE._replace(candidates=s) for s in (128, 256, 512, 1024, 2048, 4096, 8192, 16_384)],
    "D": [_MIDDLE._replace(width=d) for d in (16, 32, 64, 128, 256, 512)],
}
"""One size grows, the others stay."""

MEMORY_GROWTH = {
    "B·S": [_MIDDLE._replace(batch=b, candidates=s) for b, s in ((64, 1024), (128, 2048), (256, 4096), (512, 8192))],
    "V": [_MIDDLE._replace(classes=v) for v in (30_000, 100_000, 300_000, 1_000_000)],
    "V, exact loss": [Case(v, 128, 256, 0) for v in (30_000, 100_000, 300_000, 1_000_000)],
}


def _at_least(**numbers: float) -> dict[str, Expectation]:
    return {case: Expectation(True, number) for case, number in numbers.items()}


def _at_most(**numbers: float) -> dict[str, Expectation]:
    return {case: Expectation(False, number) for case, number in numbers.items()}


# (task, figure) -> case -> what is asked for
EXPECTED: dict[tuple[str, str], dict[str, Expectation]] = {
    ("step", "fastcands / 3 products"): _at_most(a=1.6, b=1.1, c=1.1, d=1.1),
    ("step", "TensorFlow / fastcands"): _at_least(a=3.5, b=2.8, c=2.3, d=1.7),
    ("precision", "TensorFlow / medium"): _at_least(a=5, b=7.5, c=8.5, d=5.5),
    ("precision", "PyTorch, bfloat16 / medium"): _at_least(b=3, c=3, d=3),
    ("precision", "highest / high"): _at_least(c=1.4),
    ("precision_exact", "PyTorch / medium"): _at_least(exact=5),
    ("step_peaked", "peaked / usual"): _at_most(b=1.1),
    ("value", "TensorFlow / fastcands"): _at_least(a=3, b=3, c=3, d=3),
    ("nce", "NCE / sampled softmax"): _at_most(a=1.15, b=1.15, c=1.15, d=1.15),
    ("exact", "forward: PyTorch / fastcands"): _at_least(exact=3),
    ("exact", "forward and backward: PyTorch / fastcands"): _at_least(exact=2.5),
    ("train_step", "train_step / value_and_grad"): _at_most(a=1.15, b=1.15, c=1.15, d=1.15),
    ("small_call", "fastcands, µs"): _at_most(small=120),
    ("memory", "fastcands / TensorFlow"): _at_most(c=0.5),
    ("memory_growth_exact", "forward, MiB beyond results"): _at_most(**{"V=1,000,000": 64}),
    ("memory_growth_exact", "forward and backward, MiB beyond results"): _at_most(**{"V=1,000,000": 64}),
    ("threads", "1 thread / 2 threads"): _at_least(c=1.85),
    ("sampler_uniform", "TensorFlow / fastcands"): _at_least(large=5),
    ("sampler_log_uniform", "TensorFlow / fastcands"): _at_least(large=8),
    ("sampler_learned_unigram", "TensorFlow / fastcands"): _at_least(large=5),
    ("sampler_fixed_unigram", "TensorFlow / fastcands"): _at_least(large=5),
    ("hits", "TensorFlow / fastcands"): _at_least(large=5),
    ("sampler_uniform", "fastcands, µs"): _at_most(small=30),
    ("sampler_log_uniform", "fastcands, µs"): _at_most(small=30),
    ("sampler_learned_unigram", "fastcands, µs"): _at_most(small=30),
    ("sampler_fixed_unigram", "fastcands, µs"): _at_most(small=30),
    ("hits", "fastcands, µs"): _at_most(small=30),
}


def quick_case(case: Case) -> Case:
    """Return a case shrunk so far that it shows nothing but whether everything runs; what differs goes on differing."""
    shrunk = (size and max(4, size // by) for size, by in zip(case, (20, 4, 8, 16), strict=True))
    return Case(*shrunk)


def thread_counts(cores: int | None = None) -> list[int]:
    """Return 1, 2, 4, … up to the number of processors, and that number; 1 and 2 in any case."""
    cores = max(2, cores or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2)
    counts = [1]
    while counts[-1] * 2 <= cores:
        counts.append(counts[-1] * 2)
    return counts if counts[-1] == cores else [*counts, cores]
