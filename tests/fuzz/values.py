"""Arguments as callers may give them: the same in another form, almost right, and plainly wrong."""

from __future__ import annotations

import contextlib
import datetime
import fractions
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastcands as fc

Change = Callable[[np.random.Generator, Any], Any]

# kinds that are known to fail and are worked on: remove a line with its cure
LEFT_OUT: dict[str, str] = {}


class Subclass(np.ndarray):
    """An array of another class."""


class Number:
    """An integer that is no int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class OfArray:
    """An object that NumPy takes for an array."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.array, dtype)


def strided(rng: np.random.Generator, array: Any) -> Any:
    wide = np.repeat(array, 2, axis=array.ndim - 1) if array.ndim else array
    return wide[..., ::2] if array.ndim else array


def unaligned(rng: np.random.Generator, array: Any) -> Any:
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(rng: np.random.Generator, array: Any) -> Any:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def with_one(value: Callable[[np.random.Generator, Any], Any]) -> Change:
    def change(rng: np.random.Generator, array: Any) -> Any:
        copy = array.copy()
        if copy.size:
            copy.flat[int(rng.integers(copy.size))] = value(rng, array)
        return copy

    return change


def as_object(rng: np.random.Generator, array: Any) -> Any:
    return array.astype(object)


def one_hot(rng: np.random.Generator, array: Any) -> Any:
    return np.eye(20, dtype=int)[np.zeros(len(array), int)] if array.ndim else array


def masked(rng: np.random.Generator, array: Any) -> Any:
    return np.ma.masked_array(array, rng.random(array.shape) < 0.3)


# the same numbers
FORMS: dict[str, Change] = {
    "strided": strided,
    "unaligned": unaligned,
    "read-only": read_only,
    "Fortran order": lambda rng, a: np.asfortranarray(a),
    "reversed twice": lambda rng, a: a[::-1].copy()[::-1] if a.ndim else a,
    "list": lambda rng, a: a.tolist(),
    "tuple": lambda rng, a: tuple(a.tolist()) if a.ndim else a,
    "list of arrays": lambda rng, a: list(a) if a.ndim else a,
    "subclass": lambda rng, a: a.view(Subclass),
    "object with __array__": lambda rng, a: OfArray(a),
    "memoryview": lambda rng, a: memoryview(np.ascontiguousarray(a)) if a.dtype.kind in "iuf" else a,
    "big-endian": lambda rng, a: a.astype(a.dtype.newbyteorder(">")),
    "masked array": masked,
}
WRONG_ARRAYS: dict[str, Change] = {
    "object dtype": as_object,
    "strings": lambda rng, a: a.astype(str),
    "bytes": lambda rng, a: a.astype("S"),
    "complex": lambda rng, a: a.astype(complex),
    "bool": lambda rng, a: a.astype(bool),
    "datetime": lambda rng, a: a.astype(np.int64).astype("M8[s]"),
    "structured": lambda rng, a: np.zeros(a.shape, [("x", "i4"), ("y", "f4")]),
    "no dimension": lambda rng, a: a.reshape(-1)[0] if a.size else a,
    "a dimension more": lambda rng, a: a[None],
    "a dimension more at the end": lambda rng, a: a[..., None],
    "flat": lambda rng, a: a.reshape(-1),
    "transposed": lambda rng, a: a.T,
    "one shorter": lambda rng, a: a[:-1] if a.ndim else a,
    "one longer": lambda rng, a: np.concatenate([a, a[:1]]) if a.ndim else a,
    "a column less": lambda rng, a: a[..., :-1] if a.ndim else a,
    "empty": lambda rng, a: a[:0] if a.ndim else a,
    "no columns": lambda rng, a: a[..., :0] if a.ndim else a,
    "empty list": lambda rng, a: [],
    "many dimensions": lambda rng, a: a.reshape(a.shape + (1,) * 20),
    "broadcast": lambda rng, a: np.broadcast_to(a[:1], a.shape) if a.ndim else a,
    "negative": with_one(lambda rng, a: -1 if a.dtype.kind in "if" else 0),
    "too large": with_one(lambda rng, a: 120),
    "largest": with_one(lambda rng, a: np.iinfo(a.dtype).max if a.dtype.kind in "iu" else 1e30),
    "smallest": with_one(lambda rng, a: np.iinfo(a.dtype).min if a.dtype.kind in "iu" else -1e30),
    "denormal": with_one(lambda rng, a: 1e-40 if a.dtype.kind == "f" else 1),
    "zeros": lambda rng, a: np.zeros_like(a),
    "not finite": with_one(
        lambda rng, a: [np.nan, np.inf, -np.inf][int(rng.integers(3))] if a.dtype.kind == "f" else 0
    ),
    "ragged list": lambda rng, a: [*a.tolist(), [[1], [2, 3]]] if a.ndim else a,
    "one-hot": one_hot,
    **{
        f"dtype {name}": lambda rng, a, name=name: a.astype(name)  # type: ignore[misc]
        for name in [
            "int8",
            "uint8",
            "int16",
            "uint16",
            "int32",
            "uint32",
            "int64",
            "uint64",
            "float16",
            "float32",
            "float64",
            "longdouble",
        ]
    },
}
WRONG_OBJECTS: dict[str, Change] = {
    "None": lambda rng, value: None,
    "an object": lambda rng, value: object(),
    "a string": lambda rng, value: "text",
    "an empty string": lambda rng, value: "",
    "bytes alone": lambda rng, value: b"\xff\x00",
    "a dict": lambda rng, value: {"a": 1},
    "a set": lambda rng, value: {1, 2},
    "a generator": lambda rng, value: (i for i in range(3)),
    "a function": lambda rng, value: len,
    "a class": lambda rng, value: int,
    "a date": lambda rng, value: datetime.date(2026, 1, 1),
    "NaN": lambda rng, value: float("nan"),
    "infinity": lambda rng, value: float("-inf"),
    "a fraction": lambda rng, value: fractions.Fraction(1, 3),
    "a float": lambda rng, value: 2.5,
    "a whole float": lambda rng, value: 3.0,
    "True": lambda rng, value: True,
    "np.False_": lambda rng, value: np.False_,
    "a complex number": lambda rng, value: 1j,
    "a nested list": lambda rng, value: [[[1]], [[2]]],
    "a list of strings": lambda rng, value: ["a", "b"],
    "a list of None": lambda rng, value: [None, None],
    "a list of huge integers": lambda rng, value: [2**70, 1],
    "an empty tuple": lambda rng, value: (),
    **{
        f"the integer {number}": lambda rng, value, number=number: number  # type: ignore[misc]
        for number in (0, 1, 2, 7, -1, 2**31, 2**32 + 1, 2**62, 2**63 - 1, 2**63, 2**64, 2**70, -(2**63), -(2**70))
    },
    "np.int8": lambda rng, value: np.int8(5),
    "np.uint64": lambda rng, value: np.uint64(2**64 - 1),
    "np.float32": lambda rng, value: np.float32(0.5),
    "an array of no dimension": lambda rng, value: np.array(4),
    "an array of one": lambda rng, value: np.array([4]),
    "an integer of another class": lambda rng, value: Number(4),
    "a large float": lambda rng, value: 1e300,
    "a small float": lambda rng, value: 1e-300,
    "a negative float": lambda rng, value: -0.5,
    "digits": lambda rng, value: "10",
}


def change(rng: np.random.Generator, value: Any) -> tuple[str, Any]:
    """Return an argument in another form, or another argument, and what was done."""
    kinds: dict[str, Change] = WRONG_OBJECTS
    if isinstance(value, np.ndarray) and rng.random() < 0.8:
        kinds = FORMS if rng.random() < 0.4 else WRONG_ARRAYS
    elif isinstance(value, dict) and value and rng.random() < 0.8:
        name = sorted(value)[int(rng.integers(len(value)))]
        if rng.random() < 0.15:
            return f"no {name!r}", {key: each for key, each in value.items() if key != name}
        kind, new = change(rng, value[name])
        return f"{name!r} {kind}", value | {name: new}
    elif isinstance(value, fc.SampledValues | fc.RowGradient) and rng.random() < 0.8:
        place = int(rng.integers(len(value)))
        kind, new = change(rng, value[place])
        return f"{value._fields[place]} {kind}", value._replace(**{value._fields[place]: new})
    names = [name for name in kinds if name not in LEFT_OUT]
    kind = names[int(rng.integers(len(names)))]
    with warnings.catch_warnings(), contextlib.suppress(ValueError, TypeError, OverflowError, IndexError):
        warnings.simplefilter("ignore")  # a cast that loses something
        return kind, kinds[kind](rng, value)
    return f"{kind}, which it cannot have", value
