"""Losses over a class table: values and gradients, sampled and exact."""

from fastcands.losses.full_softmax import SoftmaxLoss
from fastcands.losses.sampled_softmax import SampledSoftmaxLoss

__all__ = ["SampledSoftmaxLoss", "SoftmaxLoss"]
