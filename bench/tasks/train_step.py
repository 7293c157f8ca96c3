"""A whole step of a class table with Adagrad, beside the value and gradients in it."""

from bench.cases import GRID
from bench.tasks.task import Entry, Figure, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "train_step",
        "ClassTable.train_step with Adagrad",
        GRID,
        {
            "train_step": Entry("fastcands", "train_step"),
            "value_and_grad": Entry("fastcands", "train_gradients"),
        },
        (Figure("train_step / value_and_grad", "train_step", "value_and_grad"),),
    ),
)
