"""Denormals are zero inside a kernel that sets this mode, and nowhere else."""

import numpy as np

from fastcands.jit import kernel
from fastcands.simd.denormals import flush_denormals, restore_denormals


@kernel
def _halve(values, flush):
    mode = flush_denormals() if flush else 0
    x = values[0]
    for i in range(len(values)):
        x = x * np.float32(0.5)
        values[i] = x
    if flush:
        restore_denormals(mode)


def _smallest(flush):
    values = np.ones(200, np.float32)
    _halve(values, flush)
    return values[values > 0].min()


def test_flushed_inside_and_restored_after():
    assert _smallest(True) == np.finfo(np.float32).tiny
    assert _smallest(False) == np.finfo(np.float32).smallest_subnormal
    assert np.float32(2e-38) * np.float32(0.1) > 0
