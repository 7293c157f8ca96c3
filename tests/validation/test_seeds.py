"""Seeds of tables and of saved samplers: refused by their name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastcands as fc


@pytest.mark.parametrize(
    ("seed", "error"),
    [(object(), TypeError), ("text", TypeError), (2.5, TypeError), (-1, ValueError), ([-1], ValueError)],
)
def test_a_seed_that_is_none(seed: Any, error: type[Exception]) -> None:
    for make in (lambda: fc.ClassTable(4, 2, seed=seed), lambda: fc.ClassTable.from_arrays(np.ones((4, 2)), seed=seed)):
        with pytest.raises(error, match="seed must be None, integers that are not negative, a SeedSequence or a Gen"):
            make()


@pytest.mark.parametrize("seeds", [3, None, {1: 2}, np.array(3)])
def test_seeds_of_a_state_that_are_no_pair(seeds: Any) -> None:
    sampler = fc.UniformSampler(5, seed=1)
    with pytest.raises(TypeError, match=r"state\['seeds'\] must be a pair of integers, got"):
        sampler.load_state_dict(sampler.state_dict() | {"seeds": seeds})
    sampler.load_state_dict(sampler.state_dict() | {"seeds": np.array([3, 4])})
