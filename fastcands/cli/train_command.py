"""``fastcands train``: its options, and the run they ask for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import Refusal
from fastcands.cli.files import check_writable
from fastcands.cli.registry import LOSSES, OPTIMIZERS, SAMPLERS
from fastcands.cli.run_folder import SavedRun
from fastcands.cli.session import train_and_report
from fastcands.data import TOKENIZERS

__all__ = ["train"]

DEFAULT_SECONDS = 150.0
DEFAULT_OUT = Path("fastcands-model")
_MOST_THREADS = 1024
# what may be given beside --resume: where the run ends, and how fast it gets there
_FREE_ON_RESUME = {"resume", "epochs", "max_seconds", "threads"}


def _named(help_text: str, known: Iterable[str], panel: str) -> Any:
    names = list(known)

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return typer.Option(
        help=f"{help_text}: {', '.join(names)}.",
        metavar="NAME",
        autocompletion=complete,
        rich_help_panel=panel,
    )


def _option(help_text: str, metavar: str, panel: str, **more: Any) -> Any:
    return typer.Option(help=help_text, metavar=metavar, rich_help_panel=panel, **more)


def train(
    context: typer.Context,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILES]...",
            help="Training text: files, also .gz, and folders. By default the source of Python's library.",
            show_default=False,
        ),
    ] = None,
    valid: Annotated[
        list[str] | None,
        _option("Validation text; may be repeated. By default the end of the training text.", "FILE", "Text"),
    ] = None,
    test: Annotated[
        list[str] | None,
        _option("Test text; may be repeated. By default the end of the training text.", "FILE", "Text"),
    ] = None,
    tokenizer: Annotated[
        str | None, _named("How text is split (words; python without FILES)", TOKENIZERS, "Text")
    ] = None,
    vocab_size: Annotated[int, _option("Most words of the vocabulary.", "N", "Text")] = 100_000,
    min_count: Annotated[int, _option("Rarer words are unknown words.", "N", "Text")] = 1,
    context_size: Annotated[
        int, typer.Option("--context", help="Words a prediction sees.", metavar="N", rich_help_panel="Model")
    ] = 5,
    embedding_dim: Annotated[int, _option("Length of a word's vector, in and out.", "N", "Model")] = 128,
    hidden_dim: Annotated[int, _option("Width of the tanh layer.", "N", "Model")] = 256,
    loss: Annotated[str, _named("Training loss", LOSSES, "Training")] = "sampled_softmax",
    sampler: Annotated[
        str, _named("Where a sampled loss takes its candidates from", SAMPLERS, "Training")
    ] = "log_uniform",
    num_sampled: Annotated[
        int | None,
        _option("Candidates of a step, shared by its batch (1024; half of a small vocabulary).", "N", "Training"),
    ] = None,
    batch_size: Annotated[int, _option("Words predicted in a step.", "N", "Training")] = 1024,
    epochs: Annotated[
        float | None,
        _option(
            "Passes through the text, 0.5 for half a one. Such a run can be repeated to the last bit.",
            "X",
            "Training",
        ),
    ] = None,
    max_seconds: Annotated[
        float | None,
        _option(
            f"Seconds of training, without evaluations ({DEFAULT_SECONDS:.0f}, unless --epochs is given).",
            "X",
            "Training",
        ),
    ] = None,
    optimizer: Annotated[str, _named("How parameters follow their gradients", OPTIMIZERS, "Training")] = "adagrad",
    learning_rate: Annotated[
        float | None,
        _option(
            "Of the first step, falling linearly to zero ("
            + ", ".join(f"{name}: {choice.learning_rate:g}" for name, choice in OPTIMIZERS.items())
            + ").",
            "X",
            "Training",
        ),
    ] = None,
    seed: Annotated[int, _option("Of parameters, order and candidates.", "N", "Training")] = 0,
    threads: Annotated[
        int | None, _option("Threads to use; the results do not depend on it (all processors).", "N", "Run")
    ] = None,
    out: Annotated[
        Path, _option("Folder for the results; those of an earlier run are replaced.", "DIR", "Run")
    ] = DEFAULT_OUT,
    resume: Annotated[
        Path | None,
        _option(
            "Go on with the run saved in DIR; takes --epochs, --max-seconds and --threads only.",
            "DIR",
            "Run",
        ),
    ] = None,
) -> int:
    """Train a feed-forward n-gram language model, and compare it with counting models.

    Ends with exact perplexities on validation and test text. Ctrl-C saves the model; `--resume DIR` goes on.

    Example: `fastcands train books/ --vocab-size 50000 --epochs 2 --out books-model`
    """
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise Refusal(f"--threads must be between 1 and {_MOST_THREADS}, got {threads}")
    saved = None
    if resume is not None:
        _check_free(context)
        saved, out = SavedRun(resume), resume
        config = saved.config
        if epochs is not None or max_seconds is not None:
            config = dataclasses.replace(config, epochs=epochs, max_seconds=max_seconds)
    else:
        given = OPTIMIZERS.get(optimizer)
        config = TrainConfig(
            files=_absolute(files),
            valid=_absolute(valid),
            test=_absolute(test),
            tokenizer=tokenizer if tokenizer is not None else ("words" if files else "python"),
            vocab_size=vocab_size,
            min_count=min_count,
            context=context_size,
            embedding_dim=embedding_dim,
            hidden_dim=hidden_dim,
            loss=loss,
            sampler=sampler,
            num_sampled=num_sampled,
            batch_size=batch_size,
            epochs=epochs,
            max_seconds=DEFAULT_SECONDS if epochs is None and max_seconds is None else max_seconds,
            optimizer=optimizer,
            learning_rate=learning_rate if learning_rate is not None else (given.learning_rate if given else 1.0),
            seed=seed,
        )
    config.check()
    check_writable(out)
    return train_and_report(config, out, threads, saved, Console(), Console(stderr=True))


def _absolute(paths: list[str] | None) -> tuple[str, ...]:
    return tuple(str(Path(path).absolute()) for path in paths or ())


def _check_free(context: typer.Context) -> None:
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name not in _FREE_ON_RESUME:
            raise Refusal(
                f"--resume takes everything from the saved run: {_spelled(name)} cannot be given with it "
                "(only --epochs, --max-seconds, --threads)"
            )


def _spelled(name: str) -> str:
    return {"files": "FILES", "context_size": "--context"}.get(name, "--" + name.replace("_", "-"))
