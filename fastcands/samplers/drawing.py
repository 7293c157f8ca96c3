"""Candidates from independent draws: with repetition, or the first distinct ones."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.interface import Distribution
from fastcands.kernels.sampling.rejection import forget, keep_new_by_bit, keep_new_by_slot
from fastcands.samplers.race import arrival_time_of_try, max_tries, run_race, side_stream

__all__ = ["Drawn", "Workspace", "draw_unique", "draw_with_repetition"]

_CHUNK = 65536
_NO_BITS, _NO_SLOTS = np.empty(0, np.uint8), np.empty(0, np.int64)
_BITS_FOR = 2**23  # classes for which a bit each is kept whatever the sample size: 1 MiB


class Drawn(NamedTuple):
    """Candidates in order, the number of tries they took, and when the next distinct class would have come.

    The time is that of a process in which tries come at rate 1, infinite where it was not wanted or no class is left.
    """

    ids: NDArray[np.int64]
    num_tries: int
    time: float


class Workspace:
    """Scratch memory of one sampler, kept from call to call."""

    def __init__(self) -> None:
        self._pairs = np.empty(0, np.uint64)
        self._draws = np.empty(0, np.int64)
        self._seen: NDArray[np.uint8] | None = None
        self._slots = np.empty(0, np.int64)

    def pairs(self, num_draws: int) -> NDArray[np.uint64]:
        """Return memory for the random words of so many draws."""
        if len(self._pairs) < 2 * num_draws + 8:
            self._pairs = np.empty(2 * num_draws + 8, np.uint64)
        return self._pairs

    def draws(self, num_draws: int) -> NDArray[np.int64]:
        """Return memory for so many draws."""
        if len(self._draws) < num_draws:
            self._draws = np.empty(num_draws, np.int64)
        return self._draws[:num_draws]

    def take_seen(self, num_classes: int) -> NDArray[np.uint8]:
        """Return a bit for each class, all clear; the caller returns them, clear again, by `give_seen`."""
        seen = self._seen
        # away meanwhile: should an interrupt come before they are clear, the next call makes new ones
        self._seen = None
        return np.zeros((num_classes + 7) // 8, np.uint8) if seen is None else seen

    def give_seen(self, seen: NDArray[np.uint8]) -> None:
        """Take back bits that are all clear."""
        self._seen = seen

    def slots(self, num_sampled: int) -> NDArray[np.int64]:
        """Return an empty table for so many ids."""
        size = 1 << (4 * num_sampled - 1).bit_length()
        if len(self._slots) != size:
            self._slots = np.empty(size, np.int64)
        self._slots.fill(-1)
        return self._slots


def draw_with_repetition(
    distribution: Distribution, stream: NDArray[np.uint64], word: int, num_sampled: int, workspace: Workspace
) -> Drawn:
    """Return independent draws.

    Parameters
    ----------
    distribution : Distribution
        What to draw from.
    stream : uint64 array, shape (4,)
        As for `kernels.sampling.philox.fill_pairs`.
    word : int
        Index of the first word to use.
    num_sampled : int
        At least 1.
    workspace : Workspace
        Scratch.

    Returns
    -------
    Drawn
        As many tries as candidates.
    """
    ids = np.empty(num_sampled, np.int64)
    pairs = workspace.pairs(min(num_sampled, _CHUNK))
    for start in range(0, num_sampled, _CHUNK):
        word = distribution.draw(stream, word, pairs, ids[start : start + _CHUNK])
    return Drawn(ids, num_sampled, math.inf)


def draw_unique(
    distribution: Distribution,
    stream: NDArray[np.uint64],
    word: int,
    end: int,
    num_sampled: int,
    workspace: Workspace,
    *,
    timed: bool,
) -> Drawn:
    """Return the first distinct draws in the order in which they came.

    Parameters
    ----------
    distribution : Distribution
        What to draw from.
    stream : uint64 array, shape (4,)
        As for `kernels.sampling.philox.fill_pairs`.
    word : int
        Index of the first word to use.
    end : int
        Index of the first word that belongs to the next call.
    num_sampled : int
        From 1 to the number of classes that can be drawn.
    workspace : Workspace
        Scratch.
    timed : bool
        Whether to go on to the next distinct class and tell when it comes.

    Returns
    -------
    Drawn
        The tries include those that brought nothing new; they are not those of `num_sampled` if `timed`.
    """
    one_more = timed and num_sampled < distribution.num_positive
    target = num_sampled + one_more
    ids = np.empty(target, np.int64)
    found, tries = _reject(distribution, stream, word, ids, max_tries(num_sampled, distribution.num_classes), workspace)
    time = math.inf
    if found < target:
        side = side_stream(stream, end)
        finish = run_race(distribution, side, ids[:found], target - found)
        ids[found:] = finish.ids
        if one_more:
            time = arrival_time_of_try(side, tries) + finish.time
        tries += finish.num_tries
    elif one_more:
        time = arrival_time_of_try(side_stream(stream, end), tries)
    return Drawn(ids[:num_sampled], tries, time)


def _reject(
    distribution: Distribution,
    stream: NDArray[np.uint64],
    word: int,
    ids: NDArray[np.int64],
    limit: int,
    workspace: Workspace,
) -> tuple[int, int]:
    """Fill `ids` with distinct draws; return how many there are and the tries they took, at most `limit`."""
    target = len(ids)
    num_classes = distribution.num_classes
    # a bit a class while that is small, or no larger than the table would be
    by_bit = num_classes <= max(_BITS_FOR, 256 * target)
    seen = workspace.take_seen(num_classes) if by_bit else _NO_BITS
    slots = _NO_SLOTS if by_bit else workspace.slots(target)
    shift = 65 - len(slots).bit_length()
    found = tries = 0
    want = target + target // 64
    while found < target and tries < limit:
        want = min(want + 16, _CHUNK, limit - tries)
        draws = workspace.draws(want)
        word = distribution.draw(stream, word, workspace.pairs(want), draws)
        before = found
        if by_bit:
            found, used = keep_new_by_bit(draws, seen, ids, found)
        else:
            found, used = keep_new_by_slot(draws, slots, shift, ids, found)
        tries += used
        # as many as are missing, at the rate at which the last draws were new, and a few
        want = (target - found) * used // max(found - before, 1) * 9 // 8
    if by_bit:
        if found < target:
            forget(seen, ids, found)
        workspace.give_seen(seen)
    return found, tries
