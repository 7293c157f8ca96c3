"""Precision of matrix products in losses: the setting, and the tier of a call."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any, Literal, cast

import numpy as np

from fastcands.simd import dot

__all__ = [
    "Precision",
    "as_precision",
    "get_matmul_precision",
    "matmul_precision",
    "resolve",
    "set_matmul_precision",
]

Precision = Literal["highest", "high", "medium"]

_NAMES = ("highest", "high", "medium")
_FLOAT32 = np.dtype(np.float32)

_default: Precision = "highest"
_override: contextvars.ContextVar[Precision | None] = contextvars.ContextVar("fastcands_matmul_precision", default=None)


def as_precision(value: Any, name: str = "precision") -> Precision:
    """Return the name of a tier, checked."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be 'highest', 'high' or 'medium', got {type(value).__name__}")
    if value not in _NAMES:
        raise ValueError(f"{name} must be 'highest', 'high' or 'medium', got {value!r}")
    return cast(Precision, value)


def get_matmul_precision() -> Precision:
    """Return the precision of matrix products in losses that have no ``precision`` of their own.

    Returns
    -------
    {'highest', 'high', 'medium'}
        That of the innermost `matmul_precision` block, else of `set_matmul_precision`, else 'highest'.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.get_matmul_precision()
    'highest'
    """
    here = _override.get()
    return _default if here is None else here


def set_matmul_precision(precision: str) -> None:
    """Set how precisely later calls of losses multiply float32 matrices, in the whole process.

    ============= ======================================================== ====================
    precision     a product                                                relative error
    ============= ======================================================== ====================
    ``'highest'`` of float32 numbers, sums in float32                      of float32
    ``'high'``    of numbers split in two bfloat16 parts: three products,  about 5e-6
                  sums in float32
    ``'medium'``  of numbers rounded to bfloat16, sums in float32          about 3e-3
    ============= ======================================================== ====================

    Parameters
    ----------
    precision : {'highest', 'high', 'medium'}
        The initial setting is 'highest'.

    Raises
    ------
    TypeError
        If `precision` is not a string.
    ValueError
        If it is another word.

    See Also
    --------
    matmul_precision : The same for a block.

    Notes
    -----
    The setting allows lower precision, it does not require it. The names are those of PyTorch's
    ``torch.set_float32_matmul_precision``. 'high' and 'medium'
    need AMX: without it, and in float64, a call computes as 'highest'. `show_config` shows this. A loss with a
    ``precision`` of its own uses that instead. ``ClassTable.evaluate`` and ``ClassTable.topk`` are always 'highest'.

    Results in each tier are the same bits for any number of threads.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.set_matmul_precision("medium")
    >>> fc.get_matmul_precision()
    'medium'
    >>> fc.set_matmul_precision("highest")
    """
    global _default
    _default = as_precision(precision)


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Set how precisely losses multiply inside a ``with`` block, in this thread of Python only.

    Parameters
    ----------
    precision : {'highest', 'high', 'medium'}
        As for `set_matmul_precision`.

    Raises
    ------
    TypeError
        If `precision` is not a string.
    ValueError
        If it is another word.

    Examples
    --------
    >>> import fastcands as fc
    >>> with fc.matmul_precision("high"):
    ...     fc.get_matmul_precision()
    'high'
    """
    token = _override.set(as_precision(precision))
    try:
        yield
    finally:
        _override.reset(token)


def resolve(precision: str | None, dtype: np.dtype[Any]) -> Precision:
    """Return the tier of a call.

    Parameters
    ----------
    precision : {'highest', 'high', 'medium'} or None
        That of the loss, checked; None for the setting.
    dtype : dtype
        Of the arithmetic.

    Returns
    -------
    {'highest', 'high', 'medium'}
        'highest' unless the arithmetic is float32 and bfloat16 products are usable.
    """
    chosen = get_matmul_precision() if precision is None else precision
    # tested first: 'highest' must not make requests to the operating system
    if chosen == "highest" or dtype != _FLOAT32 or dot.unusable() is not None:
        return "highest"
    return cast(Precision, chosen)
