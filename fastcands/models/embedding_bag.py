"""The input layer for sparse features: a weighted sum of the features' rows, with its gradient, by kernels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

import fastcands as fc
from fastcands.kernels.table.embedding_bag import bag_gradients, sum_bags
from fastcands.validation.arrays import as_array, check_array
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_size

__all__ = ["EmbeddingBag"]

Array = NDArray[Any]

_POSITION_BITS = 32
_SCALE = 0.1


class EmbeddingBag:
    """Rows of a table, summed by sparse features.

    With `E` the table, for an example with the features ``f1 … fn`` and their values ``v1 … vn``::

        unit = sqrt(v1**2 + … + vn**2)
        bag = (v1 * E[f1] + … + vn * E[fn]) / unit

    Dividing by `unit` makes long and short documents comparable. An example without features, or with zeros only, has a
    bag of zeros.

    Parameters
    ----------
    num_features : int
        F, rows of the table.
    dim : int
        D, length of a row.
    dtype : {'float32', 'float64'}, default 'float32'
        Of the table and of the sums.
    seed : None, int or numpy.random.SeedSequence, default 0
        Of the initial table: normal numbers with a standard deviation of 0.1, which the sums then have too. It is small
        because features too rare to be learned keep their initial rows.

    Attributes
    ----------
    table : array, shape (F, D)
        E itself, C-contiguous.

    Raises
    ------
    TypeError
        If a size is not an integer, or `dtype` is another one.
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> bag = EmbeddingBag(10, 3, seed=1)
    >>> starts, features = np.array([0, 2, 2]), np.array([4, 7])
    >>> sums = bag.forward(starts, features, np.array([3.0, 4.0], np.float32))
    >>> bool(np.allclose(sums[0], 0.6 * bag.table[4] + 0.8 * bag.table[7])), sums[1].tolist()
    (True, [0.0, 0.0, 0.0])
    >>> bag.backward(starts, features, np.array([3.0, 4.0], np.float32), np.ones((2, 3), np.float32)).ids.tolist()
    [4, 7]
    """

    @own_error_state
    def __init__(self, num_features: int, dim: int, *, dtype: DTypeLike = "float32", seed: Any = 0) -> None:
        for name, size in (("num_features", num_features), ("dim", dim)):
            as_size(size, name)
        kind = np.dtype(dtype)
        if kind not in (np.float32, np.float64):
            raise TypeError(f"dtype must be float32 or float64, got {kind}")
        self.table: Array = np.empty((num_features, dim), kind)
        generator = np.random.default_rng(seed)
        generator.standard_normal(out=self.table, dtype=np.float64 if kind == np.float64 else np.float32)
        self.table *= self.table.dtype.type(_SCALE)

    @classmethod
    def from_table(cls, table: Array) -> Self:
        """Make a bag of an existing table.

        Parameters
        ----------
        table : float32 or float64 array, shape (F, D)
            Not copied if it is C-contiguous.

        Returns
        -------
        EmbeddingBag
            With this table.

        Raises
        ------
        TypeError
            If it is not an array.
        ValueError
            If it has another shape or dtype, or masked entries.
        """
        check_array(table, "table")
        if table.ndim != 2 or 0 in table.shape or table.dtype not in (np.float32, np.float64):
            raise ValueError(f"table must be float32 or float64 of shape (F, D), got {table.dtype} {table.shape}")
        bag = cls.__new__(cls)
        bag.table = np.ascontiguousarray(table)
        return bag

    def _check(self, starts: Any, features: Any, values: Any) -> tuple[Array, Array, Array]:
        """Return the examples' features in the types of the kernels, the values divided by their lengths."""
        starts_, features_ = as_array(starts, "starts"), as_array(features, "features")
        for name, array in (("starts", starts_), ("features", features_)):
            if array.dtype.kind not in "iu":
                raise TypeError(f"{name} must be integers, got {array.dtype}")
            if array.ndim != 1:
                raise ValueError(f"{name} must have one dimension, got shape {array.shape}")
        if len(starts_) == 0 or starts_[0] != 0 or starts_[-1] != len(features_) or (starts_[1:] < starts_[:-1]).any():
            raise ValueError(f"starts must rise from 0 to {len(features_)}, the number of features given")
        num_features = len(self.table)
        if len(features_) and (features_.min() < 0 or features_.max() >= num_features):
            wrong = features_[(features_ < 0) | (features_ >= num_features)][0]
            raise ValueError(f"features must be in [0, {num_features}), got {wrong}")
        values_ = np.asarray(as_array(values, "values"), self.table.dtype)
        if values_.shape != features_.shape:
            raise ValueError(f"values must have shape {features_.shape} as features do, got {values_.shape}")
        starts_ = starts_.astype(np.int64, copy=False)
        return starts_, np.ascontiguousarray(features_, np.int32), _to_unit(starts_, values_)

    @own_error_state
    def forward(self, starts: Any, features: Any, values: Any) -> Array:
        """Compute the bags of some examples.

        Parameters
        ----------
        starts : integer array, shape (B + 1,)
            Example i has the features ``features[starts[i]:starts[i + 1]]``.
        features : integer array, shape (N,)
            Ids, each in [0, F).
        values : array, shape (N,)
            The values of the features.

        Returns
        -------
        array, shape (B, D)
            The bags; the same bits for any number of threads.

        Raises
        ------
        TypeError, ValueError
            If an argument is of another type or shape, or a feature is out of range.
        """
        starts, features, units = self._check(starts, features, values)
        sums = np.empty((len(starts) - 1, self.table.shape[1]), self.table.dtype)
        sum_bags(self.table, self.table.ctypes.data, starts, features, units, sums, fc.get_num_threads())
        return sums

    @own_error_state
    def backward(self, starts: Any, features: Any, values: Any, d_sums: Array) -> fc.RowGradient:
        """Compute the gradient of the table from that of the bags.

        Parameters
        ----------
        starts, features, values
            As they were in `forward`.
        d_sums : array, shape (B, D)
            Gradient of the objective with respect to what `forward` returned.

        Returns
        -------
        RowGradient
            Of the features that occur; the same bits for any number of threads.

        Raises
        ------
        TypeError, ValueError
            As in `forward`.
        """
        starts, features, units = self._check(starts, features, values)
        num_rows, width = len(starts) - 1, self.table.shape[1]
        d_sums = np.ascontiguousarray(as_array(d_sums, "d_sums"), self.table.dtype)
        if d_sums.shape != (num_rows, width):
            raise ValueError(f"d_sums must have shape {(num_rows, width)}, got {d_sums.shape}")
        # ids and positions in one number each: sorting those is several times faster than a stable argsort
        keys = features.astype(np.int64) << _POSITION_BITS
        keys += np.arange(len(features))
        keys.sort()
        ids, order = keys >> _POSITION_BITS, keys & (2**_POSITION_BITS - 1)
        first = np.flatnonzero(np.diff(ids, prepend=-1))
        gradients = np.empty((len(first), width), self.table.dtype)
        rows = np.repeat(np.arange(num_rows), np.diff(starts))
        bag_gradients(d_sums, rows, units, order, np.append(first, len(ids)), gradients, fc.get_num_threads())
        return fc.RowGradient(ids[first], gradients, len(self.table))


def _to_unit(starts: Array, values: Array) -> Array:
    """Return the values of each example divided by the root of their squares' sum."""
    wide = values.astype(np.float64)
    # reduceat takes no empty runs; those of examples with features are next to each other
    counts = np.diff(starts)
    filled = np.flatnonzero(counts)
    lengths = np.sqrt(np.add.reduceat(wide * wide, starts[filled])) if len(filled) else np.zeros(0)
    lengths[lengths == 0] = 1
    return np.asarray(wide / np.repeat(lengths, counts[filled]), values.dtype)
