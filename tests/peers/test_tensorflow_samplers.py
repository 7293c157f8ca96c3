"""Draws, expected counts and hits against TensorFlow's own ops, live, over random configurations."""

import functools

import numpy as np
import pytest
import tensorflow as tf

import fastcands as fc

CALLS = 3
WEIGHTS = tuple(float(w) for w in range(1, 51))
SEED_WORDS = (0, 1, 42, 2**31 - 1, 2**32 + 5, 2**63 - 1, -1, -(2**63))


@pytest.fixture(autouse=True)
def _fresh_state():
    tf.random.set_seed(None)  # clears TensorFlow's cache of kernels, so that streams start again
    fc.nn.reset()


def seed_pair(rng):
    if rng.random() < 0.2:
        pair = int(rng.choice(SEED_WORDS)), int(rng.choice(SEED_WORDS))
        return pair if pair != (0, 0) else (0, 1)
    return tuple(int(word) for word in rng.integers(-(2**63), 2**63, size=2))


def sizes(rng, largest_v, largest_s):
    """A number of classes, of candidates and of true classes, all orders of magnitude, with the edges."""
    v = int(np.exp(rng.uniform(0, np.log(largest_v))))
    if rng.random() < 0.2:
        v = min(2 ** int(rng.integers(0, int(np.log2(largest_v)) + 1)) + int(rng.integers(-1, 2)), largest_v)
    v = max(v, 1)
    unique = bool(rng.random() < 0.5)
    s = max(1, int(np.exp(rng.uniform(0, np.log(largest_s)))))
    if unique:
        # up to the sizes for which the draws are promised to be TensorFlow's
        s = min(s, v if v <= 10 else max(1, v // 2))
    return v, s, int(rng.integers(1, 6)), unique


def labels_for(rng, v, t):
    b = int(rng.integers(0, 9))
    labels = rng.integers(0, v, (b, t))
    if b:
        labels[0, 0] = rng.choice([0, v - 1])
    return labels


def assert_same(ours, theirs, rtol=1e-6):
    np.testing.assert_array_equal(ours.sampled_candidates, theirs.sampled_candidates.numpy())
    for ours_count, theirs_count in (
        (ours.true_expected_count, theirs.true_expected_count),
        (ours.sampled_expected_count, theirs.sampled_expected_count),
    ):
        assert ours_count.dtype == np.float32
        np.testing.assert_allclose(ours_count, theirs_count.numpy(), rtol=rtol, atol=0)


OPS = {
    "uniform": (tf.raw_ops.UniformCandidateSampler, fc.UniformSampler),
    "log_uniform": (tf.raw_ops.LogUniformCandidateSampler, fc.LogUniformSampler),
}
UNIGRAMS = {
    "learned_unigram": tf.raw_ops.LearnedUnigramCandidateSampler,
    "thread_unsafe_unigram": tf.raw_ops.ThreadUnsafeUnigramCandidateSampler,
}


@pytest.mark.parametrize("block", range(15))
@pytest.mark.parametrize("name", OPS)
def test_raw_ops_draw_the_same(name, block):
    op, sampler_class = OPS[name]
    rng = np.random.default_rng([block, len(name)])
    for _ in range(50):
        v, s, t, unique = sizes(rng, 2**40, 2000)
        seed, seed2 = seed_pair(rng)
        sampler = sampler_class(v, seed=(seed, seed2))
        for _ in range(CALLS):
            labels = labels_for(rng, v, t)
            attributes = {"num_true": t, "num_sampled": s, "unique": unique, "range_max": v}
            theirs = op(true_classes=labels, seed=seed, seed2=seed2, **attributes)
            assert_same(sampler.sample(labels, s, unique=unique), theirs)


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("name", UNIGRAMS)
def test_learned_unigram_draws_the_same(name, block):
    rng = np.random.default_rng([block, len(name)])
    for i in range(40):
        v, s, t, unique = sizes(rng, 10**4 if i else 3 * 10**6, 1000)
        seed, seed2 = seed_pair(rng)
        sampler = fc.LearnedUnigramSampler(v, seed=(seed, seed2))
        for _ in range(CALLS + 2):
            # few distinct labels, many times: the counts move away from uniform
            labels = rng.integers(0, v, 1 + v // 8)[rng.integers(0, 1 + v // 8, (int(rng.integers(0, 200)), t))]
            attributes = {"num_true": t, "num_sampled": s, "unique": unique, "range_max": v}
            theirs = UNIGRAMS[name](true_classes=labels, seed=seed, seed2=seed2, **attributes)
            assert_same(sampler.sample(labels, s, unique=unique), theirs)


def random_weights(rng, v):
    """Weights of many kinds: ties, zeros, small counts, Zipf, tiny and large ones."""
    kind = int(rng.integers(0, 7))
    if kind == 0:
        weights = np.ones(v)
    elif kind == 1:
        weights = rng.integers(0, 5, v).astype(float)
    elif kind == 2:
        weights = 1.0 / np.arange(1, v + 1)
    elif kind == 3:
        weights = rng.permutation(1e6 / np.arange(1, v + 1)).round()
    elif kind == 4:
        weights = np.exp(rng.normal(size=v) * 4)
    elif kind == 5:
        weights = rng.integers(1, 3, v) * 2.0 ** rng.integers(-30, 30)
    else:
        weights = rng.random(v) * 1e-20
    weights[rng.integers(0, v)] += weights.max() + 1e-20
    return weights.astype(np.float32)


def drift(weights, distortion):
    """How far TensorFlow's float32 running total of the weights is off."""
    powers = weights if distortion == 1.0 else weights ** np.float32(distortion)
    running = np.cumsum(powers, dtype=np.float32)[-1]
    return abs(float(running) / powers.sum(dtype=np.float64) - 1.0)


@pytest.mark.parametrize("block", range(10))
def test_fixed_unigram_draws_the_same(block, tmp_path):
    rng = np.random.default_rng(block)
    for i in range(40):
        v, s, t, unique = sizes(rng, 3000 if i else 10**5, 1000)
        weights = random_weights(rng, v)
        distortion = float(rng.choice([1.0, 0.75, 0.5, 0.0, 1.3]))
        reserved = int(rng.integers(0, v)) if rng.random() < 0.3 else 0
        given = {"distortion": distortion, "num_reserved_ids": reserved}
        positive = v if distortion == 0.0 and not reserved else int((weights[: v - reserved] > 0).sum())
        s = min(s, positive) if unique else s
        if rng.random() < 0.5:
            given["vocab_file"] = str(tmp_path / f"{i}.txt")
            lines = [f"word{j},{w!r}" for j, w in enumerate(weights[: v - reserved].tolist())]
            (tmp_path / f"{i}.txt").write_text("\n".join(lines))
        else:
            given["unigrams"] = weights[: v - reserved].tolist()
        seed, seed2 = seed_pair(rng)
        sampler = fc.FixedUnigramSampler(v, seed=(seed, seed2), **given)
        rtol = 1e-6 + drift(weights[: v - reserved], distortion)
        for _ in range(CALLS):
            labels = labels_for(rng, v, t)
            attributes = {"num_true": t, "num_sampled": s, "unique": unique, "range_max": v}
            theirs = tf.raw_ops.FixedUnigramCandidateSampler(
                true_classes=labels, seed=seed, seed2=seed2, **attributes, **given
            )
            assert_same(sampler.sample(labels, s, unique=unique), theirs, rtol)


def test_a_vocabulary_file_of_millions_of_lines(tmp_path):
    v, path = 3 * 10**6, tmp_path / "vocabulary.txt"
    weights = np.random.default_rng(0).integers(0, 50, v)
    path.write_text("".join(f"w,{w}\n" for w in weights.tolist()))
    sampler = fc.FixedUnigramSampler(v, vocab_file=path, seed=(5, 6))
    rtol = 1e-6 + drift(weights.astype(np.float32), 1.0)
    for _ in range(CALLS):
        theirs = tf.raw_ops.FixedUnigramCandidateSampler(
            true_classes=[[0, v - 1]],
            num_true=2,
            num_sampled=10**5,
            unique=True,
            range_max=v,
            vocab_file=str(path),
            seed=5,
            seed2=6,
        )
        assert_same(sampler.sample([[0, v - 1]], 10**5), theirs, rtol)


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_fixed_unigram_shards_draw_the_same(shards):
    weights = np.arange(1, 101).astype(np.float32)
    for shard in range(shards):
        v = len(weights[shard::shards])
        given = {"num_shards": shards, "shard": shard, "distortion": 0.75, "unigrams": weights.tolist()}
        sampler = fc.FixedUnigramSampler(v, seed=(1, 2), **given)
        theirs = tf.raw_ops.FixedUnigramCandidateSampler(
            true_classes=[[0]], num_true=1, num_sampled=7, unique=True, range_max=v, seed=1, seed2=2, **given
        )
        assert_same(sampler.sample([[0]], 7), theirs)


def test_every_rule_of_the_vocabulary_file(tmp_path):
    """A file that uses all of them is read by both to the same draws."""
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(b'a,1\r\n\nb,x,2.5\n 3 \n\r\nd,\t4e0\n5\re,6\n0x1p3\n,7\n\n"q,r",1e-2\nz,.5\ny,5.')
    sampler = fc.FixedUnigramSampler(10, vocab_file=path, seed=(1, 2))
    for _ in range(20):
        theirs = tf.raw_ops.FixedUnigramCandidateSampler(
            true_classes=np.arange(10)[:, None],
            num_true=1,
            num_sampled=30,
            unique=False,
            range_max=10,
            vocab_file=str(path),
            seed=1,
            seed2=2,
        )
        assert_same(sampler.sample(np.arange(10)[:, None], 30, unique=False), theirs)


@pytest.mark.parametrize("line", ["", " ", "b,", "a,1,", "word", "1 2", "1e", "0x", "1_0", "--1", "1,2x", "+-3", "1f"])
def test_lines_that_neither_reads(line, tmp_path):
    path = tmp_path / "vocabulary.txt"
    path.write_text(f"a,1\n{line}\nc,3\n")
    with pytest.raises(ValueError, match=r"vocab_file"):
        fc.FixedUnigramSampler(3, vocab_file=path)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.raw_ops.FixedUnigramCandidateSampler(
            true_classes=[[0]], num_true=1, num_sampled=1, unique=True, range_max=3, vocab_file=str(path)
        )


def test_all_candidate_sampler():
    labels = np.array([[0, 3], [4, 4]])
    assert_same(fc.nn.all_candidate_sampler(labels, 2, 5, True), tf.random.all_candidate_sampler(labels, 2, 5, True))


@pytest.mark.parametrize("unique", [True, False])
def test_unigrams_of_a_hundred_million_classes(unique):
    v, s = 10**8, 3000
    sampler = fc.LearnedUnigramSampler(v, seed=(5, 6))
    rng = np.random.default_rng(0)
    for _ in range(3):
        labels = rng.integers(0, v, (1000, 1))
        theirs = tf.raw_ops.LearnedUnigramCandidateSampler(
            true_classes=labels, num_true=1, num_sampled=s, unique=unique, range_max=v, seed=5, seed2=6
        )
        assert_same(sampler.sample(labels, s, unique=unique), theirs)


@pytest.mark.parametrize("name", OPS)
def test_class_numbers_near_the_end_of_64_bits(name):
    op, sampler_class = OPS[name]
    for v in (2**53 - 1, 2**53, 2**62 + 12345, 2**63 - 1):
        for unique in (False, True):
            attributes = {"num_true": 1, "num_sampled": 300, "unique": unique, "range_max": v}
            sampler = sampler_class(v, seed=(3, v))
            for _ in range(CALLS):
                labels = np.array([[0], [v - 1]])
                assert_same(
                    sampler.sample(labels, 300, unique=unique),
                    op(true_classes=labels, seed=3, seed2=v, **attributes),
                )


@pytest.mark.parametrize("name", OPS)
def test_many_candidates(name):
    op, sampler_class = OPS[name]
    for v, s, unique in (
        (10**6, 10**5, True),
        (10**6, 10**5, False),
        (2 * 10**5, 10**5, True),
        (7, 10**5, False),
    ):
        sampler = sampler_class(v, seed=(1, 2))
        for threads in (1, 2, 5):
            labels = np.array([[0, v - 1]])
            with fc.num_threads(threads):
                ours = sampler.sample(labels, s, unique=unique)
            theirs = op(true_classes=labels, num_true=2, num_sampled=s, unique=unique, range_max=v, seed=1, seed2=2)
            assert_same(ours, theirs)


def test_functions_share_state_as_tensorflow_does():
    """Calls of several functions, seeds and sizes in random order: each set of attributes has a stream of its own."""
    rng = np.random.default_rng(5)
    pairs = {
        "uniform": (tf.random.uniform_candidate_sampler, fc.nn.uniform_candidate_sampler),
        "log_uniform": (tf.random.log_uniform_candidate_sampler, fc.nn.log_uniform_candidate_sampler),
        "learned_unigram": (tf.random.learned_unigram_candidate_sampler, fc.nn.learned_unigram_candidate_sampler),
        "fixed_unigram": (
            functools.partial(tf.random.fixed_unigram_candidate_sampler, unigrams=WEIGHTS),
            functools.partial(fc.nn.fixed_unigram_candidate_sampler, unigrams=WEIGHTS),
        ),
    }
    for _ in range(400):
        name = str(rng.choice(list(pairs)))
        theirs, ours = pairs[name]
        v = 50 if name == "fixed_unigram" else int(rng.choice([50, 51]))
        s, t = int(rng.choice([5, 6])), int(rng.choice([1, 2]))
        unique, seed = bool(rng.integers(2)), int(rng.choice([0, 7, 2**31 - 1, 2**31 + 6, -5]))
        labels = rng.integers(0, v, (3, t))
        assert_same(ours(labels, t, s, unique, v, seed=seed), theirs(labels, t, s, unique, v, seed=seed))


def test_refused_calls_move_nothing():
    labels = np.array([[1]])
    for bad in ([[10]], [[-1]]):
        first = tf.random.uniform_candidate_sampler(labels, 1, 3, True, 10, seed=9)
        ours = fc.nn.uniform_candidate_sampler(labels, 1, 3, True, 10, seed=9)
        assert_same(ours, first)
        with pytest.raises(tf.errors.InvalidArgumentError):
            tf.random.uniform_candidate_sampler(np.array(bad), 1, 3, True, 10, seed=9)
        with pytest.raises(ValueError, match="true_classes must be in"):
            fc.nn.uniform_candidate_sampler(np.array(bad), 1, 3, True, 10, seed=9)


def test_accidental_hits_of_distinct_candidates():
    rng = np.random.default_rng(8)
    total = 0
    for _ in range(300):
        t, b, v = int(rng.integers(1, 6)), int(rng.integers(0, 30)), int(rng.integers(1, 60))
        labels = rng.integers(-2, v, (b, t))
        sampled = rng.permutation(v)[: rng.integers(0, v + 1)]
        ours = fc.nn.compute_accidental_hits(labels, sampled, t)
        theirs = tf.nn.compute_accidental_hits(labels, sampled, t)
        for ours_part, theirs_part in zip(ours, theirs, strict=True):
            assert ours_part.dtype == theirs_part.numpy().dtype
            np.testing.assert_array_equal(ours_part, theirs_part.numpy())
        total += len(ours.ids)
    assert total > 1000


def test_accidental_hits_report_every_copy_where_tensorflow_reports_the_last():
    ours = fc.nn.compute_accidental_hits([[3]], [3, 7, 3, 5, 3], 1)
    theirs = tf.nn.compute_accidental_hits(np.array([[3]]), np.array([3, 7, 3, 5, 3]), 1)
    assert ours.ids.tolist() == [0, 2, 4]
    assert theirs[1].numpy().tolist() == [4]
