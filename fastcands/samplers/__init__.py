"""Candidate samplers: a distribution, with or without repetition, and a random stream; and what candidates hit."""

from fastcands.samplers.accidental_hits import find_accidental_hits
from fastcands.samplers.all_candidates import AllCandidatesSampler
from fastcands.samplers.fixed_unigram import FixedUnigramSampler
from fastcands.samplers.interface import CandidateSampler
from fastcands.samplers.learned_unigram import LearnedUnigramSampler
from fastcands.samplers.log_uniform import LogUniformSampler
from fastcands.samplers.uniform import UniformSampler

__all__ = [
    "AllCandidatesSampler",
    "CandidateSampler",
    "FixedUnigramSampler",
    "LearnedUnigramSampler",
    "LogUniformSampler",
    "UniformSampler",
    "find_accidental_hits",
]
