"""What tests of matrix tiles share: rounding by NumPy, and what is true where there are no tiles."""

import ml_dtypes
import numpy as np

from fastcands.precision import resolve
from fastcands.simd.matrix_target import unusable


def no_tiles():
    """Whether this processor has none; the tiers then compute as 'highest', which is checked."""
    reason = unusable()
    if reason is None:
        return False
    assert reason
    assert resolve("medium", np.dtype(np.float32)) == resolve("high", np.dtype(np.float32)) == "highest"
    return True


def rounded(x):
    """Return float32 numbers rounded to bfloat16, as float32; denormals are zero."""
    x = np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)
    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def parts(x, split):
    """Return the high part of x, and the low one (zero unless `split`)."""
    high = rounded(x)
    with np.errstate(invalid="ignore"):
        low = rounded(x - high)
    return high, np.where(np.isfinite(low) & bool(split), low, np.float32(0))


def bits(x):
    """Return the upper halves of float32 numbers, which have no more than that."""
    return (np.ascontiguousarray(x).view(np.uint32) >> 16).astype(np.uint16)
