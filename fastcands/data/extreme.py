"""Points with sparse features and any number of labels, row after row in flat arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import check_array
from fastcands.validation.ids import as_class_ids

__all__ = ["ExtremeData"]


@dataclasses.dataclass(frozen=True, eq=False)
class ExtremeData:
    """Points with sparse features and any number of labels, row after row in flat arrays.

    Parameters
    ----------
    num_features, num_labels : int
        F and V: ids are below these.
    label_starts : int64 array, shape (N + 1,)
        Point i has the labels ``labels[label_starts[i]:label_starts[i + 1]]``.
    labels : int32 array
        Ids of labels, each at most once a point.
    feature_starts : int64 array, shape (N + 1,)
        The same for features.
    features : int32 array
        Ids of features, each at most once a point.
    values : float32 array
        The value of each of those features, finite.

    Examples
    --------
    >>> data = ExtremeData(9, 5, *map(np.array, ([0, 2, 2], [4, 1], [0, 1, 3], [8, 0, 3], [0.5, 3.0, 4.0])))
    >>> len(data), data.label_counts().tolist()
    (2, [0, 1, 0, 0, 1])
    >>> data.padded_labels(np.array([1, 0])).tolist()
    [[-1, -1], [4, 1]]
    >>> data.take(np.array([1])).features.tolist()
    [0, 3]
    """

    num_features: int
    num_labels: int
    label_starts: NDArray[np.int64]
    labels: NDArray[np.int32]
    feature_starts: NDArray[np.int64]
    features: NDArray[np.int32]
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Refuse what is no array, or has masked entries."""
        for name in ("label_starts", "labels", "feature_starts", "features", "values"):
            check_array(getattr(self, name), name)

    def __len__(self) -> int:
        """Return N, the number of points."""
        return len(self.label_starts) - 1

    def label_counts(self) -> NDArray[np.int64]:
        """Count the points that have each label.

        Returns
        -------
        int64 array, shape (V,)
            Counts by label.
        """
        return np.bincount(self.labels, minlength=self.num_labels)

    def labelled(self) -> NDArray[np.int32]:
        """Return the points that have labels.

        Returns
        -------
        int32 array, shape (M,)
            Their numbers, in ascending order.
        """
        return np.flatnonzero(np.diff(self.label_starts)).astype(np.int32)

    def take(self, points: NDArray[Any]) -> ExtremeData:
        """Return some of the points.

        Parameters
        ----------
        points : integer array, shape (B,)
            Which, each in [0, N); any order, repeated or not.

        Returns
        -------
        ExtremeData
            Copies of them, in that order.

        Raises
        ------
        TypeError
            If `points` are not integers.
        ValueError
            If one is out of range.
        """
        points = as_class_ids(points, "points", num_classes=len(self), ndim=1, limit_name="len(data)")
        label_starts, label_places = _places(self.label_starts, points)
        feature_starts, feature_places = _places(self.feature_starts, points)
        return ExtremeData(
            self.num_features,
            self.num_labels,
            label_starts,
            self.labels[label_places],
            feature_starts,
            self.features[feature_places],
            self.values[feature_places],
        )

    def padded_labels(self, points: NDArray[Any]) -> NDArray[np.int64]:
        """Return the labels of some points as a rectangle.

        Parameters
        ----------
        points : integer array, shape (B,)
            Which, each in [0, N).

        Returns
        -------
        int64 array, shape (B, T)
            T is the most labels one of them has, at least 1. Rows with fewer end in -1.

        Raises
        ------
        TypeError
            If `points` are not integers.
        ValueError
            If one is out of range.
        """
        points = as_class_ids(points, "points", num_classes=len(self), ndim=1, limit_name="len(data)")
        starts, places = _places(self.label_starts, points)
        counts = np.diff(starts)
        padded = np.full((len(points), max(1, int(counts.max(initial=0)))), -1, np.int64)
        padded[np.arange(padded.shape[1]) < counts[:, None]] = self.labels[places]
        return padded


def _places(starts: NDArray[np.int64], rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the rows' entries start in a copy, and the place of each entry."""
    firsts = starts[rows]
    new_starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(starts[rows + 1] - firsts, out=new_starts[1:])
    places = np.repeat(firsts - new_starts[:-1], np.diff(new_starts))
    places += np.arange(len(places))
    return new_starts, places
