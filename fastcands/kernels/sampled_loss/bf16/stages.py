"""The stages of a sampled loss on packed bfloat16 blocks, in order."""

from __future__ import annotations

from fastcands.kernels.sampled_loss.bf16.gradients import bf16_input_gradients, bf16_weight_gradients
from fastcands.kernels.sampled_loss.bf16.logits import form_blocks, form_exceeding_blocks
from fastcands.kernels.sampled_loss.bf16.prologue import bf16_prologue
from fastcands.kernels.sampled_loss.bf16.reduce import bf16_reduce
from fastcands.stages import StagedKernel

__all__ = ["STAGES", "bf16_stages"]

bf16_stages = StagedKernel(
    bf16_prologue, form_blocks, form_exceeding_blocks, bf16_reduce, bf16_weight_gradients, bf16_input_gradients
)
"""Value and all gradients of a sampled loss. Every sum has one owner and one order, as in `sampled_loss_stages`."""

STAGES = (0, 1, 3, 4, 5, 6)
"""Where the stages of `sampled_loss_stages`, and their end, are among these."""
