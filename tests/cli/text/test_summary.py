"""The verdict of a run."""

from __future__ import annotations

from typing import Any

import pytest

from fastcands.cli.text.summary import verdict

COUNTING = {"kneser_ney_5_perplexity": 100.0, "trigram_perplexity": 110.0, "unigram_perplexity": 500.0}


@pytest.mark.parametrize(
    ("own", "mixed", "more", "line"),
    [
        (60.0, 50.0, {}, "40 % better than the Kneser-Ney 5-gram model; mixed, 50 % better"),
        (300.0, 100.0, {}, "WORSE, by 200 %, than the Kneser-Ney 5-gram model; mixed, as good"),
        (300.0, 114.0, {}, "WORSE, by 200 %, than the Kneser-Ney 5-gram model; mixed, WORSE, by 14 %"),
        (105.0, None, {"trigram_perplexity": 90.0}, "WORSE, by 17 %, than the Kneser-Ney trigram model"),
        (16.0, 16.0, {"unigram_perplexity": 16.0}, "as good as the unigram model; mixed, as good"),
    ],
)
def test_verdict(own: float, mixed: float | None, more: dict[str, Any], line: str) -> None:
    metrics = {"test_perplexity": own, "mixture_perplexity": mixed, **COUNTING, **more}
    assert verdict(metrics) == f"on the test text, this model is {line}"
