"""From a configuration to sampler and loss."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import fastcands as fc
from fastcands.cli.run.build import log_q, make_loss, make_sampler
from fastcands.cli.run.registry import LOSSES, PRECISIONS, SAMPLERS
from tests.cli.conftest import CONFIG

COUNTS = np.array([50, 20, 9, 4, 2, 1, 1, 0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_predictions_add_to_the_logits(sampler: str) -> None:
    """Log Q of every word: over many draws the expected counts are those of the draws."""
    config = dataclasses.replace(
        CONFIG, loss="negative_sampling", sampler=sampler, num_sampled=8 if sampler == "all" else 3
    )
    made = make_sampler(config, COUNTS)
    offsets = log_q(config, made, 8)
    assert offsets is not None
    assert offsets.dtype == np.float32
    assert make_sampler(config, COUNTS).sample([0], 8).sampled_candidates.tolist() == (
        made.sample([0], 8).sampled_candidates.tolist()
    )  # the stream has not moved
    if sampler == "learned_unigram":  # a draw teaches it
        return
    draws = [made.sample([0], config.num_sampled).sampled_candidates for _ in range(4000)]
    frequencies = np.bincount(np.concatenate(draws), minlength=8) / 4000
    # 1 - (1 - p)^tries is not the exact chance to be drawn: of 8 words it misses the most frequent ones by up to 0.053
    np.testing.assert_allclose(np.exp(offsets), frequencies, atol=0.06)


def test_other_losses_add_nothing() -> None:
    for loss in LOSSES:
        config = dataclasses.replace(CONFIG, loss=loss, num_sampled=3)
        sampler = make_sampler(config, COUNTS)
        assert (sampler is None) == (not LOSSES[loss].sampled)
        assert (log_q(config, sampler, 8) is None) == (loss != "negative_sampling")
        made = make_loss(dataclasses.replace(config, num_sampled=4), sampler, 8)
        assert getattr(made, "num_resampled", 2) == 2


def test_fixed_unigram_draws_by_the_counts() -> None:
    config = dataclasses.replace(CONFIG, sampler="fixed_unigram", distortion=0.5)
    weights = np.sqrt(np.maximum(COUNTS, 1))  # no word is out of reach
    np.testing.assert_allclose(
        make_sampler(config, COUNTS).probability(np.arange(8)), weights / weights.sum(), rtol=1e-6
    )
    plain = make_sampler(dataclasses.replace(config, distortion=None), COUNTS).probability(np.arange(8))
    np.testing.assert_allclose(plain, np.maximum(COUNTS, 1) / np.maximum(COUNTS, 1).sum(), rtol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_loss_gets_the_precision(loss: str, precision: str) -> None:
    fields = json.loads(CONFIG.to_json()) | {"loss": loss, "precision": precision}
    config = type(CONFIG).from_json(json.dumps(fields))
    config.check()
    assert make_loss(config, fc.UniformSampler(100), 100).precision == precision
