"""The logistic loss: log(1 + e^z) - target z, summed over single logits."""

from __future__ import annotations

import math

from fastcands.jit import kernel
from fastcands.kernels.epilogues.per_logit import PerLogit
from fastcands.simd.bf16.quick_exp import emit_quick_softplus_and_sigmoid
from fastcands.simd.logistic import emit_softplus_and_sigmoid

__all__ = ["LOGISTIC"]


@kernel
def _negative(z: float) -> tuple[float, float]:
    """Return log(1 + e^z) and 1 / (1 + e^-z).

    IN
        z : float64
    """
    small = math.exp(-abs(z))
    return (0.0 if z <= 0 else z) + math.log1p(small), 1 / (1 + small) if z >= 0 else small / (1 + small)


@kernel
def _correction(z: float, target: float) -> tuple[float, float]:
    """Return what a target adds: -target z, and its derivative.

    IN
        z : float64
        target : float64
    """
    return -target * z, -target


LOGISTIC = PerLogit(
    "logistic",
    emit=emit_softplus_and_sigmoid,
    emit_fast=emit_quick_softplus_and_sigmoid,
    negative=_negative,
    correction=_correction,
)
