"""The order of classes by score: the higher score first, equal scores by id, NaN last."""

from __future__ import annotations

from typing import Any

from fastcands.jit import kernel

__all__ = ["comes_before", "replace_worst", "sort_best_first"]


@kernel
def comes_before(score: Any, class_id: int, other_score: Any, other_id: int) -> bool:
    """Return whether a class comes before another one in the order.

    IN
        score, other_score : float
        class_id, other_id : int
    """
    if score > other_score:
        return True
    if score == other_score:
        return class_id < other_id
    if score < other_score:
        return False
    if score == score:  # the other one is NaN
        return True
    return other_score != other_score and class_id < other_id


@kernel
def _sink(scores: Any, ids: Any, size: int, score: Any, class_id: int) -> None:
    """Replace the root of a heap of `size` classes; the root is the class that comes last.

    IN
        size : int
        score : float
        class_id : int
    IN, OUT
        scores : (at least size,)
        ids : (at least size,) int64
    """
    position = 0
    while True:
        child = 2 * position + 1
        if child >= size:
            break
        other = child + 1
        if other < size and comes_before(scores[child], ids[child], scores[other], ids[other]):
            child = other
        if not comes_before(score, class_id, scores[child], ids[child]):
            break
        scores[position] = scores[child]
        ids[position] = ids[child]
        position = child
    scores[position] = score
    ids[position] = class_id


@kernel
def replace_worst(scores: Any, ids: Any, size: int, score: Any, class_id: int) -> int:
    """Add a class to the best classes so far if it is one of them; return how many there are.

    The best classes are a heap, whose root is the one that comes last.

    IN
        size : how many there are
        score : float
        class_id : int
    IN, OUT
        scores : (k,)
        ids : (k,) int64
    """
    if size == len(ids):
        if comes_before(score, class_id, scores[0], ids[0]):
            _sink(scores, ids, size, score, class_id)
        return size
    position = size
    while position > 0:
        parent = (position - 1) // 2
        if not comes_before(scores[parent], ids[parent], score, class_id):
            break
        scores[position] = scores[parent]
        ids[position] = ids[parent]
        position = parent
    scores[position] = score
    ids[position] = class_id
    return size + 1


@kernel
def sort_best_first(scores: Any, ids: Any, size: int) -> None:
    """Turn a heap of the best classes into a list, the best first.

    IN
        size : int
    IN, OUT
        scores : (at least size,)
        ids : (at least size,) int64
    """
    for last in range(size - 1, 0, -1):
        score, class_id = scores[last], ids[last]
        scores[last], ids[last] = scores[0], ids[0]
        _sink(scores, ids, last, score, class_id)
