"""Where passes over all classes find the labels of a panel."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from fastcands.kernels.full_loss.all_classes import end_of_panel


class Labels(NamedTuple):
    """The fields of a job that finding the labels of a panel reads."""

    label_examples: Any


@pytest.mark.parametrize("nr", [32, 16])
def test_labels_of_a_panel(nr):
    examples = np.array([3, nr - 1, nr + 1, nr + 1, 3 * nr - 1, 2])
    job = Labels(examples)
    assert [end_of_panel(job, 0, 6, j, nr) for j in (0, 1)] == [2, 0]
    assert [end_of_panel(job, 2, end, 1, nr) for end in (2, 3, 6)] == [2, 3, 4]
    assert end_of_panel(job, 4, 6, 2, nr) == 5
