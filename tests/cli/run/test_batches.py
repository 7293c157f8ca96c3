"""The order of the examples."""

from __future__ import annotations

import numpy as np

from fastcands.cli.run.batches import Shuffled


def test_each_epoch_has_all_examples_in_another_order() -> None:
    batches = Shuffled(10, 4, seed=1)
    epochs = [np.concatenate([batches.take(epoch, at, None) for at in (0, 4, 8)]).tolist() for epoch in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1]
    again = Shuffled(10, 4, seed=1)
    assert again.take(1, 4, None).tolist() == epochs[1][4:8]
    assert again.take(1, 4, 3).tolist() == epochs[1][4:7]
    assert Shuffled(10, 10, seed=2).take(0, 0, None).tolist() != epochs[0]
