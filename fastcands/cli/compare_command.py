"""``fastcands compare``: its options, and the comparison they ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fastcands.cli.comparison import Heat, Record, Result, heats, run_heat
from fastcands.cli.comparison_plot import draw_comparison
from fastcands.cli.comparison_report import print_results, summary
from fastcands.cli.config import TrainConfig
from fastcands.cli.console import print_json, say, stderr, stdout
from fastcands.cli.contenders import DEFAULT_CONTENDERS, Contender, parse_contender
from fastcands.cli.errors import INTERRUPTED, OK, Interrupted, Refusal
from fastcands.cli.files import check_writable, write_text
from fastcands.cli.interrupts import Interrupts
from fastcands.cli.options import AsJson, Files, Threads, absolute, check_threads, named, option
from fastcands.cli.precision import precision_note
from fastcands.cli.registry import LOSSES, OPTIMIZERS, PRECISIONS, TABLE_DTYPES
from fastcands.cli.session import settings
from fastcands.cli.text import describe, read_corpus
from fastcands.data import TOKENIZERS

__all__ = ["compare"]

DEFAULT_OUT = Path("fastcands-compare")
DEFAULT_SECONDS, DEFAULT_EPOCHS = 60.0, 1.0


def compare(
    files: Files = None,
    valid: Annotated[
        list[str] | None,
        option("Held-out text; may be repeated. By default the end of the training text.", "FILE", "Text"),
    ] = None,
    tokenizer: Annotated[
        str | None, named("How text is split (words; python without FILES)", TOKENIZERS, "Text")
    ] = None,
    vocab_size: Annotated[int, option("Most words of the vocabulary.", "N", "Text")] = 100_000,
    runs: Annotated[
        list[str] | None,
        option(
            "What to compare: LOSS[:SAMPLER[:CANDIDATES]][@RATE], with RATE for --learning-rate; may be repeated. "
            f"By default {', '.join(DEFAULT_CONTENDERS)}.",
            "RUN",
            "Comparison",
            "--run",
            autocompletion=lambda incomplete: [name for name in LOSSES if name.startswith(incomplete)],
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        option(
            f"Equal seconds of training for each ({DEFAULT_SECONDS:g}, unless --epochs is given).", "X", "Comparison"
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        option(
            f"Equal passes through the text for each ({DEFAULT_EPOCHS:g}, unless --seconds is given).",
            "X",
            "Comparison",
        ),
    ] = None,
    epochs_vocab_size: Annotated[
        int, option("Most words where the epochs are equal: exact losses take long.", "N", "Comparison")
    ] = 10_000,
    epochs_tokens: Annotated[
        int, option("Most tokens of training text there, of documents picked at random.", "N", "Comparison")
    ] = 1_000_000,
    context_size: Annotated[
        int, typer.Option("--context", help="Words a prediction sees.", metavar="N", rich_help_panel="Model")
    ] = 5,
    embedding_dim: Annotated[int, option("Length of a word's vector, in and out.", "N", "Model")] = 128,
    hidden_dim: Annotated[int, option("Width of the tanh layer.", "N", "Model")] = 256,
    table_dtype: Annotated[
        str, named("What the class vectors are stored in; bfloat16 takes half the memory", TABLE_DTYPES, "Model")
    ] = "float32",
    batch_size: Annotated[int, option("Words predicted in a step.", "N", "Training")] = 1024,
    optimizer: Annotated[str, named("How parameters follow their gradients", OPTIMIZERS, "Training")] = "adagrad",
    learning_rate: Annotated[
        float | None, option("Of the first step (as for fastcands train).", "X", "Training")
    ] = None,
    precision: Annotated[
        str, named("How precisely the loss multiplies; high and medium use AMX", PRECISIONS, "Training")
    ] = "highest",
    seed: Annotated[int, option("Of parameters, order and candidates.", "N", "Training")] = 0,
    threads: Threads = None,
    out: Annotated[
        Path, option("Folder for the results; those of an earlier comparison are replaced.", "DIR", "Run")
    ] = DEFAULT_OUT,
    as_json: AsJson = False,
) -> int:
    """Train the same model with several losses, samplers and numbers of candidates, and see which gets furthest.

    Every run has the same time, then, on a smaller vocabulary, the same text. Ends with exact perplexities on held-out
    text, and a picture of them against seconds and epochs.

    Example: `fastcands compare books/ --run softmax --run nce --seconds 30`
    """
    check_threads(threads)
    config = TrainConfig(
        files=absolute(files),
        valid=absolute(valid),
        test=(),
        tokenizer=tokenizer if tokenizer is not None else ("words" if files else "python"),
        vocab_size=vocab_size,
        min_count=1,
        context=context_size,
        embedding_dim=embedding_dim,
        hidden_dim=hidden_dim,
        loss="softmax",
        sampler="log_uniform",
        distortion=None,
        num_sampled=None,
        num_resampled=None,
        batch_size=batch_size,
        epochs=epochs,
        max_seconds=seconds,
        optimizer=optimizer,
        learning_rate=1.0 if learning_rate is None else learning_rate,
        seed=seed,
        precision=precision,
        table_dtype=table_dtype,
    )
    for name, value, minimum in (("vocab-size", epochs_vocab_size, 3), ("tokens", epochs_tokens, context_size + 1)):
        if value < minimum:
            raise Refusal(f"--epochs-{name} must be at least {minimum}, got {value}")
    contenders = [parse_contender(text, learning_rate) for text in dict.fromkeys(runs or DEFAULT_CONTENDERS)]
    for contender in contenders:
        contender.configure(config).check()
    check_writable(out)
    both = seconds is None and epochs is None
    return _compare(
        config,
        contenders,
        (DEFAULT_SECONDS if both else seconds, DEFAULT_EPOCHS if both else epochs),
        (epochs_vocab_size, epochs_tokens),
        out,
        threads,
        as_json,
    )


def _compare(
    config: TrainConfig,
    contenders: list[Contender],
    lengths: tuple[float | None, float | None],
    part: tuple[int, int],
    out: Path,
    threads: int | None,
    as_json: bool,
) -> int:
    console = stderr()
    note = precision_note(config)
    if note is not None:
        say(console, note, style="dim")
    with settings(threads):
        say(console, "reading the text", style="dim")
        corpus = read_corpus(config)
        say(console, describe(corpus), style="dim")
        seconds, epochs = lengths
        conditions = list(
            heats(config, corpus, seconds=seconds, epochs=epochs, epochs_vocab_size=part[0], epochs_tokens=part[1])
        )
        results = _run(conditions, contenders, out, console)
    if results is None:
        return INTERRUPTED
    figures = summary(conditions, contenders, results)
    write_text(out / "compare.json", json.dumps(figures, indent=2) + "\n")
    draw_comparison(out / "compare.png", conditions, results)
    if as_json:
        print_json(figures)
    else:
        print_results(figures, stdout())
        say(stdout(), f"saved in {out}: compare.jsonl compare.json compare.png")
    return OK


def _run(conditions: list[Heat], contenders: list[Contender], out: Path, console: Console) -> list[Result] | None:
    """Run all heats; None when they were interrupted."""
    record = Record(out / "compare.jsonl")
    results: list[Result] = []
    try:
        with Interrupts() as interrupts:
            for heat in conditions:
                results += run_heat(heat, contenders, record, interrupts.check, console)
    except Interrupted:
        done = f"{len(results)} of {len(conditions) * len(contenders)} runs done"
        say(console, f"stopped; {done}, their figures are in {out / 'compare.jsonl'}")
        return None
    finally:
        record.close()
    return results
