"""``fastcands info`` and ``fastcands warmup``: what the library runs on, and getting it ready to run."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

import fastcands as fc
from fastcands.cli.console import pairs_table, print_answer, say, stderr
from fastcands.cli.options import AsJson
from fastcands.models import compile_model_kernels

__all__ = ["info", "warmup"]


def info(as_json: AsJson = False) -> None:
    """Show what the kernels run on: processor, threads, versions, the cache of compiled kernels.

    Worth adding to a report of a problem.

    Example: `fastcands info --json`
    """
    print_answer(fc.show_config(mode="dicts") or {}, _print_settings, as_json)


def _print_settings(settings: dict[str, Any], console: Console) -> None:
    for title, values in settings.items():
        console.print(Text(str(title), style="bold"))
        table = pairs_table()
        table.columns[0].style = ""
        for name, value in (values if isinstance(values, dict) else {"": values}).items():
            table.add_row("size" if name == "bytes" else str(name), Text(_shown(str(name), value)))
        console.print(table)


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
) -> None:
    """Compile all kernels once, so that no first call has to wait; what was compiled before is only loaded.

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
    parts = [{"name": name, "seconds": taken} for name, taken in seconds]
    print_answer(
        {"parts": parts, "seconds": total},
        lambda answer, out: say(out, f"all kernels ready in {answer['seconds']:.1f} s"),
        as_json,
    )
