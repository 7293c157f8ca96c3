"""The draws and expected counts of all samplers in plain Python, one word at a time: the oracle of the sampler tests.

It shares no code with the library, and agrees with TensorFlow's ops wherever goldens and tests/peers compare both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

M0, M1, W0, W1, LOW = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 0xFFFFFFFF
Draw = Callable[[Iterator[int]], int]


def philox_block(key: Sequence[int], counter: Sequence[int]) -> list[int]:
    """Return the four words of Philox4x32-10 for two key words and four counter words."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        x, y = M0 * c0, M1 * c2
        c0, c1, c2, c3 = (y >> 32) ^ c1 ^ k0, y & LOW, (x >> 32) ^ c3 ^ k1, x & LOW
        k0, k1 = (k0 + W0) & LOW, (k1 + W1) & LOW
    return [c0, c1, c2, c3]


def words(seeds: tuple[int, int], block: int = 0) -> Iterator[int]:
    """Yield the words of the stream of two 64-bit seeds from a block on."""
    key = [seeds[0] & LOW, seeds[0] >> 32 & LOW]
    while True:
        yield from philox_block(key, [block & LOW, block >> 32, seeds[1] & LOW, seeds[1] >> 32 & LOW])
        block += 1


def below(bound: int, bits: int, stream: Iterator[int]) -> int:
    """Return an unbiased integer below `bound` from words of 32 or 64 bits."""
    while True:
        word = next(stream)
        if bits == 64:
            word |= next(stream) << 32
        if bound & (bound - 1) == 0 or word >= 2**bits % bound:
            return word % bound


def uniform(num_classes: int) -> Draw:
    return lambda stream: below(num_classes, 64, stream)


def log_uniform(num_classes: int) -> Draw:
    def draw(stream: Iterator[int]) -> int:
        high, low = next(stream), next(stream)
        u = ((high & 0xFFFFF) << 32 | low) / 2**52
        return (int(math.exp(u * math.log1p(num_classes))) - 1) % num_classes

    return draw


def by_counts(counts: Sequence[int]) -> Draw:
    """Return how the learned unigram sampler draws from its counts."""
    ends = np.cumsum(counts)

    def draw(stream: Iterator[int]) -> int:
        return int(np.searchsorted(ends, below(int(ends[-1]), 32, stream), side="right"))

    return draw


def alias_table(weights: Sequence[float]) -> tuple[list[float], list[int]]:
    """Return the probability of staying and the alias of each cell, built as TensorFlow builds them."""
    n = len(weights)
    weights_ = np.asarray(weights, np.float32)
    total = 0.0
    for w in weights_:
        total += float(w)
    mass = [float(w * np.float32(n)) / total for w in weights_]
    low = [i for i in range(n) if mass[i] < 1.0]
    high = [i for i in range(n) if mass[i] >= 1.0]
    stay, alias = [1.0] * n, list(range(n))
    while low and high:
        small, large = low.pop(), high.pop()
        stay[small], alias[small] = float(np.float32(mass[small])), large
        mass[large] -= 1.0 - mass[small]
        (low if mass[large] < 1.0 else high).append(large)
    return stay, alias


def by_weights(weights: Sequence[float]) -> Draw:
    """Return how the fixed unigram sampler draws from its weights."""
    stay, alias = alias_table(weights)

    def draw(stream: Iterator[int]) -> int:
        coin = (next(stream) & 0x7FFFFF) / 2**23
        cell = below(len(stay), 32, stream)
        return cell if coin < stay[cell] else alias[cell]

    return draw


def candidates(draw: Draw, seeds: tuple[int, int], call: int, num_sampled: int, unique: bool) -> tuple[list[int], int]:
    """Return the candidates of a sampler's call number `call`, all of one size, and the number of tries."""
    stream = words(seeds, 512 * num_sampled * call)
    if not unique:
        return [draw(stream) for _ in range(num_sampled)], num_sampled
    found: dict[int, None] = {}
    tries = 0
    while len(found) < num_sampled:
        found[draw(stream)] = None
        tries += 1
    return list(found), tries
