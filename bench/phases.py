"""Kernels grouped into what a step does; a kernel that is not listed stands for itself."""

from __future__ import annotations

from collections import defaultdict

from bench.results import Line

__all__ = ["shares"]

_PHASES = {
    "draw candidates": (
        "accidental_hits", "alias_table", "bounded_words", "class_ids", "count_tree", "decay", "draws",
        "expected_counts", "log_uniform_draws", "philox", "race", "uniform_draws", "unique_draws", "weights",
    ),
    "plan, pack inputs, true classes": ("candidate_prepare", "gather", "packing", "label_logits"),
    "gather candidates, product, exponentials": ("candidate_tiles",),
    "softmax": ("candidate_losses",),
    "update rows": ("row_update",),
}  # fmt: skip
_NAMES = {
    "candidate_gradients.weight_gradients": "product: gradient of the rows",
    "candidate_gradients.input_gradients": "product: gradient of the inputs",
}
OUTSIDE = "outside of kernels"


def _phase(kernel: str) -> str:
    """Return what a kernel does in a step; ``row_update`` stands for all modules whose name begins so."""
    if kernel in _NAMES:
        return _NAMES[kernel]
    module = kernel.partition(".")[0]
    for phase, beginnings in _PHASES.items():
        if any(module == name or module.startswith(f"{name}_") for name in beginnings):
            return phase
    return kernel.replace("_", " ")


def shares(line: Line) -> dict[str, float]:
    """Return the share of each phase in the time of a call, averaged over the rounds, the largest first."""
    found: dict[str, float] = defaultdict(float)
    for times in line.rounds:
        kernels = {name: seconds for name, seconds in times.items() if name != "total"}
        total = times["total"]
        for name, seconds in kernels.items():
            found[_phase(name)] += seconds / total / len(line.rounds)
        found[OUTSIDE] += (total - sum(kernels.values())) / total / len(line.rounds)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
