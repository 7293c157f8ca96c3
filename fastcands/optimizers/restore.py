"""An optimizer from its description."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from fastcands.optimizers.description import BY_NAME, LearningRate
from fastcands.optimizers.interface import Optimizer
from fastcands.schedules import Schedule

__all__ = ["from_dict"]


def _check_names(kind: type, options: Mapping[str, Any], what: str) -> None:
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ValueError(f"the description of {what} has {unknown}, known are {sorted(known)}")
    missing = sorted(field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING)
    if not set(missing) <= set(options):
        raise ValueError(f"the description of {what} must have {missing}, got {sorted(options)}")


def from_dict(description: Mapping[str, Any], lr: LearningRate | None = None) -> Optimizer:
    """Return the optimizer that ``Optimizer.to_dict`` described.

    Parameters
    ----------
    description : mapping
        ``{'name': …, 'lr': …, …}``. Options that are missing have their defaults.
    lr : float or callable, optional
        Instead of the description's. Needed if that has none, because it was a function.

    Returns
    -------
    Optimizer
        Equal to the one described.

    Raises
    ------
    TypeError
        If `description` is not a mapping, or an option is of another type.
    ValueError
        If the name or an option is unknown, an option is out of range, or there is no `lr`.

    Examples
    --------
    >>> import fastcands as fc
    >>> from fastcands.optimizers import from_dict
    >>> from_dict(fc.Adagrad(fc.schedules.linear(0.1, 500)).to_dict()).learning_rate(250)
    0.05
    >>> from_dict(fc.SGD(lambda step: 0.1).to_dict(), lr=0.2)
    SGD(lr=0.2)
    """
    if not isinstance(description, Mapping):
        raise TypeError(f"the description of an optimizer must be a mapping, got {type(description).__name__}")
    options = dict(description)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in BY_NAME:
        raise ValueError(f"the description's name must be one of {sorted(BY_NAME)}, got {name!r}")
    if lr is not None:
        options["lr"] = lr
    elif "lr" not in options:
        raise ValueError(f"the description of {name} has no lr, which was a function: give lr")
    _check_names(BY_NAME[name], options, name)
    if isinstance(options["lr"], Mapping):
        _check_names(Schedule, options["lr"], f"{name}'s lr")
        options["lr"] = Schedule(**options["lr"])
    return cast("Optimizer", BY_NAME[name](**options))
