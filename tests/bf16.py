"""What tests of bfloat16 products share: rounding by NumPy."""

import ml_dtypes
import numpy as np
import pytest

from fastcands.simd import dot


def rounded(x):
    """Return float32 numbers rounded to bfloat16, as float32; denormals are zero."""
    x = np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)
    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def parts(x, split):
    """Return the hi part of x, and the lo one (zero unless `split`)."""
    high = rounded(x)
    with np.errstate(invalid="ignore"):
        low = rounded(x - high)
    return high, np.where(np.isfinite(low) & bool(split), low, np.float32(0))


def bits(x):
    """Return the upper halves of float32 numbers, which have no more than that."""
    return (np.ascontiguousarray(x).view(np.uint32) >> 16).astype(np.uint16)


def wide(bits):
    """Return bfloat16 numbers, given as bits, as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


each_instruction_set = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(name)) for name in dot.INSTRUCTION_SETS]
)
