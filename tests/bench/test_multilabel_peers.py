"""The comparison with omikuji: how points are read, measured and shown; not the measurement itself."""

from __future__ import annotations

from bench.multilabel_peers import precisions, split_point, table


def test_lines_become_points() -> None:
    assert split_point("4,1 8:0.5 2:1.25") == ({1, 4}, [(8, 0.5), (2, 1.25)])
    assert split_point(" 0:3") == (set(), [(0, 3.0)])
    assert split_point("2") == ({2}, [])


def test_precisions_count_short_rankings_as_misses() -> None:
    found = precisions([[1, 2, 3, 4, 5], [7]], [{1, 3, 9}, {8}])
    assert found == [1 / 2, 2 / 6, 2 / 10]


def test_table_is_in_per_cent() -> None:
    row = {
        "data": "tags",
        "system": "fastcands",
        "precision": [0.8125, 0.5, 0.25],
        "train_seconds": 2.04,
        "predict_seconds": 0.5,
    }
    assert table([row]).splitlines()[-1] == "| tags | fastcands | 81.2 | 50.0 | 25.0 | 2.0 s | 0.5 s |"
