"""A table file that version 0.1 wrote can be loaded: the promise of docs/compatibility.md.

``tests/golden/make_stored_files.py`` made it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc

STORED = Path(__file__).parents[1] / "golden" / "table-format-1.npz"
LABELS = np.array([[1], [4], [2]])


def test_a_table_of_format_1_is_loaded_with_its_optimizer() -> None:
    table = fc.ClassTable.load(STORED)
    assert (table.num_classes, table.dim, table.step) == (6, 2, 2)
    assert table.optimizer == fc.Adagrad(lr=fc.schedules.linear(0.5, 100, warmup=3), clip_norm=10.0)
    with np.load(STORED) as arrays:
        assert_array_equal(table.weights, arrays["weights"])
    assert_allclose(table.weights[1], [-0.40761467, 0.14121847], rtol=1e-6)


def test_samplers_of_format_1_go_on_in_their_streams() -> None:
    samplers = {"log_uniform": fc.LogUniformSampler(6, seed=0), "learned": fc.LearnedUnigramSampler(6, seed=0)}
    fc.ClassTable.load(STORED, samplers=samplers)
    drawn = {name: sampler.sample(LABELS, 4).sampled_candidates.tolist() for name, sampler in samplers.items()}
    assert drawn == {"log_uniform": [0, 1, 3, 2], "learned": [3, 5, 1, 0]}
