"""``fastcands train``: its options, and the run they ask for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import Refusal
from fastcands.cli.files import check_writable
from fastcands.cli.multilabel_config import MULTILABEL_DEFAULTS, MultilabelConfig
from fastcands.cli.multilabel_saved import SavedMultilabel
from fastcands.cli.multilabel_task import MultilabelTask
from fastcands.cli.options import AsJson, Files, Threads, absolute, check_threads, named, option
from fastcands.cli.registry import LOSSES, OPTIMIZERS, PRECISIONS, SAMPLERS, TABLE_DTYPES, check_name, default_rate
from fastcands.cli.run_folder import SavedRun
from fastcands.cli.saved import task_of
from fastcands.cli.session import train_and_report
from fastcands.cli.text_task import TextTask
from fastcands.data import TOKENIZERS

__all__ = ["train"]

DEFAULT_SECONDS = 150.0
DEFAULT_OUT = Path("fastcands-model")
# what may be given beside --resume: where the run ends, and how fast it gets there
_FREE_ON_RESUME = {"resume", "epochs", "max_seconds", "threads", "as_json"}
_TASKS = ("text", "multilabel")
# what is of no use for the other task
_TEXT_ONLY = {"tokenizer", "vocab_size", "min_count", "context_size", "hidden_dim"}
_MULTILABEL_ONLY = {"propensity_a", "propensity_b"}


def train(
    context: typer.Context,
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
    tokenizer: Annotated[
        str | None, named("How text is split (words; python without FILES)", TOKENIZERS, "Text")
    ] = None,
    vocab_size: Annotated[int, option("Most words of the vocabulary.", "N", "Text")] = 100_000,
    min_count: Annotated[int, option("Rarer words are unknown words.", "N", "Text")] = 1,
    context_size: Annotated[
        int, typer.Option("--context", help="Words a prediction sees.", metavar="N", rich_help_panel="Model")
    ] = 5,
    embedding_dim: Annotated[int, option("Length of a word's vector, in and out.", "N", "Model")] = 128,
    hidden_dim: Annotated[int, option("Width of the tanh layer.", "N", "Model")] = 256,
    table_dtype: Annotated[
        str, named("What the class vectors are stored in; bfloat16 takes half the memory", TABLE_DTYPES, "Model")
    ] = "float32",
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
        int, option("Words predicted in a step, or points (multilabel: 256).", "N", "Training")
    ] = 1024,
    epochs: Annotated[
        float | None,
        option(
            "Passes through the text, 0.5 for half a one. Such a run can be repeated to the last bit.",
            "X",
            "Training",
        ),
    ] = None,
    max_seconds: Annotated[
        float | None,
        option(
            f"Seconds of training, without evaluations ({DEFAULT_SECONDS:.0f}, unless --epochs is given).",
            "X",
            "Training",
        ),
    ] = None,
    optimizer: Annotated[str, named("How parameters follow their gradients", OPTIMIZERS, "Training")] = "adagrad",
    learning_rate: Annotated[
        float | None,
        option(
            "Of the first step, falling linearly to zero ("
            + ", ".join(f"{name}: {choice.learning_rate:g}" for name, choice in OPTIMIZERS.items())
            + "; logistic losses: a third to a half of it).",
            "X",
            "Training",
        ),
    ] = None,
    precision: Annotated[
        str, named("How precisely the loss multiplies; high and medium use AMX", PRECISIONS, "Training")
    ] = "highest",
    seed: Annotated[int, option("Of parameters, order and candidates.", "N", "Training")] = 0,
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
    """Train a feed-forward n-gram language model, and compare it with counting models.

    Ends with exact perplexities on validation and test text, by softmax over all words whichever loss was trained.
    Ctrl-C saves the model; `--resume DIR` goes on.

    With `--task multilabel`, FILES is one file in the format of the Extreme Classification Repository, and `--valid`
    and `--test` are others: a linear model ranks the labels of each point, and the run ends with precision@k. There,
    candidates are by default from fixed_unigram.

    Example: `fastcands train books/ --epochs 2 --out books-model`
    """
    check_threads(threads)
    saved: SavedRun | SavedMultilabel | None = None
    config: TrainConfig | MultilabelConfig
    if resume is not None:
        _check_free(context)
        saved = SavedMultilabel(resume) if task_of(resume) == "multilabel" else SavedRun(resume)
        config, out = saved.config, resume
        if epochs is not None or max_seconds is not None:
            config = dataclasses.replace(config, epochs=epochs, max_seconds=max_seconds)
    else:
        check_name("--task", task, _TASKS)
        _check_task(context, task)
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
            "learning_rate": learning_rate if learning_rate is not None else default_rate(optimizer, loss),
            "seed": seed,
            "precision": precision,
            "table_dtype": table_dtype,
        }
        if task == "multilabel":
            shared |= {name: value for name, value in MULTILABEL_DEFAULTS.items() if not _is_given(context, name)}
            config = MultilabelConfig(**shared, propensity_a=propensity_a, propensity_b=propensity_b)
        else:
            config = TrainConfig(
                **shared,
                tokenizer=tokenizer if tokenizer is not None else ("words" if files else "python"),
                vocab_size=vocab_size,
                min_count=min_count,
                context=context_size,
                hidden_dim=hidden_dim,
            )
    config.check()
    check_writable(out)
    if isinstance(config, MultilabelConfig):
        return train_and_report(MultilabelTask(config), out, threads, saved, Console(), Console(stderr=True), as_json)
    return train_and_report(TextTask(config), out, threads, saved, Console(), Console(stderr=True), as_json)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _check_task(context: typer.Context, task: str) -> None:
    for name in sorted(_MULTILABEL_ONLY if task == "text" else _TEXT_ONLY):
        if _is_given(context, name):
            raise Refusal(f"{_spelled(name)} is of no use with --task {task}")


def _check_free(context: typer.Context) -> None:
    for name in context.params:
        if _is_given(context, name) and name not in _FREE_ON_RESUME:
            raise Refusal(
                f"--resume takes everything from the saved run: {_spelled(name)} cannot be given with it "
                "(only --epochs, --max-seconds, --threads, --json)"
            )


def _spelled(name: str) -> str:
    return {"files": "FILES", "context_size": "--context"}.get(name, "--" + name.replace("_", "-"))
