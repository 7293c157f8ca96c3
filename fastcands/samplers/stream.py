"""The stream of random words of a sampler, and the seeds it starts from."""

from __future__ import annotations

import os
import secrets
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.seeds import as_op_seed, as_seed_pair

__all__ = ["BLOCKS_PER_SAMPLE", "Seed", "Stream"]

Seed: TypeAlias = int | tuple[int, int] | np.random.SeedSequence | np.random.Generator | None

BLOCKS_PER_SAMPLE = 512  # of four words: what TensorFlow reserves for each candidate
_GLOBAL_SEED = 87654321  # TensorFlow's first seed where only an op-level seed is given
_MAX_INT32 = 2**31 - 1
_END = 2**61  # blocks; beyond, the index of a word would pass 2**63

_forks = 0  # how many forks lie between this process and the one that imported this module


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


def _seed_pair(seed: Seed) -> tuple[int, int]:
    """Return the two 64-bit seeds, key and upper counter half, as unsigned; (0, 0) for no seed."""
    if isinstance(seed, np.random.SeedSequence):
        first, second = seed.generate_state(2, np.uint64).tolist()
    elif isinstance(seed, np.random.Generator):
        first, second = seed.integers(2**64, size=2, dtype=np.uint64).tolist()
    elif isinstance(seed, tuple | list):
        first, second = as_seed_pair(seed)
    elif seed is None:
        first = second = 0
    else:
        first, second = _GLOBAL_SEED, as_op_seed(seed) % _MAX_INT32
    return first, second


def _fresh_pair() -> tuple[int, int]:
    """Return two 64-bit seeds from the entropy of the system."""
    first = second = 0
    while (first, second) == (0, 0):
        first, second = secrets.randbits(64), secrets.randbits(64)
    return first, second


class Stream:
    """A Philox stream and how much of it has been used.

    One without a seed starts anew in a child process made by a fork, where the parent's would come twice.

    Parameters
    ----------
    seed : None, int, pair of int, numpy.random.SeedSequence or numpy.random.Generator
        None and the pair (0, 0) are random; an int is TensorFlow's op-level seed, a pair its two seed attributes.

    Raises
    ------
    TypeError
        If `seed` is of another type.
    ValueError
        If `seed` is a sequence of another length than 2 or one of the pair does not fit 64 bits.
    """

    def __init__(self, seed: Seed) -> None:
        pair = _seed_pair(seed)
        self._seeded = pair != (0, 0)
        self._start(*(pair if self._seeded else _fresh_pair()))

    def _start(self, first: int, second: int) -> None:
        self._set(first, second)
        self._position = self._spawned = 0

    def _set(self, first: int, second: int) -> None:
        self._seeds = first, second
        words = [first & 0xFFFFFFFF, first >> 32, second & 0xFFFFFFFF, second >> 32]
        self._words = np.array(words, np.uint64)
        self._forks = _forks

    def _start_anew_after_fork(self) -> None:
        if self._forks != _forks and not self._seeded:
            self._start(*_fresh_pair())

    @property
    def seeded(self) -> bool:
        """Whether a seed was given."""
        return self._seeded

    @property
    def words(self) -> NDArray[np.uint64]:
        """Key words and upper counter words, as kernels take them; `reserve` comes before."""
        return self._words

    @property
    def position(self) -> int:
        """Blocks of four words reserved so far; `reserve` comes before."""
        return self._position

    def reserve(self, num_sampled: int) -> int:
        """Reserve the words of a call.

        Parameters
        ----------
        num_sampled : int
            Candidates of the call.

        Returns
        -------
        int
            Index of the call's first word.

        Raises
        ------
        ValueError
            If the stream ends before.
        """
        self._start_anew_after_fork()
        start = self._position
        if start + BLOCKS_PER_SAMPLE * num_sampled > _END:
            raise ValueError(f"num_sampled = {num_sampled} needs more than is left of the random stream")
        self._position = start + BLOCKS_PER_SAMPLE * num_sampled
        return 4 * start

    def spawn(self, count: int) -> list[Self]:
        """Return new streams: without a seed if this one has none, else by its seeds and how many came before.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        list of Stream
            At their beginning.
        """
        self._start_anew_after_fork()
        first = self._spawned
        self._spawned += count
        if not self._seeded:
            return [type(self)(None) for _ in range(count)]
        numbers = range(first, first + count)
        return [type(self)(np.random.SeedSequence(self._seeds, spawn_key=(number,))) for number in numbers]

    def state(self) -> dict[str, Any]:
        """Return seeds and position.

        Returns
        -------
        dict
            'seeds': two ints, 'position': int, 'spawned': int.
        """
        self._start_anew_after_fork()
        return {"seeds": self._seeds, "position": self._position, "spawned": self._spawned}

    def restore(self, seeds: tuple[int, int], position: int, spawned: int) -> None:
        """Go to a place in a stream, all as `state` gave them. Whether the stream is seeded stays as it is.

        Parameters
        ----------
        seeds : pair of int
            Each from 0 to 2**64 - 1.
        position : int
            From 0 to 2**61.
        spawned : int
            At least 0.
        """
        self._set(*seeds)
        self._position, self._spawned = position, spawned
