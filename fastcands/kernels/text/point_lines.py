"""Points of the Extreme Classification Repository's files: labels and sparse features, a line each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.text.decimal_number import decimal_number

__all__ = [
    "BAD_FEATURE",
    "BAD_LABEL",
    "BAD_PAIR",
    "REPEATED_FEATURE",
    "REPEATED_LABEL",
    "TOO_MANY_POINTS",
    "WELL",
    "parse_points",
]

WELL, BAD_LABEL, BAD_FEATURE, BAD_PAIR, REPEATED_LABEL, REPEATED_FEATURE, TOO_MANY_POINTS = range(7)
"""What `parse_points` found wrong with a line."""

_NEWLINE = np.uint8(ord("\n"))
_RETURN = np.uint8(ord("\r"))
_BLANK = np.uint8(ord(" "))
_TAB = np.uint8(ord("\t"))
_COMMA = np.uint8(ord(","))
_COLON = np.uint8(ord(":"))
_ZERO = np.uint8(ord("0"))
_NINE = np.uint8(ord("9"))
_LARGEST_ID = np.int64(2**31)  # more than any id: it stands for all numbers that are too large
_LARGEST_VALUE = float(np.finfo(np.float32).max)


@kernel
def _is_space(c: int) -> bool:
    return c in (_BLANK, _TAB, _RETURN)


@kernel
def _repeated(ids: Any) -> Any:
    """Return an id that comes twice, -1 if there is none."""
    ordered = np.sort(ids)
    for i in range(1, len(ordered)):
        if ordered[i] == ordered[i - 1]:
            return np.int64(ordered[i])
    return np.int64(-1)


@kernel
def parse_points(
    text: Any,
    num_features: int,
    num_labels: int,
    most_points: int,
    label_ends: Any,
    labels: Any,
    feature_ends: Any,
    features: Any,
    values: Any,
    difficult: Any,
    fault: Any,
) -> int:
    """Read lines ``l1,l2,… f1:v1 f2:v2 …``, to the end or to the first line that is wrong.

    Either part of a line may be missing. Between the pairs, at both ends and instead of the labels there may be
    blanks, tabs and carriage returns. An empty line is a point without anything, unless there are `most_points`
    before it. One pass over the bytes; whether an id is repeated is seen from their order, and only ids out of
    order are sorted.

    IN
        text : (n,) uint8, complete lines
        num_features, num_labels : int64, ids are below them, at most 2**31 - 1
        most_points : int64
    OUT
        label_ends, feature_ends : (lines,) int64, how many labels and features end with each line
        labels : (at least n // 2 + 1,) int32
        features : (at least n // 3 + 1,) int32
        values : (at least n // 3 + 1,) float32
        difficult : (at least n // 3 + 1, 3) int64: feature, start and stop of each value left to the caller
        fault : (5,) int64: what is wrong or WELL, where that text starts and stops, the repeated id, and the number of
            rows of `difficult` that are filled
    Returns the number of points.
    """
    points = 0
    num_pairs = 0
    label = 0
    num_difficult = 0
    size = len(text)
    at = 0
    fault[0] = WELL
    fault[4] = 0
    while at < size:
        first_label = label
        first_pair = num_pairs
        labels_rise = True
        features_rise = True
        in_labels = True
        problem = WELL
        start = at
        while True:
            while text[at] != _NEWLINE and _is_space(text[at]):
                at += 1
            if text[at] == _NEWLINE:
                break
            if points == most_points:
                problem = TOO_MANY_POINTS
                start = at
                break
            # an id, and what stands behind it
            start = at
            id_: Any = np.int64(0)
            while text[at] >= _ZERO and text[at] <= _NINE:
                id_ = min(id_ * 10 + np.int64(text[at] - _ZERO), _LARGEST_ID)
                at += 1
            is_number = at > start
            c = text[at]
            if c == _COLON:
                if in_labels and label > first_label:
                    problem = BAD_LABEL  # a pair behind a comma
                    break
                if not is_number or id_ >= num_features:
                    problem = BAD_FEATURE
                    break
                in_labels = False
                at += 1
                begin = at
                while text[at] != _NEWLINE and not _is_space(text[at]):
                    at += 1
                value = decimal_number(text, begin, at)
                if not (value >= -_LARGEST_VALUE and value <= _LARGEST_VALUE):
                    difficult[num_difficult, 0] = num_pairs
                    difficult[num_difficult, 1] = begin
                    difficult[num_difficult, 2] = at
                    num_difficult += 1
                if num_pairs > first_pair and id_ <= features[num_pairs - 1]:
                    features_rise = False
                features[num_pairs] = id_
                values[num_pairs] = np.float32(value)
                num_pairs += 1
            elif in_labels and (c in (_COMMA, _NEWLINE) or _is_space(c)):
                if not is_number or id_ >= num_labels:
                    problem = BAD_LABEL
                    break
                if label > first_label and id_ <= labels[label - 1]:
                    labels_rise = False
                labels[label] = id_
                label += 1
                if c == _COMMA:
                    at += 1
                    if text[at] == _NEWLINE or _is_space(text[at]):
                        problem = BAD_LABEL  # nothing behind the comma
                        start = at
                        break
                else:
                    in_labels = False
            else:
                problem = BAD_LABEL if in_labels else BAD_PAIR
                break
        if problem == WELL and not labels_rise:
            fault[3] = _repeated(labels[first_label:label])
            if fault[3] >= 0:
                problem = REPEATED_LABEL
        if problem == WELL and not features_rise:
            fault[3] = _repeated(features[first_pair:num_pairs])
            if fault[3] >= 0:
                problem = REPEATED_FEATURE
        if problem != WELL:
            while text[at] != _NEWLINE and not _is_space(text[at]):
                at += 1
            fault[0] = problem
            fault[1] = start
            fault[2] = at
            break
        at += 1
        if points < most_points:
            label_ends[points] = label
            feature_ends[points] = num_pairs
            points += 1
    fault[4] = num_difficult
    return points
