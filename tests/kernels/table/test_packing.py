"""Packed inputs against their definition."""

import numpy as np
import pytest

from fastcands.kernels.table.blocking import panel_width
from fastcands.kernels.table.packing import pack_inputs


@pytest.mark.parametrize("lanes", [8, panel_width(np.float32)])
@pytest.mark.parametrize("examples", [1, 7, 8, 9, 33, 64])
@pytest.mark.parametrize("width", [1, 5, 8, 13, 48, 65])
def test_every_input_has_its_place_and_the_rest_is_zero(examples, width, lanes):
    inputs = np.random.default_rng(0).normal(size=(examples, width)).astype(np.float32)
    depth = -(-width // 16) * 16
    panels, feature_panels = -(-examples // lanes), -(-width // lanes)
    by_example = np.full((panels, depth, lanes), np.nan, np.float32)
    by_feature = np.full((feature_panels, panels * lanes, lanes), np.nan, np.float32)
    pack_inputs(inputs, by_example, by_feature, 2)
    padded = np.zeros((panels * lanes, max(depth, feature_panels * lanes)), np.float32)
    padded[:examples, :width] = inputs
    np.testing.assert_array_equal(by_example.transpose(0, 2, 1).reshape(-1, depth), padded[:, :depth])
    np.testing.assert_array_equal(
        by_feature.transpose(1, 0, 2).reshape(panels * lanes, -1), padded[:, : feature_panels * lanes]
    )
