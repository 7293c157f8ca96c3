"""Which classes each of several shards of a table holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.numbers import as_num_classes
from fastcands.validation.tables import as_num_shards, check_partition_strategy

__all__ = ["shard_bounds", "shard_slices"]


def shard_bounds(num_classes: int, num_shards: int) -> NDArray[np.int64]:
    """Return where each shard of consecutive classes begins and ends ('div' of the losses).

    The first ``num_classes % num_shards`` shards hold one class more than the others. Shard s holds the classes from
    ``bounds[s]`` to ``bounds[s + 1]``, the latter excluded.

    Parameters
    ----------
    num_classes : int
        V, at least 1.
    num_shards : int
        At least 1, at most V.

    Returns
    -------
    int64 array, shape (num_shards + 1,)
        Rising, from 0 to V.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If `num_classes` is below 1, or `num_shards` is not in [1, num_classes].

    Examples
    --------
    What each of three processes holds, and which one has class 6:

    >>> import numpy as np
    >>> import fastcands as fc
    >>> bounds = fc.shard_bounds(10, 3)
    >>> bounds.tolist()
    [0, 4, 7, 10]
    >>> int(np.searchsorted(bounds, 6, side="right")) - 1
    1
    """
    classes = as_num_classes(num_classes)
    shards = as_num_shards(num_shards, classes)
    small, longer = divmod(classes, shards)
    numbers = np.arange(shards + 1)
    return np.asarray(numbers * small + np.minimum(numbers, longer), np.int64)


def shard_slices(num_classes: int, num_shards: int, partition_strategy: str) -> list[slice]:
    """Return the classes of each shard as a slice of the table."""
    check_partition_strategy(partition_strategy)
    if partition_strategy == "mod":
        shards = as_num_shards(num_shards, num_classes)
        return [slice(shard, num_classes, shards) for shard in range(shards)]
    bounds = shard_bounds(num_classes, num_shards).tolist()
    return [slice(first, last) for first, last in pairwise(bounds)]
