"""The fixed unigram sampler's own arguments: weights from anywhere, power, reserved ids, shards, refusals."""

import gzip
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastcands as fc

COUNTS = np.arange(1, 10)


def make(num_classes=9, **kwargs):
    return fc.FixedUnigramSampler(num_classes, seed=42, **({"unigrams": COUNTS} | kwargs))


def draws(sampler):
    return sampler.sample([[0]], 50, unique=False).sampled_candidates.tolist()


@pytest.mark.parametrize(
    "unigrams",
    [
        COUNTS.tolist(),
        tuple(COUNTS),
        *[COUNTS.astype(t) for t in ("i1", "u1", "i2", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i8")],
        COUNTS.astype(np.longdouble),
        np.repeat(COUNTS, 3)[::3],
        (COUNTS / 64.0).tolist(),
    ],
)
def test_weights_of_any_type_and_scale(unigrams):
    assert draws(make(unigrams=unigrams)) == draws(make())


def test_weights_of_a_read_only_memmap(tmp_path):
    np.save(tmp_path / "counts.npy", COUNTS)
    memmap = np.load(tmp_path / "counts.npy", mmap_mode="r")
    assert draws(make(unigrams=memmap)) == draws(make())


def test_later_changes_of_the_array_are_nothing_to_the_sampler():
    weights = COUNTS.astype(np.float32)
    sampler = make(unigrams=weights)
    before = sampler.probability(np.arange(9))
    weights[:] = 1.0
    np.testing.assert_array_equal(sampler.probability(np.arange(9)), before)


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_weights_from_a_file(tmp_path, compress):
    (tmp_path / "v").write_bytes(compress(b"".join(b"w%d,%d\n" % (i, c) for i, c in enumerate(COUNTS))))
    for path in (tmp_path / "v", str(tmp_path / "v")):
        assert draws(make(unigrams=None, vocab_file=path)) == draws(make())


def test_a_vocabulary_of_one_line(tmp_path):
    (tmp_path / "v").write_text("word,3")
    values = make(1, unigrams=None, vocab_file=tmp_path / "v").sample([[0]], 1)
    assert values.sampled_candidates.tolist() == [0]
    assert values.true_expected_count.tolist() == [[1.0]]


@pytest.mark.parametrize("distortion", [1.0, 0.75, 0.5, 0.0, -1.0, 2, np.float32(0.3)])
def test_probability(distortion):
    p = make(distortion=distortion).probability(np.arange(9))
    expected = (COUNTS.astype(np.float32) ** np.float32(distortion)).astype(float)
    np.testing.assert_allclose(p, expected / expected.sum(), rtol=2e-7)


def test_distortion_of_zero_makes_rare_classes_equal_and_leaves_reserved_ones_out():
    p = make(5, unigrams=[0, 0, 7], num_reserved_ids=2, distortion=0.0).probability(np.arange(5))
    np.testing.assert_allclose(p, [0, 0, 1 / 3, 1 / 3, 1 / 3])


@given(st.integers(1, 6), st.integers(0, 12), st.integers(1, 30))
def test_shards_divide_the_classes(num_shards, reserved, lines):
    """Together the shards have every global id once, each with its weight; reserved ids have none."""
    weights = np.arange(1.0, lines + 1)
    everything = np.concatenate([np.zeros(reserved), weights])
    for shard in range(num_shards):
        mine = everything[shard::num_shards]
        if not mine.any():
            continue
        sampler = fc.FixedUnigramSampler(
            len(mine), unigrams=weights, num_reserved_ids=reserved, num_shards=num_shards, shard=shard
        )
        np.testing.assert_allclose(sampler.probability(np.arange(len(mine))), mine / mine.sum(), rtol=1e-7)


def test_shards_of_a_file_are_those_of_the_array(tmp_path):
    (tmp_path / "v").write_text("\n".join(map(str, COUNTS)))
    for shard, size in ((0, 4), (1, 4), (2, 4)):
        arguments = {"num_reserved_ids": 3, "num_shards": 3, "shard": shard}
        from_file = make(size, unigrams=None, vocab_file=tmp_path / "v", **arguments)
        assert draws(from_file) == draws(make(size, **arguments))


def test_classes_of_weight_zero_are_never_drawn_and_expected_never():
    sampler = make(6, unigrams=[0, 3, 0, 1], num_reserved_ids=2)
    for unique in (True, False):
        values = sampler.sample([[0, 1, 2, 3, 4, 5]], 2, unique=unique)
        assert set(values.sampled_candidates.tolist()) <= {3, 5}
        assert (values.true_expected_count > 0).tolist() == [[False, False, False, True, False, True]]


def test_unique_draws_of_all_positive_classes():
    sampler = make(1000, unigrams=(np.arange(1000) % 10 == 3).astype(int))
    ids = sampler.sample([[0]], 100).sampled_candidates
    assert sorted(ids.tolist()) == list(range(3, 1000, 10))


def test_weights_have_a_float64_total():
    """A float32 running total would stall at 2**24: probabilities would not add up to 1."""
    weights = np.ones(2**24 + 1000, np.float32)
    weights[0] = 2**24
    sampler = fc.FixedUnigramSampler(len(weights), unigrams=weights)
    total = 2.0**25 + 999
    assert sampler.probability(0) == 2**24 / total
    values = sampler.sample([[0, 1]], 1, unique=False)
    np.testing.assert_array_equal(values.true_expected_count[0], (np.array([2**24, 1]) / total).astype(np.float32))


def test_pickle_is_the_weights():
    sampler = make(10**5, unigrams=np.arange(10**5))
    data = pickle.dumps(sampler)
    assert len(data) < 4.1 * 10**5
    assert draws(pickle.loads(data)) == draws(sampler)


REFUSED = [
    ({"unigrams": [1, np.nan, 2]}, ValueError, r"unigrams\[1\] must be finite and not negative, got nan"),
    ({"unigrams": [1, 2, -1.5]}, ValueError, r"unigrams\[2\] must be finite and not negative, got -1.5"),
    ({"unigrams": [np.inf, 2, 1]}, ValueError, r"unigrams\[0\] must be finite and not negative, got inf"),
    ({"unigrams": [np.inf, 2, 1], "distortion": -1}, ValueError, r"unigrams\[0\] must be finite"),
    ({"unigrams": [1, 1e300, 1]}, ValueError, r"unigrams\[1\] to the power of distortion = 1.0 must be at most"),
    ({"unigrams": [1, 3e38, 1]}, ValueError, r"unigrams\[1\] .* at most 1.134e\+38, the largest float32 divided"),
    ({"unigrams": [0, 0, 0]}, ValueError, "unigrams must have a positive weight, got none to the power of"),
    ({"unigrams": [2, 0, 1], "distortion": -1}, ValueError, r"unigrams\[1\] to the power of distortion = -1.0"),
    ({"unigrams": [1, 2]}, ValueError, "must have 3 weights for the 3 classes of this shard, 0 of them .* got 2"),
    ({"unigrams": [1] * 4}, ValueError, "unigrams must have 3 weights .*, got 4"),
    ({"unigrams": []}, ValueError, "unigrams must have 3 weights .*, got 0"),
    ({"unigrams": [1], "num_reserved_ids": 1}, ValueError, "must have 2 weights .* 1 of them reserved, got 1"),
    ({"unigrams": [], "num_reserved_ids": 3}, ValueError, "must have a positive weight"),
    ({"unigrams": [], "num_reserved_ids": 4}, ValueError, "num_reserved_ids must reserve at most the 3 classes"),
    ({"unigrams": [[1, 2, 3]]}, ValueError, r"unigrams must have 1 dimension, got shape \(1, 3\)"),
    ({"unigrams": ["a", "b", "c"]}, TypeError, "unigrams must be numbers, got <U1"),
    ({"unigrams": [True, True, False]}, TypeError, "unigrams must be numbers, got bool"),
    ({"unigrams": np.array([1, 2, 3], object)}, TypeError, "unigrams must be numbers, got object"),
    ({"unigrams": [1j, 1, 2]}, TypeError, "unigrams must be numbers, got complex128"),
    ({}, ValueError, "one of unigrams and vocab_file must be given, got none"),
    ({"unigrams": [1, 2, 3], "vocab_file": "x"}, ValueError, "one of unigrams and vocab_file must be given, got both"),
    ({"vocab_file": "/nowhere/at/all"}, FileNotFoundError, "/nowhere/at/all"),
    ({"unigrams": [1, 2, 3], "distortion": np.nan}, ValueError, "distortion must be finite, got nan"),
    ({"unigrams": [1, 2, 3], "distortion": "1"}, TypeError, "distortion must be a number, got str"),
    ({"unigrams": [1, 2, 3], "distortion": True}, TypeError, "distortion must be a number, got bool"),
    ({"unigrams": [1, 2, 3], "num_shards": 0}, ValueError, "num_shards must be at least 1, got 0"),
    ({"unigrams": [1, 2, 3], "shard": -1}, ValueError, "shard must be at least 0, got -1"),
    ({"unigrams": [1, 2, 3], "shard": 1}, ValueError, "shard must be below num_shards = 1, got 1"),
    ({"unigrams": [1, 2, 3], "num_reserved_ids": -1}, ValueError, "num_reserved_ids must be at least 0, got -1"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), REFUSED)
def test_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fc.FixedUnigramSampler(3, **arguments)


def test_the_first_bad_weight_is_named_with_any_number_of_threads():
    weights = np.ones(300000)
    weights[[70000, 70001, 200000, 299999]] = np.nan
    for threads in (1, 2, 3):
        with fc.num_threads(threads), pytest.raises(ValueError, match=r"unigrams\[70000\] must be finite"):
            fc.FixedUnigramSampler(len(weights), unigrams=weights)


def test_bad_weights_are_named_by_their_place_among_all_shards():
    with pytest.raises(ValueError, match=r"unigrams\[4\] must be finite"):
        make(4, unigrams=[1, 2, 3, 4, np.nan, 6, 7], num_shards=2)


def test_a_file_without_positive_weights(tmp_path):
    (tmp_path / "v").write_text("0\n0\n")
    with pytest.raises(ValueError, match="vocab_file must have a positive weight"):
        fc.FixedUnigramSampler(2, vocab_file=tmp_path / "v")
    with pytest.raises(ValueError, match=r"weight 0 of vocab_file to the power of distortion = -1.0 must be at most"):
        fc.FixedUnigramSampler(2, vocab_file=tmp_path / "v", distortion=-1)
    with pytest.raises(ValueError, match=r"vocab_file must have 3 weights for the 3 classes .* got 2"):
        fc.FixedUnigramSampler(3, vocab_file=tmp_path / "v")


def test_more_unique_candidates_than_positive_classes():
    sampler = make(5, unigrams=[1, 0, 2, 0, 0])
    before = sampler.state_dict()
    with pytest.raises(ValueError, match="at most 2 for unique candidates, the number of classes of positive"):
        sampler.sample([[0]], 3)
    assert sampler.state_dict() == before
    assert sorted(sampler.sample([[0]], 2).sampled_candidates.tolist()) == [0, 2]


@pytest.mark.parametrize("expected_count", ["tensorflow", "unbiased"])
@pytest.mark.parametrize("unique", [False, True])
def test_expected_counts_of_classes_that_hardly_ever_come(unique, expected_count):
    """Weights to the power of the distortion, and counts, are float32 numbers: off by 2^-150 each, 0 below."""
    base = np.array([1.0] * 6 + [1e-19, 3e-20, 1e-20, 1e-21, 1e-25])
    sampler = fc.FixedUnigramSampler(11, unigrams=base, distortion=2.0, seed=1)
    p = base**2 / (base**2).sum()
    values = sampler.sample(np.arange(11)[:, None], 2, unique=unique, expected_count=expected_count)
    counts, tiny = values.true_expected_count[:, 0].astype(float), 2.0**-150
    tries = counts[6] / p[6]  # for what is rare the count is p times the tries
    assert 0.1 < tries < 30
    assert (np.abs(counts[7:] - tries * p[7:]) <= tiny * (1 + tries) * 1.1 + 1e-4 * counts[7:]).all()
    assert 0 < counts[9] < np.finfo(np.float32).tiny
    assert counts[10] == 0
    weights, inputs = np.zeros((11, 2), np.float32), np.ones((1, 2), np.float32)
    loss = fc.SampledSoftmaxLoss(sampler, 2, unique=unique)
    assert np.isfinite(loss.value(weights, None, [9], inputs)).all()
    with pytest.raises(ValueError, match=r"labels\[0, 0\] = 10 has weight 0 in the sampler"):
        loss.value(weights, None, [10], inputs)
