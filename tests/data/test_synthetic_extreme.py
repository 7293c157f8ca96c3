"""Synthetic data: the same for a seed, in the right format, and of the structure it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastcands.data import read_extreme
from fastcands.data.synthetic_extreme import ExtremeStructure, write_synthetic

STRUCTURE = ExtremeStructure(num_labels=403, num_features=1000, cluster_labels=20, seed=3)


def test_files_are_as_asked_for(tmp_path: Path) -> None:
    report = write_synthetic(tmp_path, STRUCTURE, 5000, 700)
    assert json.loads((tmp_path / "structure.json").read_text()) == report
    train, test = read_extreme(tmp_path / "train.txt"), read_extreme(tmp_path / "test.txt")
    assert (len(train), len(test)) == (5000, 700)
    assert {(part.num_features, part.num_labels) for part in (train, test)} == {(1000, 403)}
    assert len(train.labelled()) < 5000  # some points have no label
    assert (np.diff(train.feature_starts) >= 10).all()


def test_labels_have_the_probabilities_told(tmp_path: Path) -> None:
    """Within five standard deviations, for each of the first labels of each cluster."""
    write_synthetic(tmp_path, STRUCTURE, 20_000, 1)
    counts = read_extreme(tmp_path / "train.txt").label_counts()
    drawn = np.concatenate([clusters for clusters, *_ in STRUCTURE.points(20_000, part=0)])
    sizes = np.bincount(drawn, minlength=STRUCTURE.num_clusters)[:, None]
    p = STRUCTURE.label_probabilities
    found = counts[STRUCTURE.cluster_label_ids()]
    assert (np.abs(found - sizes * p) < 5 * np.sqrt(sizes * p * (1 - p)) + 1).all()
    assert counts.sum() == found.sum()  # no other label comes
    assert p.sum() == pytest.approx(3.1)


def test_the_best_is_reached_by_who_knows_the_clusters(tmp_path: Path) -> None:
    report = write_synthetic(tmp_path, STRUCTURE, 5000, 3000)
    assert report["best"] == pytest.approx([0.9, 1.9 / 3, (2.1 + 1 / 16) / 5])
    # means over 3000 points: a standard error is at most 0.5 / sqrt(3000) = 0.009
    np.testing.assert_allclose(report["test_best"], report["best"], atol=0.025)
    np.testing.assert_allclose(report["test_counted"], report["test_best"], atol=0.02)
    assert 0.02 < report["test_frequency"][0] < 0.3


def test_the_seed_decides(tmp_path: Path) -> None:
    texts = []
    for number, seed in enumerate((1, 1, 2)):
        write_synthetic(tmp_path / str(number), ExtremeStructure(200, 1000, 20, seed), 50, 10)
        texts.append((tmp_path / str(number) / "train.txt").read_bytes())
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((199, 1000), r"^num_labels must be from 200 to 2\*\*31 - 1, got 199$"),
        ((2**31, 1000), "^num_labels must be from 200"),
        ((200, 999), "^num_features must be from 1000"),
        ((200, 1000, 9), "^cluster_labels must be from 10"),
        ((200, 1000, 100, -1), "^seed must be from 0"),
    ],
)
def test_refused_sizes(sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExtremeStructure(*sizes)


def test_no_points(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 point in each part, got 0 and 5"):
        write_synthetic(tmp_path / "out", STRUCTURE, 0, 5)
    assert not (tmp_path / "out").exists()


def test_as_a_command(tmp_path: Path) -> None:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fastcands.data.synthetic_extreme", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = call(str(tmp_path / "out"), "--points", "30", "--test-points", "5", "--labels", "200")
    assert (done.returncode, json.loads(done.stdout)["train_points"]) == (0, 30)
    assert len(read_extreme(tmp_path / "out" / "train.txt")) == 30
    refused = call(str(tmp_path / "other"), "--labels", "5")
    assert refused.returncode == 2
    assert "num_labels must be from 200 to 2**31 - 1, got 5" in refused.stderr
