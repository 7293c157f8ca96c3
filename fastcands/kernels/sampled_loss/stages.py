"""The stages of a sampled loss, in order."""

from __future__ import annotations

from fastcands.kernels.sampled_loss.gradients import input_gradients, weight_gradients
from fastcands.kernels.sampled_loss.logits import logits
from fastcands.kernels.sampled_loss.prologue import prologue
from fastcands.kernels.sampled_loss.reduce import reduce_normalized, reduce_per_logit
from fastcands.stages import StagedKernel

__all__ = ["normalized_stages", "per_logit_stages"]

normalized_stages = StagedKernel(
    prologue=prologue,
    logits=logits,
    reduce=reduce_normalized,
    weight_gradients=weight_gradients,
    input_gradients=input_gradients,
)
"""Value and all gradients of a softmax. Every sum has one owner and one order: the number of threads decides who
computes what, never a result."""

per_logit_stages = StagedKernel(**normalized_stages.stages | {"reduce": reduce_per_logit})
"""The same of a loss of single logits: one stage differs."""
