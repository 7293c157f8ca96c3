"""Configurations of runs: as JSON, and the defaults for candidates."""

from __future__ import annotations

import dataclasses

import pytest

from fastcands.cli.text.config import TextConfig
from tests.cli.conftest import CONFIG


def test_config_as_json_and_back() -> None:
    assert TextConfig.from_json(CONFIG.to_json()) == CONFIG
    assert dataclasses.replace(CONFIG, seed=7) != CONFIG
    for text in ("{", "[]", '{"files": []}', '{"nothing": 1}'):
        with pytest.raises(ValueError, match=r"."):
            TextConfig.from_json(text)


def test_default_candidates() -> None:
    assert [CONFIG.default_num_sampled(size) for size in (3, 100, 1999, 5000, 10**6)] == [1, 50, 999, 1024, 1024]
    assert dataclasses.replace(CONFIG, num_sampled=7).default_num_sampled(10**6) == 7


def test_candidates_that_are_kept() -> None:
    assert [CONFIG.default_num_resampled(drawn) for drawn in (2, 9, 1024)] == [1, 4, 512]
    assert dataclasses.replace(CONFIG, num_resampled=7).default_num_resampled(1024) == 7
