"""Peak memory of a call above what there was before it, and how it grows."""

from bench.cases import GRID, MEMORY_GROWTH, Case
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

_STEPS = {
    "fastcands": Entry("fastcands", "softmax_step"),
    "TensorFlow": Entry("tensorflow", "softmax_step"),
    "PyTorch": Entry("pytorch", "softmax_step"),
    "NumPy": Entry("numpy", "softmax_step"),
}
_MEBIBYTE = 2.0**-20


def _by_tile(cases: list[Case]) -> dict[str, Case]:
    return {f"B·S={case.batch * case.candidates:,}": case for case in cases}


def _by_classes(cases: list[Case]) -> dict[str, Case]:
    return {f"V={case.classes:,}": case for case in cases}


TASKS = (
    Task(
        "memory",
        "Peak memory of value and gradients of sampled softmax",
        {"c": GRID["c"]},
        _STEPS,
        (
            Figure("fastcands / TensorFlow", "fastcands", "TensorFlow", part="peak"),
            Figure("fastcands / PyTorch", "fastcands", "PyTorch", part="peak"),
        ),
        measure="bytes",
        most_rounds=3,
    ),
    Task(
        "memory_growth_BS",
        "Peak memory of value and gradients of sampled softmax, as B·S grows",
        _by_tile(MEMORY_GROWTH["B·S"]),
        _STEPS,
        measure="bytes",
        most_rounds=1,
        grows="B·S",
    ),
    Task(
        "memory_growth_V",
        "Peak memory of value and gradients of sampled softmax, as V grows",
        _by_classes(MEMORY_GROWTH["V"]),
        _STEPS,
        measure="bytes",
        most_rounds=1,
        grows="V",
    ),
    Task(
        "memory_growth_exact",
        "Peak memory of the softmax over all classes, as V grows",
        _by_classes(MEMORY_GROWTH["V, exact loss"]),
        {
            "fastcands, forward": Entry("fastcands", "exact_value"),
            "fastcands, forward and backward": Entry("fastcands", "exact_step"),
            "PyTorch, forward": Entry("pytorch", "exact_value"),
            "PyTorch, forward and backward": Entry("pytorch", "exact_step"),
        },
        (
            Figure("forward, MiB beyond results", "fastcands, forward", scale=_MEBIBYTE, part="beyond"),
            Figure(
                "forward and backward, MiB beyond results",
                "fastcands, forward and backward",
                scale=_MEBIBYTE,
                part="beyond",
            ),
        ),
        measure="bytes",
        most_rounds=1,
        grows="V",
    ),
)
