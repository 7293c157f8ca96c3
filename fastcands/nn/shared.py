"""Samplers that live in the process, one for each distinct set of attributes, as in TensorFlow's eager mode."""

from __future__ import annotations

import hashlib
import operator
import os
import threading
from collections.abc import Callable, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastcands.samplers.fixed_unigram import FixedUnigramSampler
from fastcands.samplers.learned_unigram import LearnedUnigramSampler
from fastcands.samplers.log_uniform import LogUniformSampler
from fastcands.samplers.stream_sampler import StreamSampler
from fastcands.samplers.uniform import UniformSampler
from fastcands.validation.class_weights import as_unigrams
from fastcands.validation.ids import as_labels
from fastcands.validation.numbers import as_flag, as_num_classes, as_number, as_size
from fastcands.validation.samplers import as_path
from fastcands.validation.seeds import as_op_seed
from fastcands.values import SampledValues

__all__ = ["Vocabulary", "reset", "sample_shared", "shared_sampler"]

_Key = tuple[Any, ...]
_shared: dict[_Key, StreamSampler] = {}
_digests: dict[int, tuple[tuple[Any, ...], bytes]] = {}
_lock = threading.Lock()

_MAX_DIGESTS = 8
_MAX_CLASSES = {
    "uniform": 2**63 - 1,
    "log_uniform": 2**63 - 1,
    "learned_unigram": 2**31 - 2,
    "thread_unsafe_unigram": 2**31 - 2,
    "fixed_unigram": 2**31 - 1,
}
_MAKERS: dict[str, Callable[..., StreamSampler]] = {
    "uniform": UniformSampler,
    "log_uniform": LogUniformSampler,
    "learned_unigram": LearnedUnigramSampler,
    "thread_unsafe_unigram": LearnedUnigramSampler,
    "fixed_unigram": FixedUnigramSampler,
}


def _digest(unigrams: ArrayLike) -> bytes:
    """Return a digest of weights; that of a tuple, which cannot change, is remembered."""
    known = _digests.get(id(unigrams))
    if known is not None:
        return known[1]
    array = np.ascontiguousarray(as_unigrams(unigrams), np.float32)
    digest = hashlib.blake2b(array.data, digest_size=32).digest()
    if isinstance(unigrams, tuple):
        # kept with the tuple itself, so that its id stays taken; only a few: a caller may make new tuples all the time
        while len(_digests) >= _MAX_DIGESTS:
            _digests.pop(next(iter(_digests)), None)
        _digests[id(unigrams)] = (unigrams, digest)
    return digest


@dataclass(frozen=True)
class Vocabulary:
    """The attributes that a fixed unigram sampler has besides those of all samplers.

    Attributes
    ----------
    vocab_file : path
        Empty if there is none.
    distortion : float
        Power of the weights.
    num_reserved_ids : int
        Below 0 is 0.
    num_shards, shard : int
        Number of shards and which one.
    unigrams : sequence of numbers
        Empty if there are none.
    """

    vocab_file: str | os.PathLike[str]
    distortion: float
    num_reserved_ids: int
    num_shards: int
    shard: int
    unigrams: ArrayLike

    def _has_unigrams(self) -> bool:
        return not isinstance(self.unigrams, Sized) or len(self.unigrams) > 0

    def key(self) -> _Key:
        """Return what tells samplers apart.

        Returns
        -------
        tuple
            Hashable.
        """
        return (
            as_path(self.vocab_file, "vocab_file"),
            as_number(self.distortion, "distortion"),
            as_size(self.num_reserved_ids, "num_reserved_ids", minimum=-(2**63)),
            as_size(self.num_shards, "num_shards"),
            as_size(self.shard, "shard", minimum=0),
            _digest(self.unigrams) if self._has_unigrams() else b"",
        )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `FixedUnigramSampler`.

        Returns
        -------
        dict
            By name.
        """
        return {
            "vocab_file": self.vocab_file or None,
            "distortion": self.distortion,
            "num_reserved_ids": max(operator.index(self.num_reserved_ids), 0),
            "num_shards": self.num_shards,
            "shard": self.shard,
            "unigrams": self.unigrams if self._has_unigrams() else None,
        }


def reset() -> None:
    """Forget the samplers of all earlier calls, as ``tf.random.set_seed`` does.

    The next call with a seed starts that seed's stream again, and what the learned samplers have learned is gone.

    Examples
    --------
    >>> import fastcands as fc
    >>> def draw():
    ...     return fc.nn.uniform_candidate_sampler([[0]], 1, 3, True, 100, seed=7).sampled_candidates.tolist()
    >>> fc.nn.reset()
    >>> first, second = draw(), draw()
    >>> fc.nn.reset()
    >>> draw() == first != second
    True
    """
    with _lock:
        _shared.clear()
        _digests.clear()


def shared_sampler(
    op: str,
    *,
    range_max: int,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None,
    vocabulary: Vocabulary | None = None,
) -> StreamSampler:
    """Return the process's sampler for a set of attributes, new at their first use.

    Parameters
    ----------
    op : {'uniform', 'log_uniform', 'learned_unigram', 'thread_unsafe_unigram', 'fixed_unigram'}
        Name of the sampler.
    range_max : int
        Number of classes.
    num_true : int
        True classes an example; it only tells samplers apart.
    num_sampled : int
        Candidates a call; it only tells samplers apart.
    unique : bool
        Whether candidates are distinct; it only tells samplers apart.
    seed : int or None
        TensorFlow's op-level seed; None is random.
    vocabulary : Vocabulary, optional
        For 'fixed_unigram'.

    Returns
    -------
    StreamSampler
        To be called with ``num_sampled`` and ``unique`` as given here.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a size makes no sense, or the vocabulary does not fit.
    OSError
        If the vocabulary's file cannot be read.
    """
    key = (
        op,
        as_num_classes(range_max, "range_max", maximum=_MAX_CLASSES[op]),
        as_size(num_true, "num_true"),
        as_size(num_sampled, "num_sampled"),
        as_flag(unique, "unique"),
        None if seed is None else as_op_seed(seed) % (2**31 - 1),
        *(vocabulary.key() if vocabulary else ()),
    )
    with _lock:
        sampler = _shared.get(key)
        if sampler is None:
            arguments = vocabulary.arguments() if vocabulary else {}
            sampler = _shared[key] = _MAKERS[op](key[1], seed=key[5], **arguments)
    return sampler


def sample_shared(
    op: str,
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None,
    vocabulary: Vocabulary | None = None,
) -> SampledValues:
    """Return the next draw of the process's sampler for a set of attributes.

    Parameters
    ----------
    op : str
        Name of the sampler.
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        Each in [0, range_max).
    num_true, num_sampled, unique, range_max, seed, vocabulary
        As for `shared_sampler`.

    Returns
    -------
    SampledValues
        Candidates and expected counts.

    Raises
    ------
    TypeError, ValueError, OSError
        As from `shared_sampler`, or for classes that make no sense.
    """
    sampler = shared_sampler(
        op,
        range_max=range_max,
        num_true=num_true,
        num_sampled=num_sampled,
        unique=unique,
        seed=seed,
        vocabulary=vocabulary,
    )
    labels = as_labels(
        true_classes,
        num_classes=sampler.num_classes,
        num_true=operator.index(num_true),
        name="true_classes",
        limit_name="range_max",
    )
    return sampler.sample_checked(labels, operator.index(num_sampled), bool(unique), "tensorflow", "range_max")
