"""What holds for every sampler: the model's draws, shapes, state, threads, refusals."""

import copy
import functools
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastcands as fc
from fastcands import reference
from tests import draws_model


def fixed_unigram(num_classes, **kwargs):
    return fc.FixedUnigramSampler(num_classes, unigrams=np.arange(1, num_classes + 1), **kwargs)


SAMPLERS = {
    "uniform": fc.UniformSampler,
    "log_uniform": fc.LogUniformSampler,
    "learned_unigram": fc.LearnedUnigramSampler,
    "fixed_unigram": fixed_unigram,
}
BOUNDLESS = ("uniform", "log_uniform")


def probabilities(name, num_classes, seen=()):
    """Probability of every class after some labels."""
    if name == "uniform":
        return reference.uniform_probability(np.arange(num_classes), num_classes)
    if name == "log_uniform":
        return reference.log_uniform_probability(np.arange(num_classes), num_classes)
    weights = np.arange(1.0, num_classes + 1)
    if name == "learned_unigram":
        weights = 1.0 + np.bincount(np.array(seen, int), minlength=num_classes)
    return weights / weights.sum()


def model(name, num_classes, seen=()):
    """The plain-Python draw after some labels."""
    if name == "learned_unigram":
        return draws_model.by_counts(1 + np.bincount(np.array(seen, int), minlength=num_classes))
    if name == "fixed_unigram":
        return draws_model.by_weights(range(1, num_classes + 1))
    return getattr(draws_model, name)(num_classes)


@pytest.fixture(params=SAMPLERS)
def name(request):
    return request.param


def assert_same_state(state, before):
    assert state.keys() == before.keys()
    for key, value in before.items():
        np.testing.assert_array_equal(state[key], value)


def ids_of(sampler, num_sampled=20, calls=1, unique=True):
    return [sampler.sample([[0]], num_sampled, unique=unique).sampled_candidates.tolist() for _ in range(calls)]


@given(
    st.sampled_from(list(SAMPLERS)),
    st.integers(1, 300),
    st.booleans(),
    st.integers(1, 40),
    st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 2**64 - 1)),
)
def test_draws_and_counts_are_the_models(name, num_classes, unique, num_sampled, seeds):
    if unique:
        num_sampled = min(num_sampled, num_classes if num_classes <= 10 else num_classes // 2)
    sampler = SAMPLERS[name](num_classes, seed=seeds)
    labels = np.array([[0, num_classes - 1], [num_classes // 2, 0]])
    seen = []
    for call in range(2):
        values = sampler.sample(labels, num_sampled, unique=unique)
        draw = model(name, num_classes, seen)
        ids, tries = draws_model.candidates(draw, seeds, call, num_sampled, unique)
        assert values.sampled_candidates.tolist() == ids
        p = probabilities(name, num_classes, seen)
        for got, at in ((values.sampled_expected_count, ids), (values.true_expected_count, labels)):
            np.testing.assert_allclose(got, reference.expected_count(p[at], num_sampled, tries), rtol=1e-6)
        seen += labels.ravel().tolist()


def test_calls_of_different_sizes_share_one_stream(name):
    """A call takes 512 blocks of the stream for each candidate it asks for, whatever it uses."""
    sampler = SAMPLERS[name](1000, seed=(1, 2))
    first = sampler.sample([[0]], 3)
    second = sampler.sample([[0]], 7)
    assert sampler.state_dict()["position"] == 512 * 10
    stream = draws_model.words((1, 2), 512 * 3)
    draw = model(name, 1000, [0])
    assert second.sampled_candidates.tolist() == list(dict.fromkeys(draw(stream) for _ in range(12)))[:7]
    assert first.sampled_candidates.shape == (3,)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint64, np.int64])
def test_labels_of_any_integer_type(name, dtype):
    values = SAMPLERS[name](100, seed=1).sample(np.array([[3, 99], [0, 1]], dtype), 5)
    expected = SAMPLERS[name](100, seed=1).sample([[3, 99], [0, 1]], 5)
    np.testing.assert_array_equal(values.true_expected_count, expected.true_expected_count)
    assert values.true_expected_count.dtype == values.sampled_expected_count.dtype == np.float32
    assert values.sampled_candidates.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "shape"),
    [
        ([1, 2, 3], (3, 1)),
        ([[1, 2, 3]], (1, 3)),
        (np.zeros((0, 2), int), (0, 2)),
        ([], (0, 1)),
        (np.arange(24).reshape(4, 6)[::2, ::3], (2, 2)),
    ],
)
def test_labels_of_one_or_two_dimensions(name, labels, shape):
    assert SAMPLERS[name](100, seed=1).sample(labels, 5).true_expected_count.shape == shape


def test_labels_are_left_alone(name):
    labels = np.arange(6).reshape(3, 2)
    labels.flags.writeable = False
    SAMPLERS[name](100).sample(labels, 5)
    assert labels.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_labels_do_not_influence_the_draw(name):
    expected = ids_of(SAMPLERS[name](50, seed=3))[0]
    for labels in ([[49]], [[49, 48], [1, 1]], np.zeros((0, 1), int)):
        assert SAMPLERS[name](50, seed=3).sample(labels, 20).sampled_candidates.tolist() == expected


def test_all_classes(name):
    for num_classes in (1, 2, 7, 64):
        ids = SAMPLERS[name](num_classes, seed=4).sample([[0]], num_classes).sampled_candidates
        assert sorted(ids.tolist()) == list(range(num_classes))


def test_a_single_class_drawn_many_times(name):
    values = SAMPLERS[name](1).sample([[0]], 5, unique=False)
    assert values.sampled_candidates.tolist() == [0] * 5
    assert values.sampled_expected_count.tolist() == [5.0] * 5


@pytest.mark.parametrize("unique", [True, False])
def test_threads_change_nothing(name, unique):
    num_classes = 10**9 if name in BOUNDLESS else 10**6
    results = []
    for threads in (1, 2, 5):
        with fc.num_threads(threads):
            results.append(SAMPLERS[name](num_classes, seed=6).sample([[0, 5]], 70001, unique=unique))
    for values in results[1:]:
        for got, expected in zip(values, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)
    if unique:
        assert len(set(results[0].sampled_candidates.tolist())) == 70001


def test_probability(name):
    sampler = SAMPLERS[name](5)
    sampler.sample([[3, 3]], 2)
    p = sampler.probability([[0, 1], [2, 3]])
    assert p.shape == (2, 2)
    assert p.dtype == np.float64
    assert sampler.probability(4).shape == ()
    expected = probabilities(name, 5, [3, 3])
    np.testing.assert_allclose([*p.ravel(), sampler.probability(4)], expected, rtol=1e-15)
    with pytest.raises(ValueError, match=r"ids must be in \[0, num_classes\) = \[0, 5\), got 5"):
        sampler.probability([5])


class TestSeeds:
    def test_integer_is_tensorflows_pair(self, name):
        for seed, pair in ((42, (87654321, 42)), (0, (87654321, 0)), (-1, (87654321, 2**31 - 2))):
            assert ids_of(SAMPLERS[name](1000, seed=seed)) == ids_of(SAMPLERS[name](1000, seed=pair))
        assert ids_of(SAMPLERS[name](1000, seed=np.int32(5))) == ids_of(SAMPLERS[name](1000, seed=5))

    def test_signed_and_unsigned_pairs_are_the_same_bits(self, name):
        assert ids_of(SAMPLERS[name](1000, seed=(-1, -5))) == ids_of(SAMPLERS[name](1000, seed=(2**64 - 1, 2**64 - 5)))

    @pytest.mark.parametrize("seed", [None, (0, 0), [0, 0]])
    def test_no_seed_is_random(self, name, seed):
        assert len({tuple(ids_of(SAMPLERS[name](10**6, seed=seed))[0]) for _ in range(5)}) == 5

    def test_seed_sequence_and_generator(self, name):
        def by_sequence():
            return SAMPLERS[name](1000, seed=np.random.SeedSequence(7))

        assert ids_of(by_sequence()) == ids_of(by_sequence())
        assert ids_of(by_sequence()) != ids_of(SAMPLERS[name](1000, seed=np.random.SeedSequence(8)))
        generator = np.random.default_rng(7)
        first, second = (ids_of(SAMPLERS[name](1000, seed=generator)) for _ in range(2))
        assert first != second
        assert ids_of(SAMPLERS[name](1000, seed=np.random.default_rng(7))) == first

    @pytest.mark.parametrize(
        ("seed", "error", "message"),
        [
            (True, TypeError, "seed must be None, an integer, a pair .* got bool"),
            (1.5, TypeError, "seed must be None, an integer, a pair .* got float"),
            ("1", TypeError, "seed must be None, an integer, a pair .* got str"),
            ((1,), ValueError, "seed must be a pair of integers, got 1 values"),
            ((1, 2, 3), ValueError, "got 3 values"),
            ((1, 2.0), TypeError, "got float"),
            ((1, 2**64), ValueError, "each seed of a pair must fit 64 bits, got 18446744073709551616"),
            ((-(2**63) - 1, 1), ValueError, "each seed of a pair must fit 64 bits"),
        ],
    )
    def test_refused(self, name, seed, error, message):
        with pytest.raises(error, match=message):
            SAMPLERS[name](10, seed=seed)


class TestState:
    def test_round_trip(self, name):
        sampler = SAMPLERS[name](1000, seed=9)
        sampler.sample([[5], [999]] * 400, 13)
        state = sampler.state_dict()
        expected = ids_of(sampler, calls=3)
        other = SAMPLERS[name](1000)
        other.load_state_dict(state)
        assert ids_of(other, calls=3) == expected

    @pytest.mark.parametrize("clone", [lambda s: pickle.loads(pickle.dumps(s)), copy.copy, copy.deepcopy])
    def test_copies_go_on_alone(self, name, clone):
        sampler = SAMPLERS[name](1000, seed=9)
        sampler.sample([[5], [999]] * 400, 13)
        other = clone(sampler)
        assert type(other) is type(sampler)
        assert ids_of(other, calls=3) == ids_of(sampler, calls=3)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (
                {"num_classes": 11},
                ValueError,
                r"state\['num_classes'\] must be 10 as in this sampler, got 11",
            ),
            ({"sampler": "Other"}, ValueError, r"state\['sampler'\] must be '\w+' .* got 'Other'"),
            ({"position": -1}, ValueError, r"state\['position'\] must be at least 0, got -1"),
            ({"position": 2**61 + 1}, ValueError, r"state\['position'\] must be at most 2\*\*61"),
            ({"position": 0.5}, TypeError, r"state\['position'\] must be an integer, got float"),
            ({"seeds": (1,)}, ValueError, r"state\['seeds'\] must be a pair of integers, got 1 values"),
            ({"seeds": (1, 2**64)}, ValueError, "must fit 64 bits"),
        ],
    )
    def test_refused(self, name, change, error, message):
        sampler = SAMPLERS[name](10, seed=9)
        before = sampler.state_dict()
        with pytest.raises(error, match=message):
            sampler.load_state_dict(before | change)
        assert_same_state(sampler.state_dict(), before)

    def test_what_is_no_state(self, name):
        sampler = SAMPLERS[name](10)
        with pytest.raises(TypeError, match="state must be a dict as state_dict\\(\\) returns it, got list"):
            sampler.load_state_dict([])
        with pytest.raises(ValueError, match="state has no 'sampler'; it has \\['x'\\]"):
            sampler.load_state_dict({"x": 1})

    def test_positions_beyond_32_bits(self, name):
        """The draws of a call that starts 2**40 blocks into the stream."""
        sampler = SAMPLERS[name](1000, seed=(1, 2))
        sampler.load_state_dict(sampler.state_dict() | {"position": 2**40})
        draw, stream = model(name, 1000), draws_model.words((1, 2), 2**40)
        assert ids_of(sampler, 6, unique=False) == [[draw(stream) for _ in range(6)]]

    def test_end_of_the_stream(self, name):
        sampler = SAMPLERS[name](1000, seed=(1, 2))
        sampler.load_state_dict(sampler.state_dict() | {"position": 2**61 - 512 * 5})
        with pytest.raises(ValueError, match="num_sampled = 6 needs more than is left of the random stream"):
            sampler.sample([[0]], 6)
        sampler.sample([[0]], 5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("labels", "error", "message"),
        [
            ([[10]], ValueError, r"labels must be in \[0, num_classes\) = \[0, 10\), got 10 at \[0, 0\]"),
            ([[1, -1]], ValueError, r"got -1 at \[0, 1\]"),
            (np.array([[2**63]], np.uint64), ValueError, "got 9223372036854775808"),
            ([[2**63 - 1]], ValueError, "got 9223372036854775807"),
            (np.array([[1, 2], [3, -1]]), ValueError, r"got -1 at \[1, 1\]"),
            (np.array([[1, 2], [10, -1]]), ValueError, r"got 10 at \[1, 0\]"),
            (np.array([[1], [2**63 - 1]]), ValueError, r"got 9223372036854775807 at \[1, 0\]"),
            ([[1.0]], TypeError, "labels must be integers, got float64"),
            ([[True]], TypeError, "labels must be integers, got bool"),
            (np.array([[1]], object), TypeError, "labels must be integers, got object"),
            ([["a"]], TypeError, "labels must be integers"),
            (
                np.zeros((1, 1, 1), int),
                ValueError,
                r"labels must have shape \(B, num_true\), got \(1, 1, 1\)",
            ),
            (3, ValueError, "labels must have shape"),
            (np.zeros((2, 0), int), ValueError, "at least one column"),
        ],
    )
    def test_labels(self, name, labels, error, message):
        self.check(name, error, message, labels, 5)

    @pytest.mark.parametrize(
        ("num_sampled", "error", "message"),
        [
            (0, ValueError, "num_sampled must be at least 1, got 0"),
            (-3, ValueError, "num_sampled must be at least 1, got -3"),
            (2.0, TypeError, "num_sampled must be an integer, got float"),
            (True, TypeError, "num_sampled must be an integer, got bool"),
            (
                11,
                ValueError,
                "num_sampled must be at most num_classes = 10 for unique candidates, got 11",
            ),
        ],
    )
    def test_num_sampled(self, name, num_sampled, error, message):
        self.check(name, error, message, [[1]], num_sampled)

    def test_unique(self, name):
        self.check(name, TypeError, "unique must be a bool, got int", [[1]], 5, unique=1)

    def test_expected_count(self, name):
        message = "expected_count must be 'tensorflow' or 'unbiased', got 'x'"
        self.check(name, ValueError, message, [[1]], 5, expected_count="x")

    @staticmethod
    def check(name, error, message, *args, **kwargs):
        sampler = SAMPLERS[name](10, seed=1)
        before = sampler.state_dict()
        with pytest.raises(error, match=message):
            sampler.sample(*args, **kwargs)
        assert_same_state(sampler.state_dict(), before)

    @pytest.mark.parametrize(
        ("num_classes", "error", "message"),
        [
            (0, ValueError, "num_classes must be at least 1, got 0"),
            (2**63, ValueError, r"num_classes must be at most \d+, got 9223372036854775808"),
            (10.0, TypeError, "num_classes must be an integer, got float"),
            (None, TypeError, "num_classes must be an integer, got NoneType"),
        ],
    )
    def test_num_classes(self, name, num_classes, error, message):
        sampler_class = {"fixed_unigram": functools.partial(fc.FixedUnigramSampler, unigrams=[1])}.get(
            name, SAMPLERS[name]
        )
        with pytest.raises(error, match=message):
            sampler_class(num_classes)


@pytest.mark.parametrize("name", ["uniform", "log_uniform", "fixed_unigram"])
def test_several_threads_share_a_sampler(name):
    """Every call gets the stream's next place: together the threads draw what one would draw."""
    calls, results = 40, []

    def work():
        results.extend(ids_of(sampler, 30, calls=calls))

    sampler = SAMPLERS[name](500, seed=2)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(ids_of(SAMPLERS[name](500, seed=2), 30, calls=4 * calls))


@pytest.mark.parametrize("num_sampled", [2**20, 2**21])
def test_calls_of_millions_of_candidates_differ(num_sampled):
    """TensorFlow's count of reserved words overflows here: at 2**21 it draws the same candidates at every call."""
    sampler = fc.UniformSampler(2**40, seed=(1, 2))
    first, second = (sampler.sample([[0]], num_sampled, unique=False).sampled_candidates for _ in range(2))
    assert (first == second).mean() < 1e-3
    assert sampler.state_dict()["position"] == 2 * 512 * num_sampled
