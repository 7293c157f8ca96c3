"""Epilogues that overlap a product: both results are those that each has alone."""

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.kernels.epilogues.block import FullBlock, Product, SampledBlock
from fastcands.kernels.epilogues.logistic import LOGISTIC
from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot import block_product, configure, release
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.vector import address
from fastcands.workspace import scratch
from tests.kernels.epilogues.blocks import WORDS, a_block, packed_pair, run_block, some_vectors


@kernel
def _multiply(left, right, steps, split, out):
    mode = flush_denormals()
    configure()
    block_product(address(left, 0), address(right, 0), steps, split, 0, address(out, 0), 32)
    release()
    restore_denormals(mode)


def _sampled(split, block, vectors, row_sums, packed):
    offsets, shifts, tile_max, tile_sum = vectors
    return SampledBlock(split, block, offsets, offsets, shifts, tile_max, tile_sum, *packed)


def _full(split, block, vectors, row_sums, packed):
    offsets, shifts, scale, tile_sum = vectors
    return FullBlock(split, block, offsets, shifts, scale, 30, tile_sum, row_sums, *packed)


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize("steps", [1, 3, 8, 11])
@pytest.mark.parametrize("epilogue", [SOFTMAX, LOGISTIC], ids=["softmax", "logistic"])
@pytest.mark.parametrize("kind", [_sampled, _full])
def test_a_product_that_overlaps_an_epilogue_changes_neither(kind, epilogue, steps, split):
    rng = np.random.default_rng(steps)
    panels = [scratch(name, (steps * (1 + split) * WORDS,), np.uint16) for name in ("inputs", "rows")]
    for panel in panels:
        panel[:] = rng.normal(size=panel.shape).astype(np.float32).view(np.uint32) >> 16
    block, vectors = a_block(3.0), some_vectors(4)
    results = []
    for together in (False, True):
        packed = packed_pair(split, str(together))
        out = scratch(f"out {together}", (SIDE, SIDE), np.float32)
        row_sums = scratch(f"row sums {together}", (SIDE, 16), np.float32)
        row_sums[:], packed[1][:] = 0.5, 7
        changed = vectors.copy()
        if together:
            product = Product(*panels, steps, out)
        else:
            product = None
            _multiply(*panels, steps, split, out)
        run_block(epilogue, kind(split, block, changed, row_sums, packed), product)
        results.append((out, changed, row_sums, *packed))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (results[0][1] != vectors).any() or (kind is _full and epilogue is SOFTMAX)
