"""Softmax over all classes, beside PyTorch's on an array of all logits."""

from bench.cases import EXACT
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "exact",
        "Softmax over all classes",
        EXACT,
        {
            "fastcands, forward": Entry("fastcands", "exact_value"),
            "PyTorch, forward": Entry("pytorch", "exact_value"),
            "fastcands, forward and backward": Entry("fastcands", "exact_step"),
            "PyTorch, forward and backward": Entry("pytorch", "exact_step"),
        },
        (
            Figure("forward: PyTorch / fastcands", "PyTorch, forward", "fastcands, forward"),
            Figure(
                "forward and backward: PyTorch / fastcands",
                "PyTorch, forward and backward",
                "fastcands, forward and backward",
            ),
        ),
        most_rounds=5,
    ),
)
