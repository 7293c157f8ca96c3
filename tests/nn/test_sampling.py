"""The functions of fastcands.nn: TensorFlow's names, order and defaults, and state by attributes."""

import inspect
import threading

import numpy as np
import pytest

import fastcands as fc
from fastcands.nn import shared


def fixed_unigram(true_classes, num_true, num_sampled, unique, range_max, seed=None):
    weights = tuple(range(1, range_max + 1))
    return fc.nn.fixed_unigram_candidate_sampler(
        true_classes, num_true, num_sampled, unique, range_max, unigrams=weights, seed=seed
    )


SAMPLERS = {
    "uniform": (fc.nn.uniform_candidate_sampler, fc.UniformSampler),
    "log_uniform": (fc.nn.log_uniform_candidate_sampler, fc.LogUniformSampler),
    "learned_unigram": (fc.nn.learned_unigram_candidate_sampler, fc.LearnedUnigramSampler),
    "thread_unsafe_unigram": (fc.nn.thread_unsafe_unigram_candidate_sampler, fc.LearnedUnigramSampler),
    "fixed_unigram": (
        fixed_unigram,
        lambda v, seed: fc.FixedUnigramSampler(v, unigrams=np.arange(1, v + 1), seed=seed),
    ),
}


@pytest.fixture(autouse=True)
def _fresh_state():
    fc.nn.reset()
    yield
    fc.nn.reset()


@pytest.fixture(params=SAMPLERS)
def pair(request):
    return SAMPLERS[request.param]


FIRST = ["true_classes", "num_true", "num_sampled", "unique"]
VOCABULARY = {
    "vocab_file": "",
    "distortion": 1.0,
    "num_reserved_ids": 0,
    "num_shards": 1,
    "shard": 0,
    "unigrams": (),
}


@pytest.mark.parametrize(
    ("op", "names", "defaults"),
    [
        *[(op, [*FIRST, "range_max", "seed", "name"], [None, None]) for op in list(SAMPLERS)[:4]],
        (
            "fixed_unigram",
            [*FIRST, "range_max", *VOCABULARY, "seed", "name"],
            [*VOCABULARY.values(), None, None],
        ),
        ("all", [*FIRST, "seed", "name"], [None, None]),
    ],
)
def test_signature(op, names, defaults):
    parameters = inspect.signature(getattr(fc.nn, f"{op}_candidate_sampler")).parameters
    assert list(parameters) == names
    assert [p.default for p in parameters.values() if p.default is not p.empty] == defaults


def test_calls_go_on_in_the_stream_of_their_attributes(pair):
    function, sampler_class = pair
    sampler = sampler_class(100, seed=42)
    for _ in range(3):
        values, expected = function([[1], [2]], 1, 6, True, 100, seed=42), sampler.sample([[1], [2]], 6)
        for got, want in zip(values, expected, strict=True):
            np.testing.assert_array_equal(got, want)
        function([[1], [2]], 1, 6, True, 101, seed=42)
        function([[1], [2]], 1, 7, True, 100, seed=42)
        function([[1], [2]], 1, 6, False, 100, seed=42)
        function([[1, 2]], 2, 6, True, 100, seed=42)
        function([[1], [2]], 1, 6, True, 100, seed=43)
        function([[1], [2]], 1, 6, True, 100)


def test_seeds_that_are_one_attribute_share_a_stream(pair):
    function, _ = pair
    first = function([[1]], 1, 9, True, 10**5, seed=5).sampled_candidates
    second = function([[1]], 1, 9, True, 10**5, seed=5 + 2**31 - 1).sampled_candidates
    assert first.tolist() != second.tolist()
    fc.nn.reset()
    assert function([[1]], 1, 9, True, 10**5, seed=5 + 2**31 - 1).sampled_candidates.tolist() == first.tolist()


def test_no_seed_is_random_and_keeps_its_stream(pair):
    function, _ = pair
    draws = set()
    for _ in range(4):
        draws.add(tuple(function([[1]], 1, 9, True, 10**5).sampled_candidates))
    fc.nn.reset()
    draws.add(tuple(function([[1]], 1, 9, True, 10**5).sampled_candidates))
    assert len(draws) == 5


def test_one_dimensional_classes(pair):
    function, _ = pair
    assert function([1, 2, 3], 1, 4, True, 10).true_expected_count.shape == (3, 1)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (
            ([[10]], 1, 3, True, 10),
            ValueError,
            r"true_classes must be in \[0, range_max\) = \[0, 10\), got 10",
        ),
        (([[-1]], 1, 3, True, 10), ValueError, "got -1"),
        (
            ([[1]], 2, 3, True, 10),
            ValueError,
            r"true_classes must have num_true = 2 columns, got shape \(1, 1\)",
        ),
        (([1], 2, 3, True, 10), ValueError, r"true_classes must have shape \(B, num_true\), got \(1,\)"),
        (([[1]], 0, 3, True, 10), ValueError, "num_true must be at least 1, got 0"),
        (([[1]], 1, 0, True, 10), ValueError, "num_sampled must be at least 1, got 0"),
        (([[1]], 1, 3, True, 0), ValueError, "range_max must be at least 1, got 0"),
        (([[1]], 1, 3, 1, 10), TypeError, "unique must be a bool, got int"),
        (([[1]], 1, 11, True, 10), ValueError, "num_sampled must be at most range_max = 10 for unique"),
        (([[1.0]], 1, 3, True, 10), TypeError, "true_classes must be integers, got float64"),
        (([[1]], 1, 3, True, 10, 0.5), TypeError, "seed must be None, an integer"),
    ],
)
def test_refused(pair, args, error, message):
    function, _ = pair
    with pytest.raises(error, match=message):
        function(*args)


def test_a_refused_call_moves_nothing(pair):
    function, _ = pair
    first = [function([[1]], 1, 5, True, 100, seed=3).sampled_candidates.tolist() for _ in range(2)]
    fc.nn.reset()
    again = [function([[1]], 1, 5, True, 100, seed=3).sampled_candidates.tolist()]
    with pytest.raises(ValueError, match="got 100"):
        function([[100]], 1, 5, True, 100, seed=3)
    again.append(function([[1]], 1, 5, True, 100, seed=3).sampled_candidates.tolist())
    assert again == first


def test_threads_share_the_process_state(pair):
    function, sampler_class = pair
    results = []

    def work():
        results.extend(function([[1]], 1, 8, True, 1000, seed=1).sampled_candidates.tolist() for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sampler = sampler_class(1000, seed=1)
    expected = [sampler.sample([[1]], 8).sampled_candidates.tolist() for _ in range(80)]
    assert sorted(results) == sorted(expected)


def test_learned_counts_are_kept_by_attributes_and_forgotten_by_reset():
    def expected():
        return fc.nn.learned_unigram_candidate_sampler([[3]], 1, 4, False, 7, seed=42).true_expected_count[0, 0]

    assert [expected() for _ in range(3)] == pytest.approx([4 / 7, 4 * 2 / 8, 4 * 3 / 9])
    fc.nn.thread_unsafe_unigram_candidate_sampler([[3]], 1, 4, False, 7, seed=42)
    fc.nn.learned_unigram_candidate_sampler([[3]], 1, 4, True, 7, seed=42)
    assert expected() == pytest.approx(4 * 4 / 10)
    fc.nn.reset()
    assert expected() == pytest.approx(4 / 7)


def test_a_refused_call_learns_nothing():
    call = fc.nn.learned_unigram_candidate_sampler
    for bad in ([[7]], [[3.0]], [[3, 3]]):
        with pytest.raises((TypeError, ValueError)):
            call(bad, 1, 4, False, 7, seed=42)
    assert call([[3]], 1, 4, False, 7, seed=42).true_expected_count[0, 0] == pytest.approx(4 / 7)


class TestFixedUnigram:
    call = staticmethod(fc.nn.fixed_unigram_candidate_sampler)

    def first(self, **arguments):
        return self.call([[0]], 1, 20, False, 4, seed=1, **arguments).sampled_candidates.tolist()

    def test_weights_are_told_apart_by_what_they_are(self):
        """Equal weights go on in one stream, whatever holds them; others have their own."""
        sampler = fc.FixedUnigramSampler(4, unigrams=[1, 2, 3, 4], seed=1)
        weights = (1, 2, 3, 4)
        same = [weights, weights, [1, 2, 3, 4], np.array([1.0, 2.0, 3.0, 4.0]), np.arange(9)[1:5]]
        for unigrams in same:
            assert self.first(unigrams=unigrams) == sampler.sample([[0]], 20, unique=False).sampled_candidates.tolist()
            self.first(unigrams=[1, 2, 3, 5])
            self.first(unigrams=unigrams, distortion=0.5)

    def test_new_tuples_do_not_pile_up(self):
        for _ in range(50):
            self.first(unigrams=tuple(np.arange(1.0, 5.0).tolist()))
        assert len(shared._digests) <= 8
        assert len(shared._shared) == 1

    def test_a_changed_list_is_another_sampler(self):
        weights = [1.0, 0.0, 0.0, 0.0]
        assert set(self.first(unigrams=weights)) == {0}
        weights[:2] = 0.0, 1.0
        assert set(self.first(unigrams=weights)) == {1}

    def test_a_file_is_read_once(self, tmp_path):
        path = tmp_path / "v"
        path.write_text("a,1\nb,0\nc,0\nd,0\n")
        assert set(self.first(vocab_file=path)) == {0}
        path.unlink()
        assert set(self.first(vocab_file=str(path))) == {0}
        fc.nn.reset()
        with pytest.raises(FileNotFoundError):
            self.first(vocab_file=path)

    def test_reserved_ids_below_zero_are_none(self):
        assert self.first(unigrams=(1, 2, 3, 4), num_reserved_ids=-3) == self.first_of_another(unigrams=(1, 2, 3, 4))

    def first_of_another(self, **arguments):
        fc.nn.reset()
        return self.first(**arguments)

    def test_shards(self):
        for shard in range(2):
            got = self.call([[0]], 1, 9, False, 2, unigrams=(1, 2, 3, 4), num_shards=2, shard=shard, seed=1)
            sampler = fc.FixedUnigramSampler(2, unigrams=[1 + shard, 3 + shard], seed=1)
            expected = sampler.sample([[0]], 9, unique=False)
            np.testing.assert_array_equal(got.sampled_candidates, expected.sampled_candidates)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({}, ValueError, "one of unigrams and vocab_file must be given, got none"),
            ({"unigrams": []}, ValueError, "one of unigrams and vocab_file must be given, got none"),
            (
                {"unigrams": (1,), "vocab_file": "x"},
                ValueError,
                "one of unigrams and vocab_file must be given, got both",
            ),
            ({"unigrams": (1, 2, 3)}, ValueError, "unigrams must have 4 weights for the 4 classes of this shard"),
            ({"unigrams": (1, 2, 3, -1)}, ValueError, r"unigrams\[3\] must be finite and not negative, got -1.0"),
            ({"unigrams": 3}, ValueError, r"unigrams must have 1 dimension, got shape \(\)"),
            ({"unigrams": "abcd"}, TypeError, "unigrams must be numbers, got <U4"),
            ({"unigrams": (1, 2, 3, 4), "shard": 1}, ValueError, "shard must be below num_shards = 1, got 1"),
            ({"unigrams": (1, 2, 3, 4), "num_shards": 0}, ValueError, "num_shards must be at least 1, got 0"),
            ({"unigrams": (1, 2, 3, 4), "distortion": None}, TypeError, "distortion must be a number, got NoneType"),
            ({"vocab_file": 3}, TypeError, "vocab_file must be a path, got int"),
        ],
    )
    def test_refused(self, arguments, error, message):
        with pytest.raises(error, match=message):
            self.first(**arguments)


class TestAllCandidates:
    def test_every_class_once(self):
        values = fc.nn.all_candidate_sampler([[0, 4], [2, 2]], 2, 5, False)
        assert values.sampled_candidates.tolist() == [0, 1, 2, 3, 4]
        assert values.true_expected_count.tolist() == [[1.0, 1.0]] * 2
        assert values.sampled_expected_count.tolist() == [1.0] * 5

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (([[5]], 1, 5, True), r"true_classes must be in \[0, num_sampled\) = \[0, 5\), got 5"),
            (([[1]], 2, 5, True), "true_classes must have num_true = 2 columns"),
            (([[1]], 1, 0, True), "num_sampled must be at least 1, got 0"),
        ],
    )
    def test_refused(self, args, message):
        with pytest.raises(ValueError, match=message):
            fc.nn.all_candidate_sampler(*args)


@pytest.mark.parametrize("op", ["learned_unigram", "thread_unsafe_unigram"])
@pytest.mark.parametrize("range_max", [2**31 - 1, 2**32 + 1, 2**63 - 1])
def test_too_many_classes_to_count(op, range_max):
    with pytest.raises(ValueError, match=f"range_max must be at most 2147483646, got {range_max}"):
        getattr(fc.nn, f"{op}_candidate_sampler")([[0]], 1, 1, True, range_max)


class TestAccidentalHits:
    def test_signature(self):
        parameters = inspect.signature(fc.nn.compute_accidental_hits).parameters
        assert list(parameters) == ["true_classes", "sampled_candidates", "num_true", "seed", "name"]

    def test_order_and_copies(self):
        hits = fc.nn.compute_accidental_hits([[3, 9], [5, 3]], [3, 7, 5, 3], 2)
        assert hits.indices.tolist() == [0, 0, 1, 1, 1]
        assert hits.ids.tolist() == [0, 3, 2, 0, 3]
        assert hits.weights.tolist() == [-3.4028234663852886e38] * 5
        assert (hits.indices.dtype, hits.ids.dtype, hits.weights.dtype) == (np.int32, np.int64, np.float32)

    @pytest.mark.parametrize(
        ("args", "error", "message"),
        [
            (([[1]], [[1]], 1), ValueError, r"sampled_candidates must have 1 dimension, got shape \(1, 1\)"),
            (([[1]], [1], 2), ValueError, "true_classes must have num_true = 2 columns"),
            (([[1]], [1.0], 1), TypeError, "sampled_candidates must be integers, got float64"),
            (([[1.5]], [1], 1), TypeError, "true_classes must be integers, got float64"),
            (([[1]], [1], 0), ValueError, "num_true must be at least 1, got 0"),
        ],
    )
    def test_refused(self, args, error, message):
        with pytest.raises(error, match=message):
            fc.nn.compute_accidental_hits(*args)
