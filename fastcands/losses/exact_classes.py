"""The choice of the passes over the table for an exact loss."""

from __future__ import annotations

from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.losses.all_classes import AllClasses
from fastcands.losses.batch import Batch
from fastcands.losses.bf16_all_classes import Bf16AllClasses

__all__ = ["exact_classes"]

_FEWEST_EXAMPLES, _WORTH_ROUNDING = 16, 1 << 26
"""With fewer examples, or fewer multiplications, rounding the table takes longer than bfloat16 products save."""


def exact_classes(batch: Batch, epilogue: Epilogue, *, needs_grad: bool) -> AllClasses:
    """Return the passes over the table, in the tier of the batch where that is faster; see `AllClasses`."""
    small = len(batch.inputs) < _FEWEST_EXAMPLES or batch.inputs.size * batch.weights.total < _WORTH_ROUNDING
    passes = AllClasses if small or batch.precision == "highest" else Bf16AllClasses
    return passes(batch, epilogue, needs_grad=needs_grad)
