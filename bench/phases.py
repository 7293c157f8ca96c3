"""Kernels grouped into what a step does; a kernel that is not listed stands for itself."""

from __future__ import annotations

from collections import defaultdict

from bench.results import Line

__all__ = ["shares"]

_PHASES = {
    "draw candidates": ("sampling", "table.class_ids"),
    "plan, pack inputs, true classes": ("sampled_loss.prologue", "table.gather", "table.packing", "table.label_logits"),
    "gather candidates, product, exponentials": ("sampled_loss.logits",),
    "softmax": ("sampled_loss.reduce",),
    "product: gradient of the rows": ("sampled_loss.gradients.weight_gradients",),
    "product: gradient of the inputs": ("sampled_loss.gradients.input_gradients",),
    "update rows": ("optimizers",),
}  # fmt: skip
OUTSIDE = "outside of kernels"


def _phase(kernel: str) -> str:
    """Return what a kernel does in a step; ``sampling`` stands for all kernels of that folder."""
    for phase, beginnings in _PHASES.items():
        if any(f"{kernel}.".startswith(f"{name}.") for name in beginnings):
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
