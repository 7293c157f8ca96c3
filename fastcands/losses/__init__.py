"""Losses over a class table: values and gradients, sampled and exact."""

from fastcands.losses.full_logistic import LogisticLoss
from fastcands.losses.full_softmax import SoftmaxLoss
from fastcands.losses.logistic import NCELoss, NegativeSamplingLoss, SampledLogisticLoss
from fastcands.losses.rank import RankSampledSoftmaxLoss
from fastcands.losses.sampled_softmax import Diagnostics, SampledSoftmaxLoss

__all__ = [
    "Diagnostics",
    "LogisticLoss",
    "NCELoss",
    "NegativeSamplingLoss",
    "RankSampledSoftmaxLoss",
    "SampledLogisticLoss",
    "SampledSoftmaxLoss",
    "SoftmaxLoss",
]
