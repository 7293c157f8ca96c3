"""A step so small that what surrounds the arithmetic decides."""

from bench.cases import SMALL
from bench.tasks.task import Entry, Figure, Task, per_call

__all__ = ["TASKS"]

TASKS = (
    Task(
        "small_call",
        "Sampled softmax, value and gradients, at a small size",
        SMALL,
        {
            "fastcands": Entry("fastcands", "softmax_step"),
            "TensorFlow": Entry("tensorflow", "softmax_step"),
            "PyTorch": Entry("pytorch", "softmax_step"),
            "NumPy": Entry("numpy", "softmax_step"),
        },
        (per_call("fastcands"), Figure("TensorFlow / fastcands", "TensorFlow", "fastcands")),
    ),
)
