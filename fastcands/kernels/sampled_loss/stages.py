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
"""Value and all gradients of a softmax. One worker computes each sum, in a fixed order, so results do not depend on the
number of threads."""

per_logit_stages = StagedKernel(**normalized_stages.stages | {"reduce": reduce_per_logit})
"""The same for a loss of single logits: one stage differs."""
