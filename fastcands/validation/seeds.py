"""Checks of seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.validation.numbers import as_integer, as_size

__all__ = ["as_generator", "as_op_seed", "as_seed_pair", "as_seed_word", "as_unsigned_seed"]

_KINDS = "None, an integer, a pair of integers, a SeedSequence or a Generator"


def as_op_seed(value: Any) -> int:
    """Return an integer seed of any size, as TensorFlow's ops take it."""
    return as_integer(value, "seed", expected=_KINDS)


def as_seed_word(value: Any) -> int:
    """Return one seed of a pair as the unsigned number of its 64 bits."""
    number = as_integer(value, "seed", expected=_KINDS)
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"each seed of a pair must fit 64 bits, got {number}")
    return number % 2**64


def as_seed_pair(seed: tuple[Any, ...] | list[Any], name: str = "seed") -> tuple[int, int]:
    """Return the two seeds of a pair as unsigned numbers of 64 bits."""
    if len(seed) != 2:
        raise ValueError(f"{name} must be a pair of integers, got {len(seed)} values")
    return as_seed_word(seed[0]), as_seed_word(seed[1])


def as_generator(seed: Any) -> np.random.Generator:
    """Return NumPy's generator for a seed of any kind that it takes."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError, AttributeError) as error:
        kinds = "None, integers that are not negative, a SeedSequence or a Generator"
        raise type(error if isinstance(error, ValueError) else TypeError())(
            f"seed must be {kinds}, got {seed!r}"
        ) from None


def as_unsigned_seed(value: Any) -> int:
    """Return a seed in [0, 2**64)."""
    seed = as_size(value, "seed", minimum=0)
    if seed >= 2**64:
        raise ValueError(f"seed must be below 2**64, got {seed}")
    return seed
