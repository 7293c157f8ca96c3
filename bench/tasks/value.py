"""Sampled softmax without gradients, sampler and hits included."""

from bench.cases import GRID
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "value",
        "Sampled softmax: value only",
        GRID,
        {
            "fastcands": Entry("fastcands", "softmax_value"),
            "TensorFlow": Entry("tensorflow", "softmax_value"),
            "PyTorch": Entry("pytorch", "softmax_value"),
            "NumPy": Entry("numpy", "softmax_value"),
        },
        (
            Figure("TensorFlow / fastcands", "TensorFlow", "fastcands"),
            Figure("PyTorch / fastcands", "PyTorch", "fastcands"),
            Figure("NumPy / fastcands", "NumPy", "fastcands"),
        ),
    ),
)
