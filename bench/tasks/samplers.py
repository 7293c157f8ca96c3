"""Samplers and accidental hits beside TensorFlow's ops, with the same labels, seeds and weights."""

from bench.cases import SAMPLERS
from bench.tasks.task import Entry, Figure, Task, per_call

__all__ = ["TASKS"]

_TITLES = {
    "uniform": "Uniform sampler",
    "log_uniform": "Log-uniform sampler",
    "learned_unigram": "Learned-unigram sampler",
    "fixed_unigram": "Fixed-unigram sampler",
}


def _task(name: str, title: str, operation: str) -> Task:
    entries = {"fastcands": Entry("fastcands", operation), "TensorFlow": Entry("tensorflow", operation)}
    figures = Figure("TensorFlow / fastcands", "TensorFlow", "fastcands"), per_call("fastcands")
    return Task(name, title, SAMPLERS, entries, figures)


TASKS = (
    *(_task(f"sampler_{name}", title, f"draw_{name}") for name, title in _TITLES.items()),
    _task("hits", "Accidental hits", "hits"),
)
