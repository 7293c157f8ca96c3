"""States of samplers in a saved table: arrays are stored like those of the table, all else in the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pack_states", "unpack_state"]

_Arrays = dict[str, NDArray[Any]]


def _pack(value: Any, name: str, arrays: _Arrays) -> Any:
    if isinstance(value, np.ndarray):
        arrays[name] = value if value.ndim else value[None]
        return {"array": name, "shape": list(value.shape)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):  # JSON has no tuples
        return {"tuple": [_pack(part, f"{name}.{i}", arrays) for i, part in enumerate(value)]}
    if isinstance(value, list):
        return [_pack(part, f"{name}.{i}", arrays) for i, part in enumerate(value)]
    if isinstance(value, dict):
        return {"dict": {key: _pack(part, f"{name}.{key}", arrays) for key, part in value.items()}}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{name} must be a number, string, array or a container of these, got {type(value).__name__}")


def pack_states(samplers: Any) -> tuple[dict[str, Any], _Arrays]:
    """Return the entry for the manifest, and the arrays by their names in the file."""
    if not isinstance(samplers, Mapping):
        raise TypeError(f"samplers must be a mapping of names to samplers, got {type(samplers).__name__}")
    arrays: _Arrays = {}
    states = {}
    for name, sampler in samplers.items():
        if not callable(getattr(sampler, "state_dict", None)):
            raise TypeError(f"samplers[{name!r}] must have state_dict, got {type(sampler).__name__}")
        states[str(name)] = _pack(sampler.state_dict(), f"samplers.{name}", arrays)
    return states, arrays


def unpack_state(packed: Any, read: Callable[[str], NDArray[Any]]) -> Any:
    """Return a state as `state_dict` gave it; `read` returns an array by its name in the file."""
    if isinstance(packed, list):
        return [unpack_state(part, read) for part in packed]
    if not isinstance(packed, dict):
        return packed
    if "array" in packed:
        return read(packed["array"]).reshape(packed["shape"])
    if "tuple" in packed:
        return tuple(unpack_state(part, read) for part in packed["tuple"])
    return {key: unpack_state(part, read) for key, part in packed["dict"].items()}
