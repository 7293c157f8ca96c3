"""The random stream: published test vectors, and the plain-Python model at every offset."""

from itertools import islice

import numpy as np
import pytest

from fastcands.kernels.sampling.philox import fill_pairs
from tests.draws_model import words


def as_words(pairs):
    return [int(half) for pair in pairs for half in (pair & np.uint64(0xFFFFFFFF), pair >> np.uint64(32))]


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ("00000000 00000000", "00000000 00000000 00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff", "ffffffff ffffffff ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("a4093822 299f31d0", "243f6a88 85a308d3 13198a2e 03707344", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers_of_random123(key, counter, expected):
    k, c = ([int(word, 16) for word in text.split()] for text in (key, counter))
    pairs = np.empty(2, np.uint64)
    block = c[0] | c[1] << 32
    fill_pairs(np.array([*k, c[2], c[3]], np.uint64), np.uint64(block).astype(np.int64), pairs)
    assert as_words(pairs) == [int(word, 16) for word in expected.split()]


@pytest.mark.parametrize("block", [0, 1, 2**32 - 3, 2**32, 2**60])
@pytest.mark.parametrize("num_blocks", [0, 1, 7, 33])
def test_stream_is_the_models(block, num_blocks):
    seeds = (0x0123456789ABCDEF, 2**64 - 2)
    stream = np.array([seeds[0] & 0xFFFFFFFF, seeds[0] >> 32, seeds[1] & 0xFFFFFFFF, seeds[1] >> 32], np.uint64)
    pairs = np.empty(2 * num_blocks, np.uint64)
    fill_pairs(stream, block, pairs)
    assert as_words(pairs) == list(islice(words(seeds, block), 4 * num_blocks))
