"""What more threads bring."""

from bench.cases import GRID, thread_counts
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

_CONTENDERS = {"fastcands": "fastcands", "TensorFlow": "tensorflow", "PyTorch": "pytorch"}

TASKS = (
    Task(
        "threads",
        "Sampled softmax, value and gradients, on more threads",
        {"c": GRID["c"]},
        {
            f"{name}, {count} thread{'s' * (count > 1)}": Entry(contender, "softmax_step", count)
            for name, contender in _CONTENDERS.items()
            for count in thread_counts()
        },
        (
            Figure("1 thread / 2 threads", "fastcands, 1 thread", "fastcands, 2 threads"),
            Figure("TensorFlow: 1 thread / 2 threads", "TensorFlow, 1 thread", "TensorFlow, 2 threads"),
            Figure("PyTorch: 1 thread / 2 threads", "PyTorch, 1 thread", "PyTorch, 2 threads"),
        ),
    ),
)
