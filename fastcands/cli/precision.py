"""What a precision that was asked for comes to on this machine, and how reports tell it."""

from __future__ import annotations

from typing import Any

import fastcands as fc
from fastcands.cli.run_config import RunConfig

__all__ = ["precision_metrics", "precision_note", "precision_text"]


def _computed(precision: str) -> tuple[str, str]:
    """Return the tier that float32 losses are computed in, and what there is to say about bfloat16 products."""
    with fc.matmul_precision(precision):
        config = fc.show_config(mode="dicts")
    assert config is not None  # with this mode
    section = config["matmul precision"]
    return section["computed as"], section["instruction set"]


def precision_note(config: RunConfig) -> str | None:
    """Return a line for the start of a run whose precision cannot be had here, else None.

    Parameters
    ----------
    config : RunConfig
        Of the run.

    Returns
    -------
    str or None
        With the reason.
    """
    computed, reason = _computed(config.precision)
    if computed == config.precision:
        return None
    return f"--precision {config.precision} computes as {computed} here: {reason}"


def precision_metrics(config: RunConfig) -> dict[str, str]:
    """Return what ``metrics.json`` says of precision.

    Parameters
    ----------
    config : RunConfig
        Of the run.

    Returns
    -------
    dict
        ``precision`` as asked for, ``computed_precision``, ``table_dtype``.
    """
    return {
        "precision": config.precision,
        "computed_precision": _computed(config.precision)[0],
        "table_dtype": config.table_dtype,
    }


def precision_text(metrics: dict[str, Any]) -> str | None:
    """Return a summary's entry, None where all is as by default.

    Parameters
    ----------
    metrics : dict
        With those of `precision_metrics`.

    Returns
    -------
    str or None
        In words.

    Examples
    --------
    >>> precision_text({"precision": "medium", "computed_precision": "highest", "table_dtype": "bfloat16"})
    'medium (computed as highest), table of bfloat16'
    """
    asked, computed, dtype = (metrics[name] for name in ("precision", "computed_precision", "table_dtype"))
    if (asked, dtype) == ("highest", "float32"):
        return None
    return f"{asked}{'' if asked == computed else f' (computed as {computed})'}, table of {dtype}"
