"""What the learned unigram sampler learns, keeps, merges and forgets."""

import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastcands as fc
from tests import draws_model


def test_counts_move_after_the_draw():
    sampler = fc.LearnedUnigramSampler(4, seed=1)
    first = sampler.sample([[3], [3], [0]], 4, unique=False)
    assert first.true_expected_count.ravel().tolist() == [1.0, 1.0, 1.0]
    second = sampler.sample([[3], [3], [0]], 4, unique=False)
    np.testing.assert_allclose(second.true_expected_count.ravel(), [12 / 7, 12 / 7, 8 / 7], rtol=1e-7)
    assert sampler.counts().tolist() == [3, 1, 1, 5]


@given(st.lists(st.lists(st.integers(0, 39), min_size=1, max_size=60), max_size=5))
def test_counts_are_one_and_the_labels(batches):
    sampler = fc.LearnedUnigramSampler(40)
    for batch in batches:
        sampler.update(batch)
    expected = 1 + np.bincount([y for batch in batches for y in batch], minlength=40)
    np.testing.assert_array_equal(sampler.counts(), expected)
    np.testing.assert_array_equal(sampler.probability(np.arange(40)), expected / expected.sum())


def test_update_draws_nothing():
    sampler, other = (fc.LearnedUnigramSampler(10, seed=3) for _ in range(2))
    sampler.update(np.zeros((2, 3, 4), np.int8))
    assert sampler.counts()[0] == 25
    assert sampler.state_dict()["position"] == 0
    other.sample(np.zeros((24, 1), int), 1)
    np.testing.assert_array_equal(other.counts(), sampler.counts())


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1, 10], ValueError, r"labels must be in \[0, num_classes\) = \[0, 10\), got 10 at \[1\]"),
        ([1, -1], ValueError, r"got -1 at \[1\]"),
        ([0.5], TypeError, "labels must be integers, got float64"),
    ],
)
def test_refused_labels_are_not_counted(labels, error, message):
    sampler = fc.LearnedUnigramSampler(10)
    for call in (sampler.update, lambda y: sampler.sample(y, 5)):
        with pytest.raises(error, match=message):
            call(labels)
    with pytest.raises(ValueError, match="num_sampled must be at most num_classes = 10"):
        sampler.sample([1], 11)
    np.testing.assert_array_equal(sampler.counts(), np.ones(10))


def test_a_total_beyond_31_bits_goes_on_learning():
    """TensorFlow's counts freeze here. From now on draws take 64-bit words."""
    sampler = fc.LearnedUnigramSampler(3, seed=(1, 2))
    state = sampler.state_dict()
    counts = [2**31 - 4, 1, 2]
    sampler.load_state_dict(state | {"counts": np.array(counts)})
    draw = draws_model.by_counts(counts)
    values = sampler.sample([[1]], 6, unique=False)
    assert values.sampled_candidates.tolist() == [draw(s) for s in [draws_model.words((1, 2))] for _ in range(6)]
    assert sampler.counts().tolist() == [2**31 - 4, 2, 2]
    values = sampler.sample([[1]] * 5, 4, unique=False)
    ends = np.cumsum([2**31 - 4, 2, 2])
    stream = draws_model.words((1, 2), 512 * 6)
    expected = [np.searchsorted(ends, draws_model.below(2**31, 64, stream), "right") for _ in range(4)]
    assert values.sampled_candidates.tolist() == expected
    assert sampler.counts().tolist() == [2**31 - 4, 7, 2]


def test_huge_counts_are_drawn_in_proportion():
    sampler = fc.LearnedUnigramSampler(3, seed=5)
    sampler.load_state_dict(sampler.state_dict() | {"counts": np.array([2**61, 2**60, 2**60])})
    ids = sampler.sample([[0]], 10**5, unique=False).sampled_candidates
    np.testing.assert_allclose(np.bincount(ids) / 1e5, [0.5, 0.25, 0.25], atol=0.008)  # 5 standard errors


class TestMerge:
    def test_adds_what_both_have_learned(self):
        one, other = fc.LearnedUnigramSampler(5, seed=1), fc.LearnedUnigramSampler(5, seed=2)
        one.update([0, 0, 3])
        other.update([3, 4])
        one.merge(other)
        assert one.counts().tolist() == [3, 1, 1, 3, 2]
        assert other.counts().tolist() == [1, 1, 1, 2, 2]
        together = fc.LearnedUnigramSampler(5, seed=1)
        together.update([0, 0, 3, 3, 4])
        np.testing.assert_array_equal(one.probability(range(5)), together.probability(range(5)))
        for sampler in (one, together):
            sampler.ids = sampler.sample([[0]], 20, unique=False).sampled_candidates.tolist()
        assert one.ids == together.ids

    def test_with_itself_doubles(self):
        sampler = fc.LearnedUnigramSampler(3)
        sampler.update([1, 1])
        sampler.merge(sampler)
        assert sampler.counts().tolist() == [1, 5, 1]

    def test_in_both_directions_at_once(self):
        """Neither thread waits for the other's lock while it holds its own."""
        one, other = (fc.LearnedUnigramSampler(1000) for _ in range(2))
        threads = [
            threading.Thread(target=lambda a=a, b=b: [a.merge(b) for _ in range(200)])
            for a, b in ((one, other), (other, one))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive()

    def test_refused(self):
        sampler = fc.LearnedUnigramSampler(3)
        with pytest.raises(TypeError, match="other must be a LearnedUnigramSampler, got UniformSampler"):
            sampler.merge(fc.UniformSampler(3))
        with pytest.raises(ValueError, match="other must have 3 classes as this sampler, got 4"):
            sampler.merge(fc.LearnedUnigramSampler(4))
        sampler.load_state_dict(sampler.state_dict() | {"counts": np.array([2**62, 1, 1])})
        with pytest.raises(ValueError, match=r"counts must add up to less than 2\*\*63, got about 9.22"):
            sampler.merge(sampler)
        assert sampler.counts().tolist() == [2**62, 1, 1]


class TestDecay:
    def test_ends(self):
        sampler = fc.LearnedUnigramSampler(100)
        sampler.update(np.arange(100) % 7)
        before = sampler.counts()
        sampler.decay(1.0)
        np.testing.assert_array_equal(sampler.counts(), before)
        sampler.decay(0)
        np.testing.assert_array_equal(sampler.counts(), np.ones(100))

    def test_is_right_on_average_however_small_the_counts(self):
        """10,000 classes seen once: of the learned 1 each keeps 0.3 on average."""
        sampler = fc.LearnedUnigramSampler(10**4, seed=1)
        sampler.update(np.arange(10**4))
        sampler.decay(0.3)
        learned = sampler.counts() - 1
        assert set(learned.tolist()) == {0, 1}
        assert abs(learned.mean() - 0.3) < 5 * np.sqrt(0.21 / 10**4)

    def test_changes_a_count_by_less_than_one_from_the_product(self):
        sampler = fc.LearnedUnigramSampler(5000, seed=1)
        sampler.update(np.random.default_rng(0).integers(0, 50, 10**5))
        before = sampler.counts() - 1
        sampler.decay(0.77)
        assert np.abs(sampler.counts() - 1 - before * 0.77).max() < 1.0
        assert sampler.probability(np.arange(5000)).sum() == pytest.approx(1.0)

    def test_is_reproducible_with_any_number_of_threads(self):
        results = []
        for threads in (1, 2, 3):
            with fc.num_threads(threads):
                sampler = fc.LearnedUnigramSampler(20000, seed=(1, 2))
                sampler.update(np.arange(20000))
                sampler.decay(0.5)
                sampler.decay(0.5)
                results.append(sampler.counts())
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])
        assert 0.2 < (results[0] - 1).mean() < 0.3

    @pytest.mark.parametrize(
        ("factor", "error", "message"),
        [
            (1.1, ValueError, r"factor must be in \[0, 1\], got 1.1"),
            (-0.1, ValueError, r"factor must be in \[0, 1\], got -0.1"),
            (np.nan, ValueError, r"factor must be in \[0, 1\], got nan"),
            ("x", TypeError, "factor must be a number, got str"),
        ],
    )
    def test_refused(self, factor, error, message):
        with pytest.raises(error, match=message):
            fc.LearnedUnigramSampler(3).decay(factor)


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ([1, 1], ValueError, r"state\['counts'\] must have shape \(3,\), got \(2,\)"),
        ([1, 0, 1], ValueError, r"state\['counts'\] must be at least 1, got 0 at \[1\]"),
        ([1.0, 1, 1], TypeError, r"state\['counts'\] must be integers, got float64"),
        ([2**62, 2**62, 1], ValueError, r"counts must add up to less than 2\*\*63"),
    ],
)
def test_refused_states(counts, error, message):
    sampler = fc.LearnedUnigramSampler(3, seed=1)
    with pytest.raises(error, match=message):
        sampler.load_state_dict(sampler.state_dict() | {"counts": np.array(counts), "position": 512})
    state = sampler.state_dict()
    assert state.pop("counts").tolist() == [1, 1, 1]
    assert state["position"] == 0
    with pytest.raises(ValueError, match="state has no 'counts'"):
        sampler.load_state_dict(state)


def test_pickle_is_the_counts():
    sampler = fc.LearnedUnigramSampler(10**5)
    sampler.update([7])
    data = pickle.dumps(sampler)
    assert len(data) < 8.1 * 10**5
    np.testing.assert_array_equal(pickle.loads(data).counts(), sampler.counts())


def test_a_state_is_a_copy():
    sampler = fc.LearnedUnigramSampler(3)
    state = sampler.state_dict()
    sampler.update([0])
    assert state["counts"].tolist() == [1, 1, 1]
    sampler.counts()[:] = 9
    assert sampler.counts().tolist() == [2, 1, 1]


def test_threads_lose_no_label():
    sampler = fc.LearnedUnigramSampler(50)

    def work():
        for _ in range(200):
            sampler.sample(np.arange(50)[:, None], 5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sampler.counts().tolist() == [801] * 50
