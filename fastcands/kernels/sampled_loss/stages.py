"""The stages of a sampled loss, in order."""

from __future__ import annotations

from fastcands.kernels.sampled_loss.gradients import input_gradients, weight_gradients
from fastcands.kernels.sampled_loss.logits import form_tiles
from fastcands.kernels.sampled_loss.prologue import prepare
from fastcands.kernels.sampled_loss.reduce import join
from fastcands.stages import StagedKernel

__all__ = ["FORWARD", "GRADIENTS", "JOIN", "sampled_loss_stages"]

FORWARD, JOIN, GRADIENTS = (0, 2), (2, 3), (3, 5)
"""Which stages, for those who look at the tiles, or change the gradient of the true logits, in between."""

sampled_loss_stages = StagedKernel(prepare, form_tiles, join, weight_gradients, input_gradients)
"""Value and all gradients of a sampled loss. Every sum has one owner and one order: the number of threads decides who
computes what, never a result."""
