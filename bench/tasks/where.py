"""Where the time of a step goes, kernel by kernel."""

from bench.cases import GRID
from bench.tasks.task import Entry, Task

__all__ = ["TASKS"]

TASKS = (
    Task(
        "where",
        "Where the time of ClassTable.train_step goes",
        GRID,
        {"train_step": Entry("fastcands", "train_step")},
        measure="kernels",
        most_rounds=5,
    ),
)
