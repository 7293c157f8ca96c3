"""The stages of a sampled loss, in order."""

from __future__ import annotations

from fastcands.kernels.candidate_gradients import input_gradients, weight_gradients
from fastcands.kernels.candidate_losses import join
from fastcands.kernels.candidate_prepare import prepare
from fastcands.kernels.candidate_tiles import form_tiles
from fastcands.stages import StagedKernel

__all__ = ["FORWARD", "GRADIENTS", "JOIN", "candidate_step"]

FORWARD, JOIN, GRADIENTS = (0, 2), (2, 3), (3, 5)
"""Which stages, for those who look at the tiles, or change the gradient of the true logits, in between."""

candidate_step = StagedKernel(prepare, form_tiles, join, weight_gradients, input_gradients)
"""Value and all gradients of a sampled loss. Every sum has one owner and one order: the number of threads decides who
computes what, never a result."""
