"""The sum tree against cumsum and searchsorted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.distributions.learned_unigram import LearnedUnigram
from fastcands.kernels.sampling.count_tree import find_by_weight

SIZES = [1, 2, 15, 16, 17, 255, 256, 257, 4096, 4097, 70000]


def find(tree, units):
    out = np.array(units, np.int64)
    find_by_weight(tree._sums, tree._offsets, out, np.empty(len(out), np.int64))
    return out


def with_counts(counts):
    tree = LearnedUnigram(len(counts))
    tree.set_counts(np.asarray(counts, np.int64))
    return tree


@pytest.mark.parametrize("size", SIZES)
def test_every_unit_of_the_first_counts(size):
    tree = LearnedUnigram(size)
    assert tree.total == size
    np.testing.assert_array_equal(find(tree, np.arange(size)), np.arange(size))
    np.testing.assert_array_equal(tree.counts(), np.ones(size))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=400))
def test_every_unit_of_any_counts(counts):
    tree = with_counts(counts)
    np.testing.assert_array_equal(find(tree, np.arange(sum(counts))), np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize("size", SIZES)
def test_updates_are_bincount(size):
    rng = np.random.default_rng(size)
    tree = LearnedUnigram(size)
    counts = np.ones(size, np.int64)
    for _ in range(3):
        labels = np.minimum(rng.geometric(min(1.0, 3 / size), 500), size) - 1
        tree.learn(labels)
        counts += np.bincount(labels, minlength=size)
        np.testing.assert_array_equal(tree.counts(), counts)
        assert tree.total == counts.sum()
        units = rng.integers(0, tree.total, 1000)
        np.testing.assert_array_equal(find(tree, units), np.searchsorted(np.cumsum(counts), units, "right"))


def test_counts_beyond_32_bits():
    tree = with_counts([2**40, 1, 2**61, 3])
    units = [0, 2**40 - 1, 2**40, 2**40 + 1, 2**40 + 2**61, 2**40 + 2**61 + 1, tree.total - 1]
    np.testing.assert_array_equal(find(tree, units), [0, 0, 1, 2, 2, 3, 3])
