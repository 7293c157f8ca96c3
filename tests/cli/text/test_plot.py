"""The picture of a run on text."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from fastcands.cli.text.plot import draw_perplexity
from fastcands.cli.text.trainer import PerplexityEvaluation


@pytest.mark.parametrize("count", [1, 12])
def test_the_picture(tmp_path: Path, count: int) -> None:
    evaluations = [PerplexityEvaluation(i, i, 2.0 * i, 1.0, 5.0 - i / 10, 100.0 - i) for i in range(1, count + 1)]
    draw_perplexity(tmp_path / "curves.png", evaluations, 1, {"Kneser-Ney trigram": 70.0}, "a title")
    content = (tmp_path / "curves.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (1200, 480)
    from matplotlib import image

    pixels = image.imread(tmp_path / "curves.png")[..., :3]
    for colour in ("1f5fa8", "c8601a"):  # both curves are there
        wanted = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        assert (np.abs(pixels - wanted).max(axis=2) < 0.02).sum() > 10
