"""How good a model is on a text: exact figures over the whole vocabulary, and how to say which of two is better."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.data import EncodedText

__all__ = ["HITS", "bits_per_byte", "compared", "perplexity", "perplexity_of_loss"]

HITS = (1, 5, 10)


def perplexity(model: Any, text: EncodedText, positions: NDArray[Any], check: Callable[[], None]) -> float:
    """Return the exact perplexity of a model at some positions of a text.

    Parameters
    ----------
    model : NGramPredictor or QRNNPredictor
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
    return perplexity_of_loss(-float(model.log_probabilities(text, positions, check).mean()))


def perplexity_of_loss(loss: float) -> float:
    """Return ``exp(loss)``, infinite above 709 nats."""
    with np.errstate(over="ignore"):
        return float(np.exp(loss))


def bits_per_byte(loss: float, tokens: int, text_bytes: int) -> float:
    """Return how many bits a byte of a text takes: a figure that compares models of different tokenizers.

    Parameters
    ----------
    loss : float
        Mean of ``-log P`` of a token, in nats.
    tokens : int
        Of the text, ends of documents included.
    text_bytes : int
        Of the text in UTF-8, white space included.

    Returns
    -------
    float
        ``loss * tokens / (ln 2 * text_bytes)``.

    Examples
    --------
    >>> bits_per_byte(math.log(4), tokens=10, text_bytes=40)
    0.5
    """
    return loss * tokens / (math.log(2) * max(text_bytes, 1))


def compared(perplexity: float, other: float) -> str:
    """Return how a perplexity compares with another one, in words.

    Parameters
    ----------
    perplexity, other : float
        That of the model in question, and of the one it is compared with.

    Returns
    -------
    str
        To be read after the first model's name.

    Examples
    --------
    >>> compared(31.5, 40.0), compared(50.0, 40.0), compared(40.0, 40.1)
    ('21 % better than', 'WORSE, by 25 %, than', 'as good as')
    """
    ratio = perplexity / other
    if abs(ratio - 1) < 0.005:
        return "as good as"
    return f"{100 * (1 - ratio):.0f} % better than" if ratio < 1 else f"WORSE, by {100 * (ratio - 1):.0f} %, than"
