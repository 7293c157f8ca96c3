"""Value and gradients of sampled softmax, sampler and hits included."""

from bench.cases import GRID
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "step",
        "Sampled softmax: value and gradients",
        GRID,
        {
            "fastcands": Entry("fastcands", "softmax_step"),
            "3 products": Entry("mkl", "products"),
            "TensorFlow": Entry("tensorflow", "softmax_step"),
            "PyTorch": Entry("pytorch", "softmax_step"),
            "NumPy": Entry("numpy", "softmax_step"),
        },
        (
            Figure("fastcands / 3 products", "fastcands", "3 products"),
            Figure("TensorFlow / fastcands", "TensorFlow", "fastcands"),
            Figure("PyTorch / fastcands", "PyTorch", "fastcands"),
            Figure("NumPy / fastcands", "NumPy", "fastcands"),
        ),
    ),
    Task(
        "step_peaked",
        "Sampled softmax of which most probabilities underflow",
        {"b": GRID["b"]},
        {"peaked": Entry("fastcands", "peaked_step"), "usual": Entry("fastcands", "softmax_step")},
        (Figure("peaked / usual", "peaked", "usual"),),
    ),
)
