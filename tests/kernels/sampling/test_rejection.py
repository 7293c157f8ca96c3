"""First-seen filters against a dict, with draws in batches of any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.sampling.rejection import forget, keep_new_by_bit, keep_new_by_slot


def filtered(draws, want, cuts, by_bit):
    """Pass draws in batches; return what was kept and how many draws were looked at."""
    out = np.full(want, -7, np.int64)
    seen = np.zeros((max(draws, default=0) + 8) // 8, np.uint8)
    slots = np.full(1 << (4 * want).bit_length(), -1, np.int64)
    shift = 65 - len(slots).bit_length()
    found = used = 0
    for piece in np.split(np.array(draws, np.int64), cuts):
        if found == want:
            break
        if by_bit:
            found, looked = keep_new_by_bit(piece, seen, out, found)
        else:
            found, looked = keep_new_by_slot(piece, slots, shift, out, found)
        used += looked
    if by_bit:
        assert seen.any() == (0 < found < want)
        forget(seen, out, found)
        assert not seen.any()
    return out[:found].tolist(), used


def expected(draws, want):
    kept = {}
    for looked, v in enumerate(draws, start=1):
        kept[v] = None
        if len(kept) == want:
            return list(kept), looked
    return list(kept), len(draws)


@pytest.mark.parametrize("by_bit", [True, False])
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 31), st.lists(st.integers(0, 60), max_size=4))
def test_keeps_first_occurrences_in_order(by_bit, draws, want, cuts):
    assert filtered(draws, want, sorted(cuts), by_bit) == expected(draws, want)


@given(st.lists(st.sampled_from([0, 2**62, 2**63 - 1, 2**63 - 2, 1]), max_size=20), st.integers(1, 5))
def test_huge_classes(draws, want):
    assert filtered_by_slot(draws, want) == expected(draws, want)


def filtered_by_slot(draws, want):
    out = np.empty(want, np.int64)
    slots = np.full(8, -1, np.int64)
    found, used = keep_new_by_slot(np.array(draws, np.int64), slots, 61, out, 0)
    return out[:found].tolist(), used
