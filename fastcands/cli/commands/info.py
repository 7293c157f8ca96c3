"""``fastcands info`` and ``fastcands warmup``: what the library runs on, and getting it ready to run."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.text import Text

import fastcands as fc
from fastcands.cli.console import pairs_table, print_json, say, stderr, stdout
from fastcands.cli.errors import OK
from fastcands.cli.options import AsJson
from fastcands.models import compile_model_kernels

__all__ = ["info", "warmup"]


def info(as_json: AsJson = False) -> int:
    """Show what the kernels run on: processor, threads, versions, the cache of compiled kernels.

    Worth adding to a report of a problem.

    Example: `fastcands info --json`
    """
    settings: dict[str, Any] = fc.show_config(mode="dicts") or {}
    if as_json:
        print_json(settings)
        return OK
    console = stdout()
    for title, values in settings.items():
        console.print(Text(str(title), style="bold"))
        table = pairs_table()
        table.columns[0].style = ""
        for name, value in (values if isinstance(values, dict) else {"": values}).items():
            table.add_row("size" if name == "bytes" else str(name), Text(_shown(str(name), value)))
        console.print(table)
    return OK


def _shown(name: str, value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ("\n" if any("/" in str(item) for item in value) else " ").join(map(str, value))
    if name == "bytes":
        return f"{value / 2**20:,.1f} MiB"
    return "not known" if value is None else str(value)


def warmup(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="No line for each part.")] = False,
    as_json: AsJson = False,
) -> int:
    """Compile all kernels once, so that no first call has to wait: those compiled before are only loaded.

    Ctrl-C keeps what has been compiled by then.

    Example: `fastcands warmup`
    """
    console = stderr()
    seconds: list[tuple[str, float]] = []
    started = time.perf_counter()
    with console.status("compiling kernels"):

        def report(name: str, taken: float) -> None:
            seconds.append((name, taken))
            if not quiet:
                say(console, f"{taken:8.2f} s  {name}")

        fc.warmup(report=report)
        compile_model_kernels(report)
    total = time.perf_counter() - started
    if as_json:
        print_json({"parts": [{"name": name, "seconds": taken} for name, taken in seconds], "seconds": total})
    else:
        say(stdout(), f"all kernels ready in {total:.1f} s")
    return OK
