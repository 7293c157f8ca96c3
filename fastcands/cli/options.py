"""Options that several commands share, and how their help is laid out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from fastcands.cli.errors import Refusal

__all__ = ["AsJson", "Mix", "ModelFolder", "Threads", "absolute", "check_threads", "named", "option", "refuse_mix"]

_MOST_THREADS = 1024


def option(help_text: str, metavar: str, panel: str, *names: str, **more: Any) -> Any:
    """Return an option that stands in a panel of the help.

    Parameters
    ----------
    help_text : str
        What it does.
    metavar : str
        What its value is called.
    panel : str
        The panel's title.
    *names : str
        How it is written, where that is not the parameter's name.
    **more
        For ``typer.Option``.

    Returns
    -------
    typer option
        For ``Annotated``.
    """
    return typer.Option(*names, help=help_text, metavar=metavar, rich_help_panel=panel, **more)


def named(help_text: str, known: Iterable[str], panel: str) -> Any:
    """Return an option whose values are names, listed in its help and completed by shells.

    Parameters
    ----------
    help_text : str
        What it chooses.
    known : iterable of str
        The names.
    panel : str
        The panel's title.

    Returns
    -------
    typer option
        For ``Annotated``.
    """
    names = list(known)

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return option(f"{help_text}: {', '.join(names)}.", "NAME", panel, autocompletion=complete)


AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object in place of tables.")]
Threads = Annotated[int | None, option("Threads to use; the results do not depend on it (all processors).", "N", "Run")]
ModelFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder that `fastcands train` wrote.", show_default=False)
]
Mix = Annotated[
    bool | None,
    typer.Option("--mix/--no-mix", help="Whether to use the mixture with the Kneser-Ney model.", show_default=False),
]


def refuse_mix(mix: bool | None) -> None:
    """Refuse ``--mix`` for a model that is not of text.

    Parameters
    ----------
    mix : bool or None
        As given on the command line.

    Raises
    ------
    Refusal
        If it was given.
    """
    if mix is not None:
        raise Refusal("--mix is for models of --task text, got one of --task multilabel")


def check_threads(threads: int | None) -> None:
    """Refuse numbers of threads that are out of range.

    Parameters
    ----------
    threads : int or None
        As given on the command line.

    Raises
    ------
    Refusal
        If it is not from 1 to 1024.
    """
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise Refusal(f"--threads must be between 1 and {_MOST_THREADS}, got {threads}")


def absolute(paths: list[str] | None) -> tuple[str, ...]:
    """Return paths that mean the same from any folder.

    Parameters
    ----------
    paths : list of str or None
        As given on the command line.

    Returns
    -------
    tuple of str
        Empty for None.
    """
    return tuple(str(Path(path).absolute()) for path in paths or ())
