"""Packed inputs against their definition."""

import numpy as np
import pytest

from fastcands.kernels.table.blocking import panel_width
from fastcands.kernels.table.packing import pack_inputs


@pytest.mark.parametrize("nr", [8, panel_width(np.float32)])
@pytest.mark.parametrize("examples", [1, 7, 8, 9, 33, 64])
@pytest.mark.parametrize("width", [1, 5, 8, 13, 48, 65])
def test_every_input_is_in_its_panel_and_the_rest_is_zero(examples, width, nr):
    inputs = np.random.default_rng(0).normal(size=(examples, width)).astype(np.float32)
    depth = -(-width // 16) * 16
    panels, feature_panels = -(-examples // nr), -(-width // nr)
    packed = np.full((panels, depth, nr), np.nan, np.float32)
    packed_t = np.full((feature_panels, panels * nr, nr), np.nan, np.float32)
    pack_inputs(inputs, packed, packed_t, 2)
    padded = np.zeros((panels * nr, max(depth, feature_panels * nr)), np.float32)
    padded[:examples, :width] = inputs
    np.testing.assert_array_equal(packed.transpose(0, 2, 1).reshape(-1, depth), padded[:, :depth])
    np.testing.assert_array_equal(
        packed_t.transpose(1, 0, 2).reshape(panels * nr, -1), padded[:, : feature_panels * nr]
    )
