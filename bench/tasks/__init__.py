"""All tasks; a file is a group of them."""

from __future__ import annotations

from bench.tasks import (
    exact,
    growth,
    memory,
    nce,
    precision,
    samplers,
    small_call,
    step,
    threads,
    train_step,
    value,
    where,
    word_vectors,
)  # fmt: skip
from bench.tasks.task import Entry, Figure, Task

__all__ = ["GROUPS", "TASKS", "Entry", "Figure", "Task", "choose"]

GROUPS: dict[str, tuple[Task, ...]] = {
    module.__name__.rpartition(".")[2]: module.TASKS
    for module in (
        step, precision, value, nce, exact, train_step, small_call, samplers, word_vectors, threads, memory, where,
        growth,
    )
}  # fmt: skip
TASKS: dict[str, Task] = {task.name: task for tasks in GROUPS.values() for task in tasks}


def choose(names: list[str]) -> list[Task]:
    """Return the tasks of groups and tasks by name, all without a name, each once."""
    unknown = [name for name in names if name not in GROUPS and name not in TASKS]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; there are {', '.join(dict.fromkeys([*GROUPS, *TASKS]))}")
    chosen = [task for name in names or GROUPS for task in GROUPS.get(name) or (TASKS[name],)]
    return list({task.name: task for task in chosen}.values())
