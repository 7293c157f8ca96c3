"""Candidate sampling, sampled losses and class tables for models with a huge output vocabulary."""

from fastcands import metrics, nn, optimizers, schedules
from fastcands.configuration import show_config
from fastcands.gradients import Gradients, RowGradient
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
from fastcands.optimizers import *  # noqa: F403
from fastcands.precision import get_matmul_precision, matmul_precision, set_matmul_precision
from fastcands.precompile import warmup
from fastcands.samplers import (
    AllCandidatesSampler,
    FixedUnigramSampler,
    LearnedUnigramSampler,
    LogUniformSampler,
    UniformSampler,
)
from fastcands.table import ClassTable, Evaluation, StepResult, TopK, shard_bounds
from fastcands.threads import get_num_threads, num_threads, set_num_threads
from fastcands.values import AccidentalHits, SampledValues
from fastcands.version import __version__ as __version__

__all__ = [
    "AccidentalHits",
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
    "TopK",
    "UniformSampler",
    "get_matmul_precision",
    "get_num_threads",
    "matmul_precision",
    "metrics",
    "nn",
    "num_threads",
    "optimizers",
    "schedules",
    "set_matmul_precision",
    "set_num_threads",
    "shard_bounds",
    "show_config",
    "warmup",
]
__all__ += optimizers.__all__
