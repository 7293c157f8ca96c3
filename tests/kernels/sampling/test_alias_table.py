"""The alias table: its cells give back the probabilities, and its bits are the model's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.distributions.fixed_unigram import FixedUnigram
from fastcands.kernels.sampling.alias_table import draw_by_alias
from tests.draws_model import alias_table, below, by_weights, words

RNG = np.random.default_rng(0)
WEIGHTS = {
    "one": np.ones(1),
    "two": np.array([1.0, 3.0]),
    "equal": np.ones(5000),
    "ties": RNG.integers(1, 3, 10001),
    "zeros": RNG.integers(0, 3, 9000),
    "one of many": np.eye(1, 6000, 4321)[0],
    "falling": 1.0 / np.arange(1, 8193),
    "rising": np.arange(1, 8194),
    "spread": np.exp(RNG.normal(size=12289) * 6),
}


def table(weights):
    distribution = FixedUnigram(np.asarray(weights, np.float32))
    return distribution._stays[:, 0], distribution._aliases[:, 1]


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_bits_are_the_models(weights):
    stays, aliases = table(weights)
    expected_stays, expected_aliases = alias_table(weights)
    assert aliases.tolist() == expected_aliases
    assert stays.tolist() == expected_stays


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12).filter(any))
def test_bits_are_the_models_for_small_counts(weights):
    stays, aliases = table(weights)
    assert (stays.tolist(), aliases.tolist()) == alias_table(weights)


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
def test_masses_of_the_cells_are_the_probabilities(weights):
    stays, aliases = (part.copy() for part in table(weights))
    mass = stays.astype(np.float64)
    np.add.at(mass, aliases, 1.0 - stays.astype(np.float64))
    w = np.asarray(weights, np.float32).astype(np.float64)
    expected = w / w.sum() * len(w)
    # a cell's probability of staying is rounded to float32, 3e-8, and many cells may give to one class
    given_to = np.bincount(aliases, minlength=len(w))
    excess = np.abs(mass - expected) - 3.1e-8 * (given_to + 1) - 1.2e-7 * expected
    # the class paired last has what the rounding of all others has left over
    assert np.sort(excess)[:-1].max(initial=-1.0) <= 0.0
    assert excess.max() <= 1.2e-7 * len(w)
    assert mass.sum() == pytest.approx(len(w), rel=1e-12)


@pytest.mark.parametrize("num_classes", [1, 2, 3, 1000, 4096, 2**16 + 1])
@pytest.mark.parametrize("word", [0, 1, 2, 3, 8])
def test_draws_are_the_models(num_classes, word):
    weights = np.random.default_rng(1).integers(1, 10, num_classes)
    distribution = FixedUnigram(weights.astype(np.float32))
    stream = words((7, 9))
    for _ in range(word):
        next(stream)
    out = np.empty(700, np.int64)
    end = distribution.draw(np.array([7, 0, 9, 0], np.uint64), word, np.empty(710, np.uint64), out)
    draw = by_weights(weights)
    assert out.tolist() == [draw(stream) for _ in range(700)]
    assert end >= word + 1400


def test_every_second_word_rejected():
    """As with 2**31 + 1 cells, where a cell costs two words on average; only the bound is made so large here."""
    n = 5
    aliases = np.tile(np.arange(n, dtype=np.int32), (2, 1)).T.copy()
    stays = aliases.view(np.float32)
    stays[:, 0] = 1.0
    out = np.empty(1000, np.int64)
    reject_below = np.uint32(2**31 + 3)
    end = draw_by_alias(
        np.array([7, 0, 9, 0], np.uint64),
        0,
        np.uint64(2**32 // n),
        reject_below,
        aliases,
        stays,
        np.empty(1004, np.uint64),
        out,
    )
    stream = words((7, 9))
    used = 0
    for got in out.tolist():
        next(stream)
        word = next(stream)
        used += 2
        while word < reject_below:
            word = next(stream)
            used += 1
        assert got == word % n
    assert end == used
    assert used > 2800
    assert below(4, 32, iter([7])) == 3
