"""Checks of weights, counts and frequencies of classes, given as arrays, in files or in saved states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import as_per_class
from fastcands.validation.samplers import check_identity

__all__ = [
    "as_class_counts",
    "as_counts",
    "as_frequencies",
    "as_unigrams",
    "bad_vocabulary_line",
    "bad_weight",
    "check_number_of_weights",
    "check_one_source",
    "check_total",
]


def as_counts(state: Mapping[str, Any], num_classes: int) -> NDArray[np.int64]:
    """Return the counts of a saved sampler."""
    check_identity(state, {}, ("counts",))
    counts = as_per_class(state["counts"], "state['counts']")
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
    array = as_per_class(unigrams, "unigrams")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"unigrams must be numbers, got {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"unigrams must have 1 dimension, got shape {array.shape}")
    if array.dtype.itemsize not in (1, 2, 4, 8) or array.dtype == np.float16:
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


def check_one_source(unigrams: Any, vocab_file: Any) -> None:
    """Refuse weights from two places or from none."""
    if (unigrams is None) == (vocab_file is None):
        which = "none" if unigrams is None else "both"
        raise ValueError(f"one of unigrams and vocab_file must be given, got {which}")


def as_class_counts(value: Any, name: str, num_classes: int | None = None) -> NDArray[Any]:
    """Return a finite number from 0 up for each class."""
    counts = as_per_class(value, name)
    if counts.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, got {counts.dtype}")
    if counts.ndim != 1 or num_classes not in (None, len(counts)):
        expected = "V" if num_classes is None else num_classes
        raise ValueError(f"{name} must have shape ({expected},), got {counts.shape}")
    good = (counts >= 0) & (counts < np.inf)
    if not good.all():
        first = int(good.argmin())
        raise ValueError(f"{name} must be finite and not negative, got {counts[first].item()} at [{first}]")
    return counts


def as_frequencies(counts: Any, num_classes: int) -> NDArray[np.float64]:
    """Return how often each class comes as a new float64 array."""
    array = as_class_counts(counts, "counts", num_classes)
    if not array.any():
        raise ValueError("counts must not all be 0")
    return array.astype(np.float64)
