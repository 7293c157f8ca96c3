"""Saved arrays on their way back into a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from fastcands.validation.arrays import as_array

__all__ = ["check_arrays", "check_offsets", "copy_state", "guarded", "layers_of", "table_of"]


def check_arrays(state: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a saved state that lacks an array.

    Parameters
    ----------
    state : mapping of str to array
        What was saved.
    names : iterable of str
        What it must have.

    Raises
    ------
    ValueError
        If it does not; names the first that is missing.
    """
    for name in names:
        if name not in state:
            raise ValueError(f"the state lacks the array {name!r}")


def copy_state(state: Mapping[str, NDArray[Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Copy saved arrays into a model's own, all or none.

    Parameters
    ----------
    state : mapping of str to array
        What was saved; other names are ignored.
    arrays : mapping of str to array
        The model's own, changed in place.

    Raises
    ------
    ValueError
        If an array is missing or has another shape or dtype, or if what was saved is of another optimizer. Nothing has
        been changed then.

    Examples
    --------
    >>> import numpy as np
    >>> own = {"x": np.zeros(2)}
    >>> copy_state({"x": np.ones(2), "y": np.ones(3)}, own)
    >>> own["x"].tolist()
    [1.0, 1.0]
    """
    check_arrays(state, arrays)
    parameters = {name.partition(".")[0] for name in arrays}
    for name in state:
        owner, _, key = name.partition(".")
        if key and owner in parameters and name not in arrays:
            raise ValueError(f"the state has {name!r}, which the optimizer of this model does not have")
    for name, array in arrays.items():
        came = as_array(state[name], name)
        if came.shape != array.shape or came.dtype != array.dtype:
            expected = f"{array.dtype} of shape {array.shape}"
            raise ValueError(f"{name} must be {expected}, got {came.dtype} of shape {came.shape}")
    for name, array in arrays.items():
        array[...] = as_array(state[name], name)


def check_offsets(state: Mapping[str, Any], num_classes: int) -> NDArray[Any] | None:
    """Return the saved offsets of the logits, None if there are none.

    Parameters
    ----------
    state : mapping of str to array
        What was saved.
    num_classes : int
        V.

    Returns
    -------
    array, shape (V,), or None
        As saved.

    Raises
    ------
    ValueError
        If they have another shape.
    """
    if state.get("logit_offsets") is None:
        return None
    offsets = as_array(state["logit_offsets"], "logit_offsets")
    if offsets.shape != (num_classes,):
        raise ValueError(f"logit_offsets must have shape ({num_classes},), got {offsets.shape}")
    return offsets


def guarded(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return a model's arrays for its callers, those of optimizers read-only: steps rely on what is in them.

    Parameters
    ----------
    arrays : mapping of str to array
        By name; those of optimizers have a dot in it.

    Returns
    -------
    dict of str to array
        The same memory.
    """
    given = dict(arrays)
    for name in given:
        if "." in name:
            given[name] = given[name].view()
            given[name].flags.writeable = False
    return given


def layers_of(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return a saved state with the array ``embedding``: that of the class table in a tied model.

    Parameters
    ----------
    state : mapping of str to array
        What ``state_dict`` of a language model returned.

    Returns
    -------
    dict of str to array
        The same arrays.

    Raises
    ------
    ValueError
        If the table's arrays are missing.
    """
    check_arrays(state, ("table_weights", "table_biases"))
    return {**state, "embedding": state["table_weights"]} if "tied" in state else dict(state)


def table_of(state: Mapping[str, NDArray[Any]], layers: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return what a predictor needs of a saved class table, checked against the layers before it.

    Parameters
    ----------
    state : mapping of str to array
        As in `layers_of`.
    layers : FeedForward or QRNN
        The layers.

    Returns
    -------
    weights, biases : array
        Of the table.
    offsets : array or None
        Added to the biases.

    Raises
    ------
    ValueError
        If the weights have another shape.
    """
    shape = (len(layers.parameters["embedding"]), len(layers.parameters["feature_biases"]))
    if state["table_weights"].shape != shape:
        raise ValueError(f"table_weights must have shape {shape}, got {state['table_weights'].shape}")
    return state["table_weights"], state["table_biases"], state.get("logit_offsets")
