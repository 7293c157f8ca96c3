"""The points of a run: read, checked against each other, and split."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

import fastcands as fc
from fastcands.cli.errors import Refusal
from fastcands.cli.multilabel.config import MultilabelConfig
from fastcands.data import ExtremeData, read_extreme

__all__ = ["Points", "Propensities", "check_sizes", "read_points", "read_split"]

_HELD_OUT_SHARE, _MOST_HELD_OUT = 0.05, 10_000


@dataclasses.dataclass(frozen=True)
class Points:
    """The points of a run.

    Attributes
    ----------
    train, valid : ExtremeData
        At least one point in each, and a label in the first.
    test : ExtremeData or None
        None when there is no test file.
    """

    train: ExtremeData
    valid: ExtremeData
    test: ExtremeData | None

    def fingerprint(self) -> str:
        """Return a digest of everything in them."""
        digest = hashlib.sha256()
        for part in (self.train, self.valid, self.test):
            if part is None:
                continue
            digest.update(f"{len(part)} {part.num_features} {part.num_labels}".encode())
            for array in (part.label_starts, part.labels, part.feature_starts, part.features, part.values):
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def describe(self) -> str:
        """Return a line about their sizes."""
        train = self.train
        parts = [f"{len(train):,} train", f"{len(self.valid):,} valid"]
        if self.test is not None:
            parts.append(f"{len(self.test):,} test")
        without = len(train) - len(train.labelled())
        note = f" ({without:,} training points without labels are left out)" if without else ""
        return f"{train.num_labels:,} labels, {train.num_features:,} features; points: {', '.join(parts)}{note}"


@dataclasses.dataclass(frozen=True)
class Propensities:
    """What the propensities of labels are computed from.

    Attributes
    ----------
    label_counts : int64 array, shape (V,)
        In how many training points each label is.
    num_points : int
        The training points.
    a, b : float
        See ``fastcands.metrics.propensities``.
    """

    label_counts: np.ndarray
    num_points: int
    a: float
    b: float

    def values(self) -> np.ndarray:
        """Return the propensity of each label; their formula needs three points, and fewer count as three."""
        return fc.metrics.propensities(self.label_counts, max(3, self.num_points), a=self.a, b=self.b)


def read_points(path: str | Path) -> ExtremeData:
    """Read a file of points.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ExtremeData
        Its points, at least one.

    Raises
    ------
    Refusal
        If it cannot be read, something is wrong in it, or it has no points.
    """
    try:
        data = read_extreme(path)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or error
        raise Refusal(f"{path}: {reason}") from None
    except ValueError as error:
        raise Refusal(str(error)) from None
    if not len(data):
        raise Refusal(f"{path}: there are no points in this file")
    return data


def read_split(config: MultilabelConfig) -> Points:
    """Read the files of a run; without one for validation, the last training points are held out.

    Parameters
    ----------
    config : MultilabelConfig
        Names the files.

    Returns
    -------
    Points
        The parts.

    Raises
    ------
    Refusal
        If a file is wrong, the files differ in their numbers of features or labels, or there are too few points.
    """
    train = read_points(config.files[0])
    others = []
    for paths in (config.valid, config.test):
        part = read_points(paths[0]) if paths else None
        if part is not None:
            check_sizes(part, train.num_features, train.num_labels, paths[0], "the training points have")
        others.append(part)
    valid, test = others
    if valid is None:
        held_out = min(_MOST_HELD_OUT, int(_HELD_OUT_SHARE * len(train)))
        if held_out < 1:
            raise Refusal(
                f"{config.files[0]}: {len(train)} points are too few to hold some out for validation: name a file "
                "with --valid"
            )
        kept = len(train) - held_out
        train, valid = train.take(np.arange(kept)), train.take(np.arange(kept, len(train)))
    if not len(train.labels):
        raise Refusal(f"{config.files[0]}: no training point has a label")
    return Points(train, valid, test)


def check_sizes(data: ExtremeData, num_features: int, num_labels: int, path: str, whose: str) -> None:
    """Refuse points with other numbers of features or labels.

    Parameters
    ----------
    data : ExtremeData
        The points.
    num_features, num_labels : int
        The numbers expected.
    path : str
        Where the points come from, for the message.
    whose : str
        What has those numbers, and the verb, for the message.

    Raises
    ------
    Refusal
        If the numbers differ.
    """
    if (data.num_features, data.num_labels) != (num_features, num_labels):
        raise Refusal(
            f"{path}: {data.num_features} features and {data.num_labels} labels, but {whose} {num_features} and "
            f"{num_labels}"
        )
