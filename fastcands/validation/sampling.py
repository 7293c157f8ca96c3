"""Checks of the samplers' arguments: every message about seeds, draws and saved states stands here."""

from __future__ import annotations

import numbers
import operator
import os
from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arguments import as_size

__all__ = [
    "ExpectedCount",
    "as_counts",
    "as_expected_count",
    "as_factor",
    "as_flag",
    "as_frequencies",
    "as_num_classes",
    "as_number",
    "as_path",
    "as_seed_word",
    "as_stream_state",
    "as_unigrams",
    "bad_vocabulary_line",
    "bad_weight",
    "check_all_candidates",
    "check_enough_classes",
    "check_identity",
    "check_mergeable",
    "check_number_of_weights",
    "check_one_source",
    "check_shard",
    "check_total",
]

ExpectedCount = Literal["tensorflow", "unbiased"]


def as_num_classes(value: Any, name: str = "num_classes", *, maximum: int = 2**63 - 1) -> int:
    """Return a number of classes as an int from 1 to `maximum`."""
    number = as_size(value, name)
    if number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {number}")
    return number


def as_flag(value: Any, name: str) -> bool:
    """Return a bool; 0, 1 and strings are refused."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


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


def as_path(value: Any, name: str) -> str:
    """Return a path as a string."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{name} must be a path, got {type(value).__name__}") from None


def as_seed_word(value: Any, *, bounded: bool = True) -> int:
    """Return an integer seed; if `bounded`, as the unsigned number of its 64 bits."""
    if isinstance(value, bool | np.bool_):
        raise TypeError("seed must be an integer, got bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            "seed must be None, an integer, a pair of integers, a SeedSequence or a Generator, "
            f"got {type(value).__name__}"
        ) from None
    if not bounded:
        return number
    if not -(2**63) <= number < 2**64:
        raise ValueError(f"each seed of a pair must fit 64 bits, got {number}")
    return number % 2**64


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


def as_stream_state(state: Any, expected: Mapping[str, Any]) -> tuple[tuple[int, int], int]:
    """Return seeds and position of a saved sampler after comparing what has to be equal."""
    check_identity(state, expected, ("seeds", "position"))
    seeds = tuple(state["seeds"])
    if len(seeds) != 2:
        raise ValueError(f"state['seeds'] must be a pair of integers, got {len(seeds)} values")
    position = as_size(state["position"], "state['position']", minimum=0)
    if position > 2**61:
        raise ValueError(f"state['position'] must be at most 2**61, got {position}")
    return (as_seed_word(seeds[0]), as_seed_word(seeds[1])), position


def as_counts(state: Mapping[str, Any], num_classes: int) -> NDArray[np.int64]:
    """Return the counts of a saved sampler."""
    check_identity(state, {}, ("counts",))
    counts = np.asarray(state["counts"])
    if counts.dtype.kind not in "iu":
        raise TypeError(f"state['counts'] must be integers, got {counts.dtype}")
    if counts.shape != (num_classes,):
        raise ValueError(f"state['counts'] must have shape ({num_classes},), got {counts.shape}")
    if int(counts.min()) < 1:
        first = int(np.argmax(counts < 1))
        raise ValueError(f"state['counts'] must be at least 1, got {int(counts[first])} at [{first}]")
    check_total(counts)
    return counts.astype(np.int64)


def check_total(*counts: NDArray[Any]) -> None:
    """Refuse counts whose sum does not fit 63 bits."""
    # a float64 sum is exact enough to tell: refused from 1e-9 below the limit on
    total = sum(float(array.sum(dtype=np.float64)) for array in counts)
    if total >= 2.0**63 * (1 - 1e-9):
        raise ValueError(f"counts must add up to less than 2**63, got about {total:.4g}")


def as_unigrams(unigrams: Any) -> NDArray[Any]:
    """Return weights as a one-dimensional array of a type the kernels take; a memmap stays one."""
    array = np.asarray(unigrams)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"unigrams must be numbers, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"unigrams must have 1 dimension, got shape {array.shape}")
    if array.dtype.itemsize not in (1, 2, 4, 8) or array.dtype == np.float16 or not array.dtype.isnative:
        array = array.astype(np.float32)
    return array


def check_number_of_weights(name: str, found: int, num_classes: int, reserved: int) -> None:
    """Refuse weights that are not as many as the classes of a shard that are not reserved."""
    if reserved > num_classes:
        raise ValueError(
            f"num_reserved_ids must reserve at most the {num_classes} classes of this shard, got {reserved} of them"
        )
    if found != num_classes - reserved:
        raise ValueError(
            f"{name} must have {num_classes - reserved} weights for the {num_classes} classes of this shard, "
            f"{reserved} of them reserved, got {found}"
        )


def bad_weight(index: int | None, weight: float, distortion: float, limit: float, in_file: bool) -> ValueError:
    """Return the error for a weight, or for all of them."""
    name = "vocab_file" if in_file else "unigrams"
    if index is None:
        return ValueError(f"{name} must have a positive weight, got none to the power of distortion = {distortion}")
    place = f"weight {index} of vocab_file" if in_file else f"unigrams[{index}]"
    if not 0.0 <= weight < np.inf:
        return ValueError(f"{place} must be finite and not negative, got {weight}")
    return ValueError(
        f"{place} to the power of distortion = {distortion} must be at most {limit:.4g}, the largest float32 divided "
        f"by the number of classes, got {weight}"
    )


def bad_vocabulary_line(path: Any, line: int, field: bytes, weight: float | None) -> ValueError:
    """Return the error for a line of a vocabulary file."""
    text = field.decode("utf-8", "replace")
    what = "end in a number" if weight is None else "have a weight that is finite and not negative"
    return ValueError(f"vocab_file {str(path)!r}, line {line} must {what}, got {text!r} after its last comma")


def as_number(value: Any, name: str) -> float:
    """Return a finite number of either sign."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def as_factor(value: Any, name: str) -> float:
    """Return a number from 0 to 1."""
    number = as_number(value, name)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be from 0 to 1, got {number}")
    return number


def check_shard(shard: Any, num_shards: int) -> int:
    """Return the number of a shard."""
    number = as_size(shard, "shard", minimum=0)
    if number >= num_shards:
        raise ValueError(f"shard must be below num_shards = {num_shards}, got {number}")
    return number


def check_one_source(unigrams: Any, vocab_file: Any) -> None:
    """Refuse weights from two places or from none."""
    if (unigrams is None) == (vocab_file is None):
        which = "none" if unigrams is None else "both"
        raise ValueError(f"one of unigrams and vocab_file must be given, got {which}")


def check_mergeable(other: Any, num_classes: int) -> None:
    """Refuse to merge what is no learned sampler of the same classes."""
    if type(other).__name__ != "LearnedUnigramSampler":
        raise TypeError(f"other must be a LearnedUnigramSampler, got {type(other).__name__}")
    if other.num_classes != num_classes:
        raise ValueError(f"other must have {num_classes} classes as this sampler, got {other.num_classes}")


def check_all_candidates(num_sampled: int, num_classes: int) -> None:
    """Refuse another number of candidates than all."""
    if num_sampled != num_classes:
        raise ValueError(f"num_sampled must be num_classes = {num_classes}, got {num_sampled}")


def as_frequencies(counts: Any, num_classes: int) -> NDArray[np.float64]:
    """Return how often each class comes as a new float64 array."""
    array = np.asarray(counts)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"counts must be numbers, got {array.dtype}")
    if array.shape != (num_classes,):
        raise ValueError(f"counts must have shape ({num_classes},), got {array.shape}")
    frequency = array.astype(np.float64)
    bad = ~((frequency >= 0) & (frequency < np.inf))
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(f"counts must be finite and not negative, got {float(frequency[first])} at [{first}]")
    if not frequency.any():
        raise ValueError("counts must not all be 0")
    return frequency
