"""How the time of a step grows with each of its sizes."""

from bench.cases import GROWTH, Case
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

_FIELDS = {"V": "classes", "B": "batch", "S": "candidates", "D": "width"}


def _named(size: str, cases: list[Case]) -> dict[str, Case]:
    return {f"{size}={getattr(case, _FIELDS[size]):,}": case for case in cases}


TASKS = tuple(
    Task(
        f"growth_{size}",
        f"Sampled softmax, value and gradients, as {size} grows",
        _named(size, cases),
        {
            "fastcands": Entry("fastcands", "softmax_step"),
            "3 products": Entry("mkl", "products"),
            "TensorFlow": Entry("tensorflow", "softmax_step"),
            "PyTorch": Entry("pytorch", "softmax_step"),
            "NumPy": Entry("numpy", "softmax_step"),
        },
        (Figure("TensorFlow / fastcands", "TensorFlow", "fastcands"),),
        most_rounds=5,
        grows=size,
    )
    for size, cases in GROWTH.items()
)
