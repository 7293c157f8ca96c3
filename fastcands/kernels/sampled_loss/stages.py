"""The stages of a sampled loss, in order."""

from __future__ import annotations

from fastcands.kernels.sampled_loss.gradients import input_gradients, weight_gradients
from fastcands.kernels.sampled_loss.logits import logits
from fastcands.kernels.sampled_loss.prologue import prologue
from fastcands.kernels.sampled_loss.reduce import reduce_normalized, reduce_per_logit
from fastcands.stages import StagedKernel

__all__ = ["stages_for"]

_NORMALIZED = StagedKernel(
    prologue=prologue,
    logits=logits,
    reduce=reduce_normalized,
    weight_gradients=weight_gradients,
    input_gradients=input_gradients,
)
"""Value and all gradients. Every sum has one owner and one order: the number of threads decides who computes what,
never a result."""

_PER_LOGIT = StagedKernel(**_NORMALIZED.stages | {"reduce": reduce_per_logit})


def stages_for(is_normalized: bool) -> StagedKernel:
    """Return the stages of a softmax, or those of a loss of single logits, which share all but one."""
    return _NORMALIZED if is_normalized else _PER_LOGIT
