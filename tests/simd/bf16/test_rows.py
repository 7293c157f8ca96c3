"""Epilogues that overlap a product: both results are those that each has alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.bf16.logistic import (
    counted_sigmoid_block,
    counted_sigmoid_block_overlapped,
    sigmoid_block,
    sigmoid_block_overlapped,
)
from fastcands.simd.bf16.softmax import (
    exp_block,
    exp_block_overlapped,
    probability_block,
    probability_block_overlapped,
)
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot import block_product, configure, release
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.vector import address
from fastcands.workspace import scratch
from tests.simd.bf16.epilogues import WORDS, a_block, packed_pair, some_vectors


@kernel
def _of_candidates(
    kind: int, together: bool, product: Any, split: int, vectors: Any, row_sums: Any, packed: Any
) -> None:
    """Run an epilogue of a sampled loss, exponentials (0) or sigmoids (1), after or in a product."""
    left, right, out, block = product
    steps, place, into = len(left) // ((1 + split) * 1024), address(packed[0], 0), address(out, 0)
    at = address(vectors, 0)
    arguments = (address(block, 0), at, at + 128, at + 256, at + 384, place, address(packed[1], 0))
    mode = flush_denormals()
    configure()
    if not together:
        block_product(address(left, 0), address(right, 0), steps, split, 0, into, 32)
        if kind == 0:
            exp_block(split, arguments)
        else:
            counted_sigmoid_block(split, arguments)
    elif kind == 0:
        exp_block_overlapped(address(left, 0), address(right, 0), steps, split, into, arguments)
    else:
        counted_sigmoid_block_overlapped(address(left, 0), address(right, 0), steps, split, into, arguments)
    release()
    restore_denormals(mode)


@kernel
def _of_classes(kind: int, together: bool, product: Any, split: int, vectors: Any, sums: Any, packed: Any) -> None:
    """Run an epilogue of an exact loss, probabilities (0) or sigmoids (1), after or in a product."""
    left, right, out, block = product
    steps, place, into = len(left) // ((1 + split) * 1024), address(packed[0], 0), address(out, 0)
    at = address(vectors, 0)
    arguments = (
        address(block, 0), at, at + 128, at + 256, 30, address(sums, 0), place, address(packed[1], 0),
    )  # fmt: skip
    mode = flush_denormals()
    configure()
    if not together:
        block_product(address(left, 0), address(right, 0), steps, split, 0, into, 32)
        if kind == 0:
            probability_block(split, arguments)
        else:
            sigmoid_block(split, arguments)
    elif kind == 0:
        probability_block_overlapped(address(left, 0), address(right, 0), steps, split, into, arguments)
    else:
        sigmoid_block_overlapped(address(left, 0), address(right, 0), steps, split, into, arguments)
    release()
    restore_denormals(mode)


@pytest.mark.parametrize("split", [0, 1])
@pytest.mark.parametrize("steps", [1, 3, 8, 11])
@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("run", [_of_candidates, _of_classes])
def test_a_product_that_overlaps_an_epilogue_changes_neither(run: Any, kind: int, steps: int, split: int) -> None:
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
        run(kind, together, (*panels, out, block), split, changed, row_sums, packed)
        results.append((out, changed, row_sums, *packed))
    for first, second in zip(*results, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (results[0][1] != vectors).any() or (run is _of_classes and kind == 0)
