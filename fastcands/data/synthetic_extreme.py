"""Extreme classification data of known structure, so that it is known how good a model can be.

    python -m fastcands.data.synthetic_extreme FOLDER --labels 500000 --points 200000

writes ``train.txt``, ``test.txt`` and ``structure.json`` in the format of the Extreme Classification Repository.

Every point belongs to a cluster, which nobody is told. Clusters are as frequent as words are: few of them make up
much of the data. A cluster has 100 labels of its own: four that its points have with probabilities 0.9, 0.6, 0.4
and 0.2, and 96 rare ones that share one occurrence a point. So the best a model can do is to find the cluster and to
name its labels in that order: precision@1 of 0.9, whatever the sizes. A point shows some of its cluster's features,
and some that say nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExtremeStructure", "write_synthetic"]

HEAD = np.array([0.9, 0.6, 0.4, 0.2])
CUTS = (1, 3, 5)
_BLOCK = 4096  # points made at once
_PRIOR_SHIFT, _PRIOR_POWER = 10, 0.8
_OWN_FEATURES, _SHOWN_FEATURES, _NOISE_FEATURES = 40, 12, 8


@dataclasses.dataclass(frozen=True)
class ExtremeStructure:
    """What the data is drawn from.

    Parameters
    ----------
    num_labels : int
        V, at least twice `cluster_labels`.
    num_features : int
        F, at least 1000.
    cluster_labels : int, default 100
        Labels of a cluster, at least 10; labels beyond a multiple of it never come.
    seed : int, default 0
        Of everything.

    Raises
    ------
    ValueError
        If a size is too small, or above 2**31 - 1.

    Examples
    --------
    >>> structure = ExtremeStructure(num_labels=2000, num_features=1000)
    >>> structure.num_clusters, [round(best, 4) for best in structure.best_precision()]
    (20, [0.9, 0.6333, 0.4221])
    >>> clusters, labels, features, values = next(structure.points(5, part=0))
    >>> len(clusters), len(labels), len(features), len(values)
    (5, 5, 5, 5)
    """

    num_labels: int
    num_features: int
    cluster_labels: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse sizes that leave nothing to learn."""
        least = {"cluster_labels": 10, "num_labels": 2 * self.cluster_labels, "num_features": 1000, "seed": 0}
        for name, minimum in least.items():
            value = getattr(self, name)
            if not minimum <= value < 2**31:
                raise ValueError(f"{name} must be from {minimum} to 2**31 - 1, got {value}")

    @property
    def num_clusters(self) -> int:
        """Number of clusters."""
        return self.num_labels // self.cluster_labels

    @property
    def label_probabilities(self) -> NDArray[np.float64]:
        """Probability of each of its labels in a point of a cluster, falling."""
        rare = self.cluster_labels - len(HEAD)
        return np.concatenate([HEAD, np.full(rare, 1 / rare)])

    def best_precision(self) -> list[float]:
        """Return the expected precision@1, @3 and @5 of who knows the structure and the cluster of each point."""
        return [float(self.label_probabilities[:k].mean()) for k in CUTS]

    def cluster_label_ids(self) -> NDArray[np.int32]:
        """Return the labels of each cluster, the most likely first, shape (num_clusters, cluster_labels)."""
        used = self.num_clusters * self.cluster_labels
        ids = np.random.default_rng([self.seed, 1]).permutation(self.num_labels)[:used]
        return ids.astype(np.int32).reshape(self.num_clusters, self.cluster_labels)

    def points(self, count: int, part: int) -> Iterator[tuple[Any, list[Any], list[Any], list[Any]]]:
        """Draw points, a few thousand at a time.

        Parameters
        ----------
        count : int
            How many.
        part : int
            A number for the part of the data; each has its own random numbers.

        Yields
        ------
        clusters : int64 array, shape (n,)
            The cluster of each point.
        labels, features, values : list of arrays
            Of each point: ids of labels and features, rising, and the features' values.
        """
        ids = self.cluster_label_ids()
        own = np.random.default_rng([self.seed, 2]).integers(
            0, self.num_features, (self.num_clusters, _OWN_FEATURES), np.int32
        )
        prior = (np.arange(self.num_clusters) + _PRIOR_SHIFT) ** -_PRIOR_POWER
        total = np.cumsum(prior / prior.sum())
        generator = np.random.default_rng([self.seed, 3, part])
        probabilities = self.label_probabilities
        for start in range(0, count, _BLOCK):
            n = min(_BLOCK, count - start)
            clusters = np.minimum(np.searchsorted(total, generator.random(n)), self.num_clusters - 1)
            has = generator.random((n, self.cluster_labels)) < probabilities
            shown = generator.random((n, _OWN_FEATURES)).argsort(axis=1)[:, :_SHOWN_FEATURES]
            # noise features are as frequent as words, too
            noise = (self.num_features * generator.random((n, _NOISE_FEATURES)) ** 3).astype(np.int32)
            drawn = np.concatenate([np.take_along_axis(own[clusters], shown, axis=1), noise], axis=1)
            features = [np.unique(row) for row in drawn]
            values = [np.exp(generator.normal(0, 0.5, len(row))) for row in features]
            labels = [np.sort(ids[cluster][mask]) for cluster, mask in zip(clusters, has, strict=True)]
            yield clusters, labels, features, values


class _Yardsticks:
    """What simple predictors come to on the test points, when the training points are known."""

    def __init__(self, structure: ExtremeStructure) -> None:
        self._ids = structure.cluster_label_ids()
        self._counts = np.zeros(structure.num_labels, np.int64)
        self._hits = {name: np.zeros(len(CUTS), np.int64) for name in ("best", "counted", "frequency")}
        self._tops: dict[str, NDArray[Any]] = {}

    def count(self, labels: list[NDArray[np.int32]]) -> None:
        """Take note of training labels."""
        np.add.at(self._counts, np.concatenate(labels), 1)

    def score(self, clusters: NDArray[Any], labels: list[NDArray[np.int32]]) -> None:
        """Predict the labels of test points."""
        if not self._tops:
            by_count = np.argsort(-self._counts[self._ids], axis=1, kind="stable")
            frequent = np.argsort(-self._counts, kind="stable")[: CUTS[-1]]
            self._tops = {
                "best": self._ids,
                "counted": np.take_along_axis(self._ids, by_count, axis=1),
                "frequency": np.broadcast_to(frequent, (len(self._ids), CUTS[-1])),
            }
        for name, tops in self._tops.items():
            for cluster, true in zip(clusters, labels, strict=True):
                found = np.isin(tops[cluster, : CUTS[-1]], true).cumsum()
                self._hits[name] += [found[k - 1] for k in CUTS]

    def precisions(self, num_points: int) -> dict[str, list[float]]:
        """Return each predictor's precision@1, @3 and @5."""
        return {name: (hits / np.multiply(CUTS, num_points)).tolist() for name, hits in self._hits.items()}


def _lines(labels: list[Any], features: list[Any], values: list[Any]) -> str:
    lines = []
    for ids, names, numbers in zip(labels, features, values, strict=True):
        pairs = " ".join([f"{f}:{v:.4f}" for f, v in zip(names.tolist(), numbers.tolist(), strict=True)])
        lines.append(f"{','.join(map(str, ids.tolist()))} {pairs}\n")
    return "".join(lines)


def write_synthetic(
    folder: str | os.PathLike[str], structure: ExtremeStructure, train_points: int, test_points: int
) -> dict[str, Any]:
    """Write ``train.txt``, ``test.txt`` and ``structure.json``; the folder is made if need be.

    Memory does not grow with the number of points. The same arguments give the same bytes.

    Parameters
    ----------
    folder : path
        Where to.
    structure : ExtremeStructure
        What to draw from.
    train_points, test_points : int
        How many points each file gets, at least 1.

    Returns
    -------
    dict
        What ``structure.json`` holds: the sizes; ``best``, the expected precision@1, @3, @5 of who knows everything;
        and on these test points those of three predictors: ``test_best``, the same; ``test_counted``, who knows the
        clusters and counts their labels in the training points; ``test_frequency``, who always names the labels that
        are the most frequent in training.

    Raises
    ------
    ValueError
        If there is no point to write.
    OSError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> structure = ExtremeStructure(num_labels=200, num_features=1000, cluster_labels=20)
    >>> report = write_synthetic(tempfile.mkdtemp(), structure, 500, 100)
    >>> report["best"][0], report["test_counted"][0] > 5 * report["test_frequency"][0]
    (0.9, True)
    """
    if min(train_points, test_points) < 1:
        raise ValueError(f"there must be at least 1 point in each part, got {train_points} and {test_points}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    yardsticks = _Yardsticks(structure)
    for part, (name, count) in enumerate((("train", train_points), ("test", test_points))):
        with (folder / f"{name}.txt").open("w", encoding="ascii", newline="\n") as file:
            file.write(f"{count} {structure.num_features} {structure.num_labels}\n")
            for clusters, labels, features, values in structure.points(count, part):
                file.write(_lines(labels, features, values))
                if name == "train":
                    yardsticks.count(labels)
                else:
                    yardsticks.score(clusters, labels)
    report = {
        **dataclasses.asdict(structure),
        "train_points": train_points,
        "test_points": test_points,
        "best": structure.best_precision(),
        **{f"test_{name}": values for name, values in yardsticks.precisions(test_points).items()},
    }
    (folder / "structure.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def main() -> None:
    """Write data as the command line asks."""
    parser = argparse.ArgumentParser(
        prog="python -m fastcands.data.synthetic_extreme",
        description="Write extreme classification data of known structure.",
    )
    parser.add_argument("folder", help="where train.txt, test.txt and structure.json go")
    parser.add_argument("--labels", type=int, default=2_000, help="default: %(default)s")
    parser.add_argument("--features", type=int, default=5_000, help="default: %(default)s")
    parser.add_argument("--points", type=int, default=10_000, help="training points, default: %(default)s")
    parser.add_argument("--test-points", type=int, default=2_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    given = parser.parse_args()
    try:
        structure = ExtremeStructure(given.labels, given.features, seed=given.seed)
        report = write_synthetic(given.folder, structure, given.points, given.test_points)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
