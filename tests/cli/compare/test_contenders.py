"""The words for what is compared."""

from __future__ import annotations

import pytest

from fastcands.cli.compare.contenders import Contender, parse_contender
from fastcands.cli.errors import Refusal


def test_contenders() -> None:
    assert parse_contender("softmax") == Contender("softmax", None, "softmax", "log_uniform", None, None)
    assert parse_contender("nce:all", 0.3) == Contender("nce:all", None, "nce", "all", None, 0.3)
    word = "feed_forward/nce:uniform:9@0.5"
    assert parse_contender(word) == Contender(word, "feed_forward", "nce", "uniform", 9, 0.5)
    assert parse_contender("nce@2e-3", 0.3).learning_rate == 0.002
    with pytest.raises(Refusal, match="CANDIDATES"):
        parse_contender("nce:all:")
    with pytest.raises(Refusal, match="--run lstm/nce: unknown name 'lstm', did you mean"):
        parse_contender("lstm/nce")
