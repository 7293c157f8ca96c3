"""The text of a run, found, read and encoded."""

from __future__ import annotations

import dataclasses

import numpy as np

from fastcands.cli.errors import Refusal
from fastcands.cli.text.config import TextConfig
from fastcands.data import (
    Corpus,
    EncodedText,
    PreparedCorpus,
    Vocabulary,
    choose_tokenizer,
    find_text_files,
    prepare_corpus,
    standard_library,
)

__all__ = ["describe", "read_corpus", "smaller"]


def read_corpus(config: TextConfig) -> tuple[PreparedCorpus, str | None]:
    """Find, read and encode the text.

    Parameters
    ----------
    config : TextConfig
        Names files, tokenizer and vocabulary.

    Returns
    -------
    corpus : PreparedCorpus
        The three parts as ids.
    reason : str or None
        Why the tokenizer is not that of words, where none was named and the text decided.

    Raises
    ------
    Refusal
        If a file cannot be read or there is not enough text.
    """
    tokenizer, reason = config.tokenizer, None
    try:
        if config.files:
            corpus = Corpus.from_paths(config.files, config.valid, config.test)
        else:
            corpus = standard_library()
            for part in ("valid", "test"):
                if paths := getattr(config, part):
                    corpus = dataclasses.replace(corpus, **{part: tuple(find_text_files(paths))})
        if tokenizer is None:
            tokenizer, reason = choose_tokenizer(corpus)
        prepared = prepare_corpus(corpus, tokenizer, config.vocab_size, config.min_count)
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from None
    except ValueError as error:
        raise Refusal(str(error)) from None
    if config.context is not None and len(prepared.train) <= config.context:
        raise Refusal(
            f"the training text must have more tokens than --context {config.context}, got {len(prepared.train)}"
        )
    return prepared, reason


def describe(prepared: PreparedCorpus) -> str:
    """Return a line about the size of a corpus.

    Parameters
    ----------
    prepared : PreparedCorpus
        The corpus.

    Returns
    -------
    str
        Words and tokens.
    """
    parts = ", ".join(f"{len(getattr(prepared, part)):,} {part}" for part in ("train", "valid", "test"))
    return f"{len(prepared.vocabulary):,} words of {prepared.distinct_tokens:,} distinct ones; tokens: {parts}"


def smaller(prepared: PreparedCorpus, vocab_size: int, train_tokens: int, seed: int) -> PreparedCorpus:
    """Return a corpus with a part of the training documents and of the words.

    Parameters
    ----------
    prepared : PreparedCorpus
        The whole corpus.
    vocab_size : int
        Most words; those that are left out become the unknown word, in all three parts.
    train_tokens : int
        Most tokens of the training text: whole documents, picked at random, or the beginning of a single one.
    seed : int
        Of the random choice.

    Returns
    -------
    PreparedCorpus
        With a vocabulary of its own, ranked by that part; the bytes of the training text are estimated.
    """
    train, old = prepared.train, prepared.vocabulary
    ends = np.flatnonzero(train.ids == train.boundary_id) + 1
    starts = np.concatenate(([0], ends[:-1]))
    order = np.random.default_rng([seed, 3]).permutation(len(ends))
    # at least one document, then as many as fit
    fitting = max(1, int(np.searchsorted(np.cumsum((ends - starts)[order]), train_tokens, "right")))
    picked = np.sort(order[:fitting])
    ids = np.concatenate([train.ids[starts[i] : ends[i]] for i in picked])[: max(train_tokens, 1)]
    part = EncodedText.from_documents([ids], train.boundary_id)
    counts = dict(zip(old.words, part.counts(len(old)).tolist(), strict=True))
    # a trained tokenizer can give any of its words, seen here or not
    every = bool(prepared.tokenizer.tokens)
    seen = {word: count for word, count in counts.items() if count or every}
    vocabulary = Vocabulary.build(seen, vocab_size, 0 if every else None)
    numbers = vocabulary.encode(old.words)

    def ranked(text: EncodedText) -> EncodedText:
        return EncodedText(numbers[text.ids], vocabulary.boundary_id)

    return dataclasses.replace(
        prepared,
        vocabulary=vocabulary,
        train=ranked(part),
        train_bytes=round(prepared.train_bytes * len(part) / len(train)),
        valid=ranked(prepared.valid),
        test=ranked(prepared.test),
    )
