"""Arrays of bfloat16 in a run's files: NumPy's format lacks that dtype, so their bits are saved under a marked name."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.errors import Refusal

__all__ = ["as_bits", "check_bfloat16", "from_bits"]

_MARK = "@bfloat16"


def check_bfloat16(what: str) -> None:
    """Refuse what needs bfloat16 where the package for it is missing.

    Parameters
    ----------
    what : str
        What needs it, for the message.

    Raises
    ------
    Refusal
        If ml_dtypes is missing.
    """
    if importlib.util.find_spec("ml_dtypes") is None:
        raise Refusal(f"{what} needs the package ml_dtypes: pip install 'fastcands[bfloat16]'")


def as_bits(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays as a file can hold them.

    Parameters
    ----------
    arrays : mapping of str to array
        By name.

    Returns
    -------
    dict of str to array
        The same, those of bfloat16 as uint16 under a marked name; not copies.

    Examples
    --------
    >>> import ml_dtypes
    >>> list(as_bits({"x": np.ones(1), "w": np.ones(1, ml_dtypes.bfloat16)}).items())
    [('x', array([1.])), ('w@bfloat16', array([16256], dtype=uint16))]
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        narrow = array.dtype.name == "bfloat16"
        found[name + _MARK if narrow else name] = array.view(np.uint16) if narrow else array
    return found


def from_bits(arrays: Mapping[str, NDArray[Any]], path: object) -> dict[str, NDArray[Any]]:
    """Return arrays as they were before `as_bits`.

    Parameters
    ----------
    arrays : mapping of str to array
        What `as_bits` returned.
    path : object
        Where they come from, for the message.

    Returns
    -------
    dict of str to array
        Not copies.

    Raises
    ------
    Refusal
        If one is of bfloat16, and the package for it is missing.
    """
    marked = {name for name, array in arrays.items() if name.endswith(_MARK) and array.dtype == np.uint16}
    if not marked:
        return dict(arrays)
    check_bfloat16(f"{path}: a model with a table of bfloat16")
    from ml_dtypes import bfloat16

    return {
        name.removesuffix(_MARK) if name in marked else name: array.view(bfloat16) if name in marked else array
        for name, array in arrays.items()
    }
