"""One call: what it was given, what came of it, and what is wrong with that."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import fastcands as fc

# what messages call parts of arguments
PARTS = {
    "sampled_candidates",
    "true_expected_count",
    "sampled_expected_count",
    "sampled_values",
    "gradient",
    "state",
    "weights",
    "biases",
    "inputs",
    "labels",
    "num_classes",
    "num_sampled",
    "num_threads",
    "counts",
    "seed",
}


@dataclasses.dataclass
class Call:
    """A call that is right as it stands.

    Attributes
    ----------
    name : str
    function : callable
    arguments : dict
        By name.
    owners : tuple
        Samplers and tables that a refused call leaves as they are.
    check : callable, optional
        Raises AssertionError if the result is not the one for the arguments.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    owners: tuple[Any, ...] = ()
    check: Callable[[Any, dict[str, Any]], None] | None = None


def frozen(value: Any) -> Any:
    """Return what tells whether an argument is as it was."""
    if isinstance(value, np.ndarray):
        array = np.asarray(value)
        return type(value), array.shape, array.strides, str(array.dtype), repr(array.tolist())
    if isinstance(value, dict):
        return {key: frozen(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [frozen(each) for each in value]
    if isinstance(value, fc.ClassTable):
        return frozen([value.weights, value.biases, value.optimizer_state, value.step])
    if hasattr(value, "state_dict"):
        return frozen(value.state_dict())
    return id(value)


def _tables(call: Call) -> list[fc.ClassTable]:
    return [owner for owner in call.owners if isinstance(owner, fc.ClassTable)]


def names_an_argument(message: str, arguments: dict[str, Any]) -> bool:
    return any(re.search(rf"\b{re.escape(name)}\b", message) for name in {*arguments, *PARTS})


def verdict(call: Call) -> str | None:
    """Make a call; return what is wrong with what came of it, None if nothing is."""
    before, tables_before = frozen([call.arguments, *call.owners]), frozen([call.arguments, *_tables(call)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = call.function(**call.arguments)
    except (ValueError, TypeError) as error:
        # numbers that are not finite are found after the draw: as documented, the sampler has changed its state then
        found_late = call.name == "ClassTable.train_step" and "finite" in str(error)
        same = frozen([call.arguments, *_tables(call)]) == tables_before
        if not same or (not found_late and frozen([call.arguments, *call.owners]) != before):
            return f"refused, but changed an argument or a state: {error}"
        if not names_an_argument(str(error), call.arguments):
            return f"names no argument: {type(error).__name__}: {error}"
        return None
    except MemoryError:
        return None
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if frozen(call.arguments) != before[1][0] and not call.name.startswith("in place"):
        return "changed an argument"
    if call.check is not None:
        try:
            call.check(result, call.arguments)
        except AssertionError as error:
            return f"wrong result: {' '.join(str(error).split())}"
    return None
