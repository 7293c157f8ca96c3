"""Where the command writes, results to stdout and all else to stderr, and how it lays out figures."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

__all__ = ["duration", "figures_table", "pairs_table", "print_answer", "print_json", "say", "stderr", "stdout"]


def stdout() -> Console:
    """Return the console of results."""
    return Console(highlight=False)


def stderr() -> Console:
    """Return the console of everything else."""
    return Console(stderr=True)


def say(console: Console, text: str, **style: Any) -> None:
    """Print a line as it is: no markup, no guessed colours, no line break where the terminal is narrow.

    Parameters
    ----------
    console : rich.console.Console
        Where to.
    text : str
        The line.
    **style
        For ``Console.print``.
    """
    console.print(text, highlight=False, soft_wrap=True, markup=False, **style)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line of stdout; numbers that are not finite become null.

    Parameters
    ----------
    value : dict, list, str, number or None
        Of such values in turn.
    """
    print(json.dumps(_finite(value), ensure_ascii=False), flush=True)


def print_answer(
    answer: dict[str, Any], print_tables: Callable[[dict[str, Any], Console], None], as_json: bool
) -> None:
    """Print what a command found, as tables or as JSON.

    Parameters
    ----------
    answer : dict
        What was found.
    print_tables : callable
        Prints it for people.
    as_json : bool
        Whether to print one JSON object instead.
    """
    if as_json:
        print_json(answer)
    else:
        print_tables(answer, stdout())


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def duration(seconds: float) -> str:
    """Return a time span as ``m:ss`` or ``h:mm:ss``.

    Parameters
    ----------
    seconds : float
        At least 0.

    Returns
    -------
    str
        Rounded to seconds.

    Examples
    --------
    >>> duration(61.7), duration(7322)
    ('1:02', '2:02:02')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def figures_table(*columns: str) -> Table:
    """Return an empty table whose first column holds names and whose others hold figures.

    Parameters
    ----------
    *columns : str
        Their headings.

    Returns
    -------
    rich.table.Table
        Without rows.
    """
    table = Table(box=SIMPLE_HEAD, header_style="bold")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    return table


def pairs_table() -> Table:
    """Return an empty table of two columns without headings: names and values.

    Returns
    -------
    rich.table.Table
        Without rows.
    """
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    return table
