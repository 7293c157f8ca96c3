"""The stages of a sampled loss on packed bfloat16 blocks, in order."""

from __future__ import annotations

from fastcands.kernels.sampled_loss.bf16.gradients import input_gradients, weight_gradients
from fastcands.kernels.sampled_loss.bf16.logits import exceeding, logits
from fastcands.kernels.sampled_loss.bf16.prologue import prologue, prologue_with_references
from fastcands.kernels.sampled_loss.bf16.reduce import reduce_normalized, reduce_per_logit
from fastcands.stages import StagedKernel

__all__ = ["normalized_stages", "per_logit_stages"]

normalized_stages = StagedKernel(
    prologue=prologue_with_references,
    logits=logits,
    exceeding=exceeding,
    reduce=reduce_normalized,
    weight_gradients=weight_gradients,
    input_gradients=input_gradients,
)
"""Value and all gradients of a softmax. One worker computes each sum, in a fixed order, as in float32."""

per_logit_stages = StagedKernel(
    prologue=prologue,
    logits=logits,
    reduce=reduce_per_logit,
    weight_gradients=weight_gradients,
    input_gradients=input_gradients,
)
"""The same for a loss of single logits, which needs no references."""
