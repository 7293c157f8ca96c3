"""The quasi-recurrent layers and dropout in plain NumPy: one stream and one time after the other, in float64."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
M64 = 2**64 - 1


def mix(word: int) -> int:
    """SplitMix64."""
    word = (word + 0x9E3779B97F4A7C15) & M64
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & M64
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & M64
    return word ^ (word >> 31)


@functools.cache
def mask(rate: float, seed: tuple[int, int], stream: int, shape: tuple[int, int]) -> Array:
    """Return 0 where a number is dropped, 1 / (1 - rate) elsewhere."""
    key = mix((mix((mix(seed[0]) + seed[1]) & M64) + stream) & M64)
    result = np.empty(shape)
    for row in range(shape[0]):
        word = mix((key + row) & M64)
        counter, salt = word & 0xFFFFFFFF, word >> 32
        for column in range(shape[1]):
            c = (counter + column * 0x9E3779B9) & 0xFFFFFFFF
            x = ((c ^ (c >> 16)) * 0x85EBCA6B & 0xFFFFFFFF) ^ salt
            x = (x ^ (x >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
            result[row, column] = (x ^ (x >> 16)) >= rate * 2**32
    return result / (1 - rate)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def step(z: Array, f: Array, o: Array, before: Array) -> tuple[Array, Array]:
    """Return the cells and the hidden values of one stream at one time, from its sums."""
    forget = sigmoid(f)
    cells = forget * before + (1 - forget) * np.tanh(z)
    return cells, sigmoid(o) * cells


def features(
    p: Mapping[str, Array], words: Array, starts: Array, state: Array | None = None,
    dropout: float = 0.0, seed: tuple[int, int] = (0, 0),
) -> tuple[Array, Array]:  # fmt: skip
    """Return the features (T, B, D) and the state after."""
    length, num_streams = starts.shape
    width, hidden = p["embedding"].shape[1], len(p["gate_biases"]) // 3
    of_x = mask(dropout, seed, 0, (words.size, width)).reshape(length + 1, num_streams, width)
    of_h = mask(dropout, seed, 1, (starts.size, hidden)).reshape(length, num_streams, hidden)
    found = np.empty((length, num_streams, len(p["feature_biases"])))
    after = np.zeros((num_streams, hidden)) if state is None else np.array(state, np.float64)
    embedding = p["embedding"].astype(np.float64)
    for b in range(num_streams):
        for t in range(length):
            x = 10 * embedding[words[t + 1, b]] * of_x[t + 1, b]
            before = 10 * embedding[words[t, b]] * of_x[t, b]
            cells = after[b]
            if starts[t, b]:
                before, cells = np.zeros(width), np.zeros(hidden)
            z, f, o = np.split(np.concatenate([before, x]) @ p["gate_weights"] + p["gate_biases"], 3)
            after[b], h = step(z, f, o, cells)
            both = np.concatenate([x, h * of_h[t, b]])
            found[t, b] = both @ p["feature_weights"] + p["feature_biases"]
    return found, after
