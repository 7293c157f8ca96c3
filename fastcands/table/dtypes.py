"""Dtypes of tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["as_table_dtype"]


def as_table_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return one of the dtypes that tables can have; bfloat16 needs the package ml_dtypes."""
    if isinstance(dtype, str) and dtype == "bfloat16":
        try:
            from ml_dtypes import bfloat16
        except ImportError:
            raise ImportError("dtype 'bfloat16' needs the package ml_dtypes (pip install ml_dtypes)") from None
        narrow: np.dtype[Any] = np.dtype(bfloat16)
        return narrow
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(f"dtype must be float32, float64 or bfloat16, got {dtype!r}") from None
    if kind not in (np.float32, np.float64) and kind.name != "bfloat16":
        raise TypeError(f"dtype must be float32, float64 or bfloat16, got {kind}")
    return kind
