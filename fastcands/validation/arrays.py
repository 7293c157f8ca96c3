"""The one way from an argument to an array: nothing that NumPy would drop in silence, native byte order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_array", "as_per_class", "as_plain", "check_array", "check_unmasked", "index_text"]

_Masked = np.ma.MaskedArray
_LABELS = ("labels", "true_classes")


def index_text(position: int, shape: tuple[int, ...]) -> str:
    """Return the index of a position in the flattened array, as messages show it."""
    index = np.unravel_index(position, shape)
    return "[" + ", ".join(str(int(i)) for i in index) + "]"


def check_unmasked(value: Any, name: str) -> None:
    """Refuse masked entries, also those of arrays in lists: as an array they would be what lies below the mask."""
    if isinstance(value, _Masked):
        mask = np.ma.getmaskarray(value)
        if mask.any():
            first = index_text(int(mask.reshape(-1).argmax()), mask.shape)
            is_label = name.split("[")[0] in _LABELS
            remedy = (
                "fill them with a label of your own, which losses take as ignore_index" if is_label else "fill them"
            )
            raise ValueError(
                f"{name} must have no masked entries, got {int(mask.sum())}, the first at {first}; "
                f"{remedy}: {name}.filled(…)"
            )
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            if isinstance(part, list | tuple | _Masked):
                check_unmasked(part, f"{name}[{i}]")


def check_array(value: Any, name: str) -> None:
    """Refuse what is no NumPy array, or has masked entries, where arrays are kept as they come."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(value).__name__}")
    check_unmasked(value, name)


def as_plain(array: Any) -> Any:
    """Return a masked array, none of whose entries is masked, as its data; anything else as it is."""
    return np.asarray(array) if isinstance(array, _Masked) else array


def as_array(value: Any, name: str) -> NDArray[Any]:
    """Return an argument as an array in native byte order.

    Every array that is not trained in place comes through here. What NumPy cannot convert, or would convert by
    dropping a part of it, is refused by name.
    """
    if type(value) is np.ndarray and value.dtype.isnative:
        return value
    check_unmasked(value, name)
    if hasattr(value, "tocsr"):
        raise TypeError(f"{name} must be a dense array, got a sparse {type(value).__name__}; {name}.toarray() is one")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        if "inhomogeneous" in str(error):
            remedy = (
                "pad the rows with a label of your own, which losses take as ignore_index; "
                "native losses, train_step and evaluate take such rows as they are"
                if name in _LABELS
                else "pad the rows"
            )
            raise ValueError(
                f"{name} must be an array, got rows of different lengths or depths (ragged): {remedy}"
            ) from None
        raise TypeError(f"{name} must be an array, got {type(value).__name__}, and NumPy says: {error}") from error
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_per_class(value: Any, name: str) -> NDArray[Any]:
    """Return an argument with an entry for each class as an array in the order of the ids.

    A pandas Series or DataFrame (anything with `index` and `to_numpy`) is put in that order by its index.
    """
    if type(value) is np.ndarray:
        return as_array(value, name)
    if isinstance(value, Mapping):
        raise TypeError(
            f"{name} must be an array in the order of the class ids, got {type(value).__name__}; of a dict from id to "
            f"number make [{name}.get(i, 0) for i in range(num_classes)]"
        )
    index = getattr(value, "index", None)
    if index is None or callable(index) or not hasattr(value, "to_numpy"):
        return as_array(value, name)
    array, ids = as_array(value.to_numpy(), name), np.asarray(index)
    expected = np.arange(len(array))
    if ids.dtype.kind in "iu" and np.array_equal(ids, expected):
        return array
    if ids.dtype.kind not in "iu" or not np.array_equal(np.sort(ids, axis=0), expected):
        raise ValueError(
            f"{name} must have the class ids 0 to {len(array) - 1} as index, each once, got {_some_of(index)}; "
            f"{name}.reindex(range(num_classes), fill_value=0) adds what is missing, {name}.to_numpy() drops the index"
        )
    in_order = np.empty_like(array)
    in_order[ids] = array
    return in_order


def _some_of(index: Any) -> str:
    first = ", ".join(repr(getattr(each, "item", lambda each=each: each)()) for each in list(index[:3]))
    return f"[{first}{', …' if len(index) > 3 else ''}]"
