"""Class ids in range."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["all_below"]


@kernel
def all_below(ids: Any, limit: int) -> bool:
    """Whether every id is in [0, limit).

    A negative id, read as unsigned, is a large number. So one comparison for each id is enough, in vector code.

    IN
        ids : (n,) int64
        limit : int64
    """
    below = True
    for i in range(len(ids)):
        below &= bool(np.uint64(ids[i]) < np.uint64(limit))
    return below
