"""The sort by digits against NumPy's stable argsort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.table.radix_sort import sort_by_id


def _order(ids):
    order, spare = np.full(len(ids), -1), np.empty(len(ids) + 3, np.int64)
    sort_by_id(ids, order, spare, np.empty(2048, np.int64))
    return order


@given(st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 9), max_size=200))
def test_order_is_that_of_a_stable_sort(values):
    ids = np.array(values, np.int64)
    assert _order(ids).tolist() == np.argsort(ids, kind="stable").tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize("largest", [0, 1, 2047, 2048, 2**22 - 1, 2**22, 2**63 - 1])
def test_sizes_around_the_steps(n, largest):
    ids = np.random.default_rng(n).integers(0, largest, n, endpoint=True)
    ids[:1] = largest
    assert _order(ids).tolist() == np.argsort(ids, kind="stable").tolist()
