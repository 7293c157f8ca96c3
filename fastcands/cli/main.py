"""The command's entry: its subcommands, and one line on stderr for everything that goes wrong."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

import fastcands as fc
from fastcands.cli.commands.compare import compare
from fastcands.cli.commands.evaluate import evaluate
from fastcands.cli.commands.info import info, warmup
from fastcands.cli.commands.neighbors import neighbors
from fastcands.cli.commands.predict import predict
from fastcands.cli.commands.train import train
from fastcands.cli.errors import FAILED, INTERRUPTED, OK, REFUSED, Interrupted, Refusal

__all__ = ["app", "run"]

app = typer.Typer(
    name="fastcands",
    help="Train models with a huge output vocabulary on CPUs.",
    epilog="Exit codes: 0 done, 1 a defect of fastcands, 2 bad input or a file that cannot be read or written "
    "(a line on stderr says what), 130 stopped by Ctrl-C.",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _stoppable(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Turn Ctrl-C into an exception of its own: Typer would catch KeyboardInterrupt."""

    @functools.wraps(command)
    def call(*args: Any, **options: Any) -> int | None:
        try:
            return command(*args, **options)
        except KeyboardInterrupt:
            raise Interrupted from None

    return call


for _command in (train, evaluate, predict, neighbors, compare, info, warmup):
    app.command()(_stoppable(_command))

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
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
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
        The exit code: 0 done, 1 the reader of the output has gone, 2 bad input, 130 interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(arguments or ["--help"], standalone_mode=False)
    except _UsageProblem as problem:
        return _complain(problem.format_message())  # type: ignore[attr-defined]
    except Refusal as refusal:
        return _complain(str(refusal))
    except MemoryError as error:
        return _complain(f"not enough memory ({error})")
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        _complain("stopped at once; what had been saved before is as it was")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end
        return FAILED
    return code if isinstance(code, int) else OK  # most commands return nothing when they are done


def _complain(message: str) -> int:
    print("fastcands: " + " ".join(message.split()), file=sys.stderr)
    return REFUSED
