"""What tests of epilogues share: blocks of logits, and both packed orders of what becomes of them."""

import numpy as np

from fastcands.simd.dot.blocks import BLOCK_BYTES, SIDE
from fastcands.workspace import scratch
from tests.bf16 import wide

WORDS = BLOCK_BYTES // 2


def a_block(scale, rows=SIDE, seed=0):
    """Return a block of logits."""
    block = scratch("block", (rows, SIDE), np.float32)
    block[:] = np.random.default_rng(seed).normal(size=block.shape) * scale
    return block


def some_vectors(count, seed=1):
    """Return numbers of 32 examples or classes."""
    return np.random.default_rng(seed).normal(size=(count, SIDE)).astype(np.float32)


def packed_pair(split, name=""):
    """Return memory for a left and a right block."""
    return tuple(scratch(name + side, ((1 + split) * WORDS,), np.uint16) for side in ("left", "right"))


def unpacked(left, right, split):
    """Return the sum of the parts of a left block; a right one must hold the same."""
    packed = left.reshape(1 + split, SIDE, SIDE)
    lines = packed.reshape(-1, 16, 2, 2, 16).transpose(0, 3, 1, 4, 2)  # part, tile, line, column, neighbour in k
    np.testing.assert_array_equal(right.reshape(lines.shape), lines)
    return wide(packed).astype(float).sum(axis=0)
