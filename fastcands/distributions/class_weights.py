"""The weights of a fixed unigram distribution: of one shard, reserved ids first, raised to a power, checked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.vocabulary_file import read_vocabulary
from fastcands.kernels.sampling.unigram_weights import distort_weights
from fastcands.threads import get_num_threads
from fastcands.validation.class_weights import as_unigrams, bad_weight, check_number_of_weights

__all__ = ["class_weights"]

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def class_weights(
    num_classes: int,
    unigrams: Any,
    vocab_file: str | os.PathLike[str] | None,
    *,
    distortion: float,
    num_reserved_ids: int,
    num_shards: int,
    shard: int,
) -> NDArray[np.float32]:
    """Return ``weight ** distortion`` of every class of a shard, 0 for the reserved ones.

    Global id i is reserved below `num_reserved_ids` and otherwise has weight number ``i - num_reserved_ids``. The
    shard holds the global ids with ``i % num_shards == shard``, in order.

    Parameters
    ----------
    num_classes : int
        Classes of the shard.
    unigrams : array of numbers, shape (n,), or None
        Weights of all shards.
    vocab_file : path or None
        Where the weights are if `unigrams` is None.
    distortion : float
        Power of the weights.
    num_reserved_ids : int
        Of all shards.
    num_shards : int
        At least 1.
    shard : int
        From 0 to num_shards - 1.

    Returns
    -------
    float32 array, shape (num_classes,)
        A new array.

    Raises
    ------
    TypeError
        If `unigrams` are not numbers.
    ValueError
        If the weights are not as many as the classes, or one is no weight; the message has its place.
    OSError
        If the file cannot be read.
    """
    reserved = len(range(shard, num_reserved_ids, num_shards))
    first = (shard - num_reserved_ids) % num_shards
    wanted = num_classes - reserved
    if unigrams is not None:
        source = as_unigrams(unigrams)[first::num_shards]
        found = len(source)
    else:
        assert vocab_file is not None
        source, found = read_vocabulary(vocab_file, max(wanted, 0), num_shards, first)
    name = "vocab_file" if unigrams is None else "unigrams"
    check_number_of_weights(name, found, num_classes, reserved)
    weights = np.empty(num_classes, np.float32)
    weights[:reserved] = 0.0
    # a weight is multiplied by the number of classes when the alias table is built
    limit = _FLOAT32_MAX / num_classes
    bad = distort_weights(source, distortion, limit, weights[reserved:], get_num_threads())
    if bad < len(source):
        raise bad_weight(first + bad * num_shards, float(source[bad]), distortion, limit, unigrams is None)
    if not weights.any():
        raise bad_weight(None, 0.0, distortion, limit, unigrams is None)
    return weights
