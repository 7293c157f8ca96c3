"""The functions of ``tf.nn`` for NumPy arrays: the same names, argument order and defaults."""

from fastcands.nn.full_sigmoid import full_sigmoid_loss, full_sigmoid_loss_and_grad
from fastcands.nn.full_softmax import full_softmax_loss, full_softmax_loss_and_grad
from fastcands.nn.nce import nce_loss, nce_loss_and_grad
from fastcands.nn.rank import rank_sampled_softmax_loss, rank_sampled_softmax_loss_and_grad
from fastcands.nn.sampled_softmax import sampled_softmax_loss, sampled_softmax_loss_and_grad
from fastcands.nn.sampling import (
    all_candidate_sampler,
    compute_accidental_hits,
    log_uniform_candidate_sampler,
    uniform_candidate_sampler,
)
from fastcands.nn.shared import reset
from fastcands.nn.unigram_sampling import (
    fixed_unigram_candidate_sampler,
    learned_unigram_candidate_sampler,
    thread_unsafe_unigram_candidate_sampler,
)

__all__ = [
    "all_candidate_sampler",
    "compute_accidental_hits",
    "fixed_unigram_candidate_sampler",
    "full_sigmoid_loss",
    "full_sigmoid_loss_and_grad",
    "full_softmax_loss",
    "full_softmax_loss_and_grad",
    "learned_unigram_candidate_sampler",
    "log_uniform_candidate_sampler",
    "nce_loss",
    "nce_loss_and_grad",
    "rank_sampled_softmax_loss",
    "rank_sampled_softmax_loss_and_grad",
    "reset",
    "sampled_softmax_loss",
    "sampled_softmax_loss_and_grad",
    "thread_unsafe_unigram_candidate_sampler",
    "uniform_candidate_sampler",
]
