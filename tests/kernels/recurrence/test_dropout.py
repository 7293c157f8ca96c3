"""Masks of dropout: the stated hash, the stated share, the same numbers whatever the panels are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastcands.kernels.recurrence.dropout import drop_rows, dropout_mask
from tests import qrnn_oracle

SIX_SIGMA = 6


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("rate", "seed", "step"), [(0.0, 0, 0), (0.3, 5, 7), (0.5, 2**64 - 1, 2**40), (0.999, 1, 2)])
def test_the_mask_is_the_stated_hash(rate: float, seed: int, step: int, kind: type) -> None:
    values = np.arange(1, 6 * 37 + 1, dtype=kind).reshape(6, 37)
    dropped = values.copy()
    drop_rows(dropped, dropout_mask(rate, seed, step, 1), 0)
    expected = values * qrnn_oracle.mask(rate, (seed, step), 1, values.shape)
    np.testing.assert_allclose(dropped, expected, rtol=4 * float(np.finfo(kind).eps))
    assert ((dropped == 0) == (expected == 0)).all()


def test_rows_in_panels_are_rows_of_the_whole() -> None:
    values = np.ones((50, 19), np.float32)
    whole, parts = values.copy(), values.copy()
    mask = dropout_mask(0.4, 3, 4, 0)
    drop_rows(whole, mask, 0)
    for first, last in ((0, 1), (1, 30), (30, 50)):
        drop_rows(parts[first:last], mask, first)
    assert (whole == parts).all()


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_the_share_is_the_rate_in_all_rows_columns_and_neighbours(rate: float) -> None:
    shape = (1000, 500)
    values = np.ones(shape, np.float32)
    drop_rows(values, dropout_mask(rate, 11, 5, 0), 0)
    dropped = values == 0
    for share, count in (
        (dropped.mean(), dropped.size),
        (dropped.mean(axis=0), shape[0]),
        (dropped.mean(axis=1), shape[1]),
    ):
        assert (np.abs(share - rate) < SIX_SIGMA * math.sqrt(rate * (1 - rate) / count)).all()
    for one, other in ((dropped[1:], dropped[:-1]), (dropped[:, 1:], dropped[:, :-1])):
        both, expected = (one & other).mean(), rate * rate
        assert abs(both - expected) < SIX_SIGMA * math.sqrt(expected / one.size) + 1e-9
    assert values.max() == pytest.approx(1 / (1 - rate))


def test_seeds_steps_and_streams_have_masks_of_their_own() -> None:
    masks = []
    for arguments in ((1, 2, 0), (1, 2, 1), (1, 3, 0), (2, 2, 0), (2, 1, 0)):
        values = np.ones((100, 100), np.float32)
        drop_rows(values, dropout_mask(0.5, *arguments), 0)
        masks.append(values == 0)
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert abs((one == other).mean() - 0.5) < SIX_SIGMA * 0.5 / 100
