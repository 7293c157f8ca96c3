"""The command's entry: its subcommands, and one line on stderr for everything that goes wrong."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import fastcands as fc
from fastcands.cli.errors import INTERRUPTED, OK, REFUSED, Refusal
from fastcands.cli.train_command import train

__all__ = ["app", "run"]

app = typer.Typer(
    name="fastcands",
    help="Train models with a huge output vocabulary on CPUs.",
    epilog="Exit codes: 0 done, 2 bad input (a line on stderr says what), 130 stopped by Ctrl-C.",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(train)

# click's ClickException, which newer versions of Typer carry under a name of their own
_UsageProblem: type[Exception] = typer.BadParameter.__mro__[2]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fastcands {fc.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


def run(arguments: list[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, optional
        What follows the command's name; by default the process's own arguments.

    Returns
    -------
    int
        The exit code: 0 done, 2 bad input, 130 interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(arguments or ["--help"], standalone_mode=False)
    except _UsageProblem as problem:
        return _complain(problem.format_message())  # type: ignore[attr-defined]
    except Refusal as refusal:
        return _complain(str(refusal))
    except (KeyboardInterrupt, typer.Abort):
        _complain("stopped at once; what had been saved before is as it was")
        return INTERRUPTED
    return code if isinstance(code, int) else OK


def _complain(message: str) -> int:
    print("fastcands: " + " ".join(message.split()), file=sys.stderr)
    return REFUSED
