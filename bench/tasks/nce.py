"""Value and gradients of noise contrastive estimation, beside sampled softmax and beside others."""

from bench.cases import GRID
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "nce",
        "Noise contrastive estimation: value and gradients",
        GRID,
        {
            "fastcands": Entry("fastcands", "nce_step"),
            "sampled softmax": Entry("fastcands", "softmax_step"),
            "TensorFlow": Entry("tensorflow", "nce_step"),
            "PyTorch": Entry("pytorch", "nce_step"),
        },
        (
            Figure("NCE / sampled softmax", "fastcands", "sampled softmax"),
            Figure("TensorFlow / fastcands", "TensorFlow", "fastcands"),
            Figure("PyTorch / fastcands", "PyTorch", "fastcands"),
        ),
    ),
)
