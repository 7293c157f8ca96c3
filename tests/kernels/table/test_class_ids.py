"""The quick test of ids against NumPy's comparisons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.table.class_ids import all_below

IDS = st.one_of(st.integers(-2, 12), st.integers(-(2**63), 2**63 - 1))


@given(st.lists(IDS, max_size=40), st.one_of(st.integers(1, 12), st.integers(1, 2**63 - 1)))
def test_equal_to_two_comparisons(ids, limit):
    array = np.array(ids, np.int64)
    assert all_below(array, limit) == bool(((array >= 0) & (array < limit)).all())


@pytest.mark.parametrize("place", [0, 31, 98, 99])
@pytest.mark.parametrize("bad", [-1, 10, 2**63 - 1, -(2**63)])
def test_one_bad_id_among_many(place, bad):
    ids = np.arange(100) % 10
    assert all_below(ids, 10)
    ids[place] = bad
    assert not all_below(ids, 10)
