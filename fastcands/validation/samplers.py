"""Checks of what samplers take, and of their saved states."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np

from fastcands.validation.numbers import as_size
from fastcands.validation.seeds import as_seed_pair

__all__ = [
    "ExpectedCount",
    "as_expected_count",
    "as_path",
    "as_stream_state",
    "check_all_candidates",
    "check_enough_classes",
    "check_identity",
    "check_mergeable",
    "check_shard",
    "check_weights_digest",
]

ExpectedCount = Literal["tensorflow", "unbiased"]


def as_expected_count(value: Any) -> ExpectedCount:
    """Return the name of a kind of expected count."""
    if value not in ("tensorflow", "unbiased"):
        raise ValueError(f"expected_count must be 'tensorflow' or 'unbiased', got {value!r}")
    return cast(ExpectedCount, value)


def check_enough_classes(num_sampled: int, num_positive: int, num_classes: int, limit_name: str) -> None:
    """Refuse to draw more distinct classes than there are."""
    if num_sampled > num_classes:
        raise ValueError(
            f"num_sampled must be at most {limit_name} = {num_classes} for unique candidates, got {num_sampled}"
        )
    if num_sampled > num_positive:
        raise ValueError(
            f"num_sampled must be at most {num_positive} for unique candidates, the number of classes of positive "
            f"probability, got {num_sampled}"
        )


def check_all_candidates(num_sampled: int, num_classes: int) -> None:
    """Refuse another number of candidates than all."""
    if num_sampled != num_classes:
        raise ValueError(f"num_sampled must be num_classes = {num_classes}, got {num_sampled}")


def check_mergeable(other: Any, num_classes: int) -> None:
    """Refuse to merge what is no learned sampler of the same classes."""
    if type(other).__name__ != "LearnedUnigramSampler":
        raise TypeError(f"other must be a LearnedUnigramSampler, got {type(other).__name__}")
    if other.num_classes != num_classes:
        raise ValueError(f"other must have {num_classes} classes as this sampler, got {other.num_classes}")


def check_shard(shard: Any, num_shards: int) -> int:
    """Return the number of a shard."""
    number = as_size(shard, "shard", minimum=0)
    if number >= num_shards:
        raise ValueError(f"shard must be below num_shards = {num_shards}, got {number}")
    return number


def as_path(value: Any, name: str) -> str:
    """Return a path as a string."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{name} must be a path, got {type(value).__name__}") from None


def check_identity(state: Any, expected: Mapping[str, Any], others: tuple[str, ...] = ()) -> None:
    """Refuse what is no saved state, lacks an entry, or is of another sampler."""
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a dict as state_dict() returns it, got {type(state).__name__}")
    for key in (*expected, *others):
        if key not in state:
            raise ValueError(f"state has no {key!r}; it has {sorted(map(str, state))}")
    for key, value in expected.items():
        if state[key] != value:
            raise ValueError(f"state[{key!r}] must be {value!r} as in this sampler, got {state[key]!r}")


def check_weights_digest(state: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse the state of a sampler with other weights; one of version 0.1.0 does not tell."""
    for key, value in expected.items():
        if state.get(key, value) != value:
            raise ValueError(
                "state must be of a sampler with the same weights (unigrams or vocab_file, distortion, "
                f"num_reserved_ids, shard): its {key} is {state[key]!r}, this sampler's is {value!r}"
            )


def as_stream_state(state: Any, expected: Mapping[str, Any]) -> tuple[tuple[int, int], int, int]:
    """Return seeds, position and the number of spawned samplers after comparing what has to be equal."""
    check_identity(state, expected, ("seeds", "position"))
    if not isinstance(state["seeds"], Sequence | np.ndarray) or np.ndim(state["seeds"]) != 1:
        raise TypeError(f"state['seeds'] must be a pair of integers, got {type(state['seeds']).__name__}")
    seeds = as_seed_pair(tuple(state["seeds"]), "state['seeds']")
    position = as_size(state["position"], "state['position']", minimum=0)
    if position > 2**61:
        raise ValueError(f"state['position'] must be at most 2**61, got {position}")
    return seeds, position, as_size(state.get("spawned", 0), "state['spawned']", minimum=0)
