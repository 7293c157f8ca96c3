"""``fastcands train``: its options, and the run they describe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from fastcands.cli.commands.training_options import (
    Body,
    Context,
    Dropout,
    EmbeddingDim,
    Files,
    HiddenDim,
    Optimizer,
    Precision,
    Seed,
    TableDtype,
    Tie,
    Tokenizer,
    VocabSize,
    body_and_context,
    tokenizer_name,
)
from fastcands.cli.errors import Refusal
from fastcands.cli.multilabel.task import MultilabelTask
from fastcands.cli.options import AsJson, Threads, absolute, check_threads, named, option
from fastcands.cli.run.files import check_writable
from fastcands.cli.run.registry import LOSSES, OPTIMIZERS, SAMPLERS, check_name
from fastcands.cli.run.resume import task_of
from fastcands.cli.run.session import train_and_report
from fastcands.cli.run.task import Task
from fastcands.cli.text.task import TextTask

__all__ = ["train"]

DEFAULT_SECONDS = 150.0
DEFAULT_OUT = Path("fastcands-model")
# what may be given beside --resume: where the run ends, and how fast it gets there
_FREE_ON_RESUME = {"resume", "epochs", "max_seconds", "threads", "as_json"}
_OF_SAMPLED_LOSSES = ("loss", "sampler", "distortion", "num_sampled", "num_resampled")
# fields of a configuration that have other names than their options
_PARAMETERS = {"tied": "tie"}
_TASKS: dict[str, type[Task[Any]]] = {"text": TextTask, "multilabel": MultilabelTask}


def train(
    given: typer.Context,
    files: Files = None,
    task: Annotated[
        str, named("What is learned: the next word, or the labels of points with sparse features", _TASKS, "Run")
    ] = "text",
    valid: Annotated[
        list[str] | None,
        option("Validation text; may be repeated. By default the end of the training text.", "FILE", "Text"),
    ] = None,
    test: Annotated[
        list[str] | None,
        option("Test text; may be repeated. By default the end of the training text.", "FILE", "Text"),
    ] = None,
    tokenizer: Tokenizer = None,
    vocab_size: VocabSize = 100_000,
    min_count: Annotated[
        int | None,
        option("Rarer words are unknown words (half of those seen once, where none else is unknown).", "N", "Text"),
    ] = None,
    body: Body = None,
    context: Context = None,
    embedding_dim: EmbeddingDim = 128,
    hidden_dim: HiddenDim = 256,
    tie: Tie = True,
    table_dtype: TableDtype = "float32",
    loss: Annotated[str, named("Training loss", LOSSES, "Training")] = "sampled_softmax",
    sampler: Annotated[
        str, named("Where a sampled loss takes its candidates from", SAMPLERS, "Training")
    ] = "log_uniform",
    distortion: Annotated[
        float | None, option("Power of the counts that fixed_unigram draws by (1).", "X", "Training")
    ] = None,
    num_sampled: Annotated[
        int | None,
        option("Candidates of a step, shared by its batch (1024; half of a small vocabulary).", "N", "Training"),
    ] = None,
    num_resampled: Annotated[
        int | None, option("Candidates of those that rank_sampled_softmax keeps (half).", "N", "Training")
    ] = None,
    batch_size: Annotated[
        int | None,
        option("Most words predicted in a step, or points (by the size of the data).", "N", "Training"),
    ] = None,
    epochs: Annotated[
        float | None,
        option(
            "Passes through the text, 0.5 for half a one (by its size). Such a run can be repeated to the last bit.",
            "X",
            "Training",
        ),
    ] = None,
    max_seconds: Annotated[
        float | None,
        option(
            f"Most seconds of training, without evaluations ({DEFAULT_SECONDS:.0f}, unless --epochs is given).",
            "X",
            "Training",
        ),
    ] = None,
    optimizer: Optimizer = "lazy_adam",
    learning_rate: Annotated[
        float | None,
        option(
            "Of the first steps, falling linearly to zero ("
            + ", ".join(f"{name}: {choice.learning_rate:g}" for name, choice in OPTIMIZERS.items())
            + "; feed_forward by lazy_adam: 0.005; logistic losses: 0.3 to 1.2 times it).",
            "X",
            "Training",
        ),
    ] = None,
    dropout: Dropout = None,
    mix: Annotated[
        bool,
        typer.Option(
            "--mix/--no-mix",
            help="Mix the model with a Kneser-Ney model at the end, and save both.",
            rich_help_panel="Training",
        ),
    ] = True,
    precision: Precision = "highest",
    seed: Seed = 0,
    propensity_a: Annotated[
        float, option("A of the propensities in PSP@k: 0.5 for Wikipedia, 0.6 for Amazon.", "X", "Multilabel")
    ] = 0.55,
    propensity_b: Annotated[
        float, option("B of the same: 0.4 for Wikipedia, 2.6 for Amazon.", "X", "Multilabel")
    ] = 1.5,
    threads: Threads = None,
    out: Annotated[
        Path, option("Folder for the results; those of an earlier run are replaced.", "DIR", "Run")
    ] = DEFAULT_OUT,
    resume: Annotated[
        Path | None,
        option(
            "Go on with the run saved in DIR; takes --epochs, --max-seconds, --threads and --json only.",
            "DIR",
            "Run",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Train a language model, and compare it with counting models.

    Epochs, batch, dropout and learning rate follow from the size of the text and the time, unless they are given; the
    plan is printed. The model that was best on validation text is the one that is kept. Ends with exact perplexities
    on validation and test text, by softmax over all words whichever loss was trained. Ctrl-C saves the model;
    `--resume DIR` goes on.

    With `--task multilabel`, FILES is one file in the format of the Extreme Classification Repository, and `--valid`
    and `--test` are others: a linear model ranks the labels of each point, and the run ends with precision@k. There,
    the default loss is logistic for few labels and points, else sampled_softmax with candidates from fixed_unigram, and
    the optimizer is adagrad.

    Example: `fastcands train books/ --epochs 2 --out books-model`
    """
    check_threads(threads)
    saved = None
    if resume is not None:
        _check_free(given)
        kind = _TASKS.get(task_of(resume), TextTask)
        saved, out = kind.saved_class(resume), resume
        config = saved.config
        if epochs is not None or max_seconds is not None:
            config = dataclasses.replace(config, epochs=epochs, max_seconds=max_seconds)
    else:
        kind = _TASKS[check_name("--task", task, _TASKS)]
        shared: dict[str, Any] = {
            "files": absolute(files),
            "valid": absolute(valid),
            "test": absolute(test),
            "embedding_dim": embedding_dim,
            "loss": loss,
            "sampler": sampler,
            "distortion": distortion,
            "num_sampled": num_sampled,
            "num_resampled": num_resampled,
            "batch_size": batch_size,
            "epochs": epochs,
            "max_seconds": DEFAULT_SECONDS if epochs is None and max_seconds is None else max_seconds,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "seed": seed,
            "precision": precision,
            "table_dtype": table_dtype,
        }
        check_name("--optimizer", optimizer, OPTIMIZERS)
        body, context = body_and_context(body, context)
        own: dict[str, dict[str, Any]] = {
            "text": {
                "tokenizer": tokenizer_name(tokenizer, files),
                "vocab_size": vocab_size,
                "min_count": min_count,
                "body": body,
                "context": context,
                "hidden_dim": hidden_dim,
                "tied": tie,
                "dropout": dropout,
                "mix": mix,
            },
            "multilabel": {
                "propensity_a": propensity_a,
                "propensity_b": propensity_b,
                "choose_loss": not any(_is_given(given, name) for name in _OF_SAMPLED_LOSSES),
            },
        }
        shared |= {name: value for name, value in kind.config_class.defaults.items() if not _is_given(given, name)}
        config = kind.config_class(**shared, **own.pop(task))
        _check_not_given(given, task, own)
    config.check()
    check_writable(out)
    return train_and_report(kind(config), out, threads, saved, as_json)


def _is_given(given: typer.Context, name: str) -> bool:
    source = given.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _check_not_given(given: typer.Context, task: str, of_others: dict[str, dict[str, Any]]) -> None:
    for other, fields in of_others.items():
        for name in fields:
            if _is_given(given, _PARAMETERS.get(name, name)):
                raise Refusal(f"{_spelled(_PARAMETERS.get(name, name))} is for --task {other}, got --task {task}")


def _check_free(given: typer.Context) -> None:
    for name in given.params:
        if _is_given(given, name) and name not in _FREE_ON_RESUME:
            raise Refusal(
                f"--resume takes everything from the saved run: {_spelled(name)} cannot be given with it "
                "(only --epochs, --max-seconds, --threads, --json)"
            )


def _spelled(name: str) -> str:
    return "FILES" if name == "files" else "--" + name.replace("_", "-")
