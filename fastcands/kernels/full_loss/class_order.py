"""The order of classes by score: the higher score first, equal scores by id, NaN after all others."""

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
    """Put a class into a heap of `size` in place of its root; the root is the class that comes last.

    IN
        size : int
        score : float
        class_id : int
    IN, OUT
        scores : (at least size,)
        ids : (at least size,) int64
    """
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        other = child + 1
        if other < size and comes_before(scores[child], ids[child], scores[other], ids[other]):
            child = other
        if not comes_before(score, class_id, scores[child], ids[child]):
            break
        scores[place] = scores[child]
        ids[place] = ids[child]
        place = child
    scores[place] = score
    ids[place] = class_id


@kernel
def replace_worst(scores: Any, ids: Any, size: int, score: Any, class_id: int) -> int:
    """Take a class into the best seen so far, when it is one of them; return how many there are.

    The best are a heap whose root is the last of them in the order.

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
    place = size
    while place > 0:
        parent = (place - 1) // 2
        if not comes_before(scores[parent], ids[parent], score, class_id):
            break
        scores[place] = scores[parent]
        ids[place] = ids[parent]
        place = parent
    scores[place] = score
    ids[place] = class_id
    return size + 1


@kernel
def sort_best_first(scores: Any, ids: Any, size: int) -> None:
    """Turn a heap of the best into a list, the best first.

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
