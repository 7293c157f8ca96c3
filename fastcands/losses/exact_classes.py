"""Which passes over the table an exact loss makes."""

from __future__ import annotations

from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.losses.all_classes import AllClasses
from fastcands.losses.batch import Batch
from fastcands.losses.bf16_all_classes import Bf16AllClasses

__all__ = ["exact_classes"]

_FEWEST_EXAMPLES, _WORTH_ROUNDING = 16, 1 << 26
"""Examples, and multiplications a product, below which rounding the table takes longer than its products save."""


def exact_classes(batch: Batch, epilogue: Epilogue, *, needs_grad: bool) -> AllClasses:
    """Return what makes the passes over the table, in the tier of the batch where that pays; see `AllClasses`."""
    small = len(batch.inputs) < _FEWEST_EXAMPLES or batch.inputs.size * batch.weights.total < _WORTH_ROUNDING
    passes = AllClasses if small or batch.precision == "highest" else Bf16AllClasses
    return passes(batch, epilogue, needs_grad=needs_grad)
