"""How good a model is on a text: exact figures over the whole vocabulary, some thousand predictions at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.data import EncodedText
from fastcands.models import NGramPredictor

__all__ = ["HITS", "Quality", "measure", "perplexity"]

HITS = (1, 5, 10)
_CHUNK = 4096


class Quality(NamedTuple):
    """Exact figures of a model on a text.

    Attributes
    ----------
    tokens : int
        Words predicted, ends of documents included.
    loss : float
        Mean of ``-log P(word | context)``, in nats.
    perplexity : float
        ``exp(loss)``.
    hits : dict of int to float
        By k, the share of words that were among the k likeliest.
    mean_reciprocal_rank : float
        Mean of 1 / rank, the likeliest word having rank 1.
    """

    tokens: int
    loss: float
    perplexity: float
    hits: dict[int, float]
    mean_reciprocal_rank: float


def perplexity(model: NGramPredictor, text: EncodedText, positions: NDArray[Any], check: Callable[[], None]) -> float:
    """Return the exact perplexity of a model at some positions of a text.

    Parameters
    ----------
    model : NGramPredictor
        The model.
    text : EncodedText
        The text.
    positions : integer array, shape (N,)
        Which of its words to predict, at least one.
    check : callable
        Called every few thousand words; may raise to give up.

    Returns
    -------
    float
        ``exp`` of the mean loss.
    """
    total = 0.0
    for start in range(0, len(positions), _CHUNK):
        check()
        chunk = positions[start : start + _CHUNK]
        total += model.log_loss(text.contexts(chunk, model.context), text.ids[chunk]) * len(chunk)
    return _exp(total / len(positions))


def measure(model: NGramPredictor, text: EncodedText, advance: Callable[[int], None]) -> Quality:
    """Return loss, hits and ranks over a whole text.

    Parameters
    ----------
    model : NGramPredictor
        The model.
    text : EncodedText
        Not empty.
    advance : callable
        Gets the number of words done, now and then; may raise to give up.

    Returns
    -------
    Quality
        Over all of its words.
    """
    loss = reciprocal = 0.0
    hits = dict.fromkeys(HITS, 0.0)
    for start in range(0, len(text), _CHUNK):
        advance(start)
        positions = np.arange(start, min(start + _CHUNK, len(text)))
        result = model.evaluate(text.contexts(positions, model.context), text.ids[positions], HITS)
        assert result.mean_reciprocal_rank is not None
        loss += result.loss * len(positions)
        reciprocal += result.mean_reciprocal_rank * len(positions)
        for k in HITS:
            hits[k] += result.hits[k] * len(positions)
    advance(len(text))
    share = {k: total / len(text) for k, total in hits.items()}
    return Quality(len(text), loss / len(text), _exp(loss / len(text)), share, reciprocal / len(text))


def _exp(value: float) -> float:
    with np.errstate(over="ignore"):  # a loss above 709 nats has an infinite perplexity
        return float(np.exp(value))
