"""Candidate sampling, sampled losses and class tables for models with a huge output vocabulary."""

from fastcands import nn
from fastcands.losses import (
    Diagnostics,
    LogisticLoss,
    NCELoss,
    NegativeSamplingLoss,
    RankSampledSoftmaxLoss,
    SampledLogisticLoss,
    SampledSoftmaxLoss,
    SoftmaxLoss,
)
from fastcands.optimizers import SGD, Adagrad
from fastcands.samplers import (
    AllCandidatesSampler,
    FixedUnigramSampler,
    LearnedUnigramSampler,
    LogUniformSampler,
    UniformSampler,
)
from fastcands.table import ClassTable, Evaluation, StepResult
from fastcands.threads import get_num_threads, num_threads, set_num_threads
from fastcands.values import AccidentalHits, Gradients, RowGradient, SampledValues

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "AccidentalHits",
    "Adagrad",
    "AllCandidatesSampler",
    "ClassTable",
    "Diagnostics",
    "Evaluation",
    "FixedUnigramSampler",
    "Gradients",
    "LearnedUnigramSampler",
    "LogUniformSampler",
    "LogisticLoss",
    "NCELoss",
    "NegativeSamplingLoss",
    "RankSampledSoftmaxLoss",
    "RowGradient",
    "SampledLogisticLoss",
    "SampledSoftmaxLoss",
    "SampledValues",
    "SoftmaxLoss",
    "StepResult",
    "UniformSampler",
    "get_num_threads",
    "nn",
    "num_threads",
    "set_num_threads",
]
