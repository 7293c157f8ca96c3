"""Accidental hits by a hash table against the quadratic reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import fastcands as fc
from fastcands import reference
from fastcands.samplers.accidental_hits import find_accidental_hits

IDS = st.one_of(st.integers(-3, 12), st.sampled_from([2**63 - 1, -(2**63), 2**62]))


def assert_equal(ours, expected):
    for got, want in zip(ours, expected, strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@given(
    npst.arrays(np.int64, st.tuples(st.integers(0, 6), st.integers(1, 4)), elements=IDS),
    npst.arrays(np.int64, st.integers(0, 20), elements=IDS),
)
def test_equal_to_the_reference(labels, sampled):
    assert_equal(find_accidental_hits(labels, sampled), reference.accidental_hits(labels, sampled))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_find_the_same(threads):
    rng = np.random.default_rng(0)
    labels, sampled = rng.integers(0, 5000, (40000, 1)), rng.integers(0, 5000, 300)
    with fc.num_threads(threads):
        hits = find_accidental_hits(labels, sampled)
    assert_equal(hits, reference.accidental_hits(labels, sampled))
    assert len(hits.ids) > 1000


def test_candidates_that_fall_into_one_slot():
    """Multiples of a large power of two collide under multiplication by an odd number."""
    sampled = np.arange(64) << 57
    assert_equal(find_accidental_hits(sampled[:, None], sampled), reference.accidental_hits(sampled[:, None], sampled))


def test_read_only_and_strided_input():
    labels = np.arange(20).reshape(10, 2)[::2]
    sampled = np.arange(40)[::3]
    sampled.flags.writeable = False
    assert_equal(fc.nn.compute_accidental_hits(labels, sampled, 2), reference.accidental_hits(labels, sampled))
