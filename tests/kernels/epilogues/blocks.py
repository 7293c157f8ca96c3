"""Epilogues of blocks on NumPy arrays, and their packed results."""

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.epilogues.block import FullBlock, SampledBlock, SumBlock
from fastcands.kernels.epilogues.call import call
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot import configure, release
from fastcands.simd.dot.blocks import BLOCK_BYTES, SIDE
from fastcands.workspace import scratch
from tests.bf16 import wide

WORDS = BLOCK_BYTES // 2


@kernel
def _run(function: int, arguments: Any) -> None:
    mode = flush_denormals()
    configure()
    call(function, arguments)
    release()
    restore_denormals(mode)


def _words(arguments):
    return tuple(each.ctypes.data if isinstance(each, np.ndarray) else int(each) for each in arguments)


def run_block(epilogue, block, product=None):
    """Run the epilogue of a `SampledBlock`, `FullBlock` or `SumBlock` of arrays, after or in a `Product`."""
    if isinstance(block, SumBlock):
        _run(epilogue.bf16_full_functions().accumulate, _words(block))
        return
    if isinstance(block, SampledBlock):
        alone, overlapped, *_ = epilogue.bf16_sampled_functions()
    else:
        assert isinstance(block, FullBlock)
        alone, overlapped, _ = epilogue.bf16_full_functions()
    if product is None:
        _run(alone, _words(block))
    else:
        _run(overlapped, _words((*product, *block)))


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
