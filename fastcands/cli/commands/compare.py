"""``fastcands compare``: its options, and the comparison they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
from fastcands.cli.compare.contenders import DEFAULT_CONTENDERS, parse_contender
from fastcands.cli.compare.session import compare_and_report
from fastcands.cli.errors import Refusal
from fastcands.cli.options import AsJson, Threads, absolute, check_threads, option
from fastcands.cli.run.files import check_writable
from fastcands.cli.run.registry import LOSSES
from fastcands.cli.text.bodies import DEFAULT_CONTEXT
from fastcands.cli.text.config import TextConfig

__all__ = ["compare"]

DEFAULT_OUT = Path("fastcands-compare")
DEFAULT_SECONDS, DEFAULT_EPOCHS = 60.0, 1.0


def compare(
    files: Files = None,
    valid: Annotated[
        list[str] | None,
        option("Held-out text; may be repeated. By default the end of the training text.", "FILE", "Text"),
    ] = None,
    tokenizer: Tokenizer = None,
    vocab_size: VocabSize = 100_000,
    runs: Annotated[
        list[str] | None,
        option(
            "What to compare: [BODY/]LOSS[:SAMPLER[:CANDIDATES]][@RATE], RATE for --learning-rate; may be repeated. "
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
    body: Body = None,
    context: Context = None,
    embedding_dim: EmbeddingDim = 128,
    hidden_dim: HiddenDim = 256,
    tie: Tie = True,
    table_dtype: TableDtype = "float32",
    batch_size: Annotated[
        int | None, option("Most words predicted in a step (by the size of the text).", "N", "Training")
    ] = None,
    optimizer: Optimizer = "lazy_adam",
    learning_rate: Annotated[
        float | None, option("Of the first step (as for fastcands train).", "X", "Training")
    ] = None,
    dropout: Dropout = None,
    precision: Precision = "highest",
    seed: Seed = 0,
    threads: Threads = None,
    out: Annotated[
        Path, option("Folder for the results; those of an earlier comparison are replaced.", "DIR", "Run")
    ] = DEFAULT_OUT,
    as_json: AsJson = False,
) -> int:
    """Train a model with several bodies, losses, samplers and numbers of candidates, and see which gets furthest.

    Every run has the same time, then, on a smaller vocabulary, the same text. Ends with exact perplexities on held-out
    text, and a picture of them against seconds and epochs.

    Example: `fastcands compare books/ --run softmax --run nce --seconds 30`
    """
    check_threads(threads)
    body, context = body_and_context(body, context)
    config = TextConfig(
        files=absolute(files),
        valid=absolute(valid),
        test=(),
        tokenizer=tokenizer_name(tokenizer, files),
        vocab_size=vocab_size,
        min_count=None,
        context=context,
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
        learning_rate=learning_rate,
        body=body,
        tied=tie,
        dropout=dropout,
        seed=seed,
        precision=precision,
        table_dtype=table_dtype,
    )
    for name, value, minimum in (
        ("vocab-size", epochs_vocab_size, 3),
        ("tokens", epochs_tokens, (context or DEFAULT_CONTEXT) + 1),
    ):
        if value < minimum:
            raise Refusal(f"--epochs-{name} must be at least {minimum}, got {value}")
    contenders = [parse_contender(text, learning_rate) for text in dict.fromkeys(runs or DEFAULT_CONTENDERS)]
    for contender in contenders:
        contender.configure(config).check()
    check_writable(out)
    both = seconds is None and epochs is None
    return compare_and_report(
        config,
        contenders,
        out,
        seconds=DEFAULT_SECONDS if both else seconds,
        epochs=DEFAULT_EPOCHS if both else epochs,
        epochs_vocab_size=epochs_vocab_size,
        epochs_tokens=epochs_tokens,
        threads=threads,
        as_json=as_json,
    )
