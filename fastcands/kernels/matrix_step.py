"""The stages of a sampled loss on matrix tiles, in order."""

from __future__ import annotations

from fastcands.kernels.matrix_gradients import matrix_input_gradients, matrix_weight_gradients
from fastcands.kernels.matrix_join import join_matrices
from fastcands.kernels.matrix_prepare import prepare_matrices
from fastcands.kernels.matrix_tiles import form_blocks, form_exceeding_blocks
from fastcands.stages import StagedKernel

__all__ = ["STAGES", "matrix_step"]

matrix_step = StagedKernel(
    prepare_matrices, form_blocks, form_exceeding_blocks, join_matrices, matrix_weight_gradients, matrix_input_gradients
)
"""Value and all gradients of a sampled loss. Every sum has one owner and one order, as in `candidate_step`."""

STAGES = (0, 1, 3, 4, 5, 6)
"""Where the stages of `candidate_step`, and their end, are among these."""
