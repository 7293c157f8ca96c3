"""Figures of quality, and the words for them."""

from __future__ import annotations

import math

import pytest

from fastcands.cli.text.quality import bits_per_byte, compared, perplexity_of_loss


def test_a_loss_beyond_all_bounds_has_an_infinite_perplexity() -> None:
    assert perplexity_of_loss(800.0) == math.inf
    assert perplexity_of_loss(math.log(7)) == pytest.approx(7)


def test_bits_per_byte() -> None:
    # uniform over 256 bytes, one token a byte
    assert bits_per_byte(math.log(256), 1000, 1000) == pytest.approx(8)
    assert bits_per_byte(math.log(256), 500, 1000) == pytest.approx(4)


@pytest.mark.parametrize(
    ("own", "other", "words"),
    [
        (70, 100, "30 % better than"),
        (100, 100.4, "as good as"),
        (902, 283, "WORSE, by 219 %, than"),
        (math.inf, 283, "WORSE, by inf %, than"),
    ],
)
def test_compared(own: float, other: float, words: str) -> None:
    assert compared(own, other) == words
