"""The sampler that takes every class."""

import copy
import pickle

import numpy as np
import pytest

import fastcands as fc


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("expected_count", ["tensorflow", "unbiased"])
def test_every_class_once(unique, expected_count):
    sampler = fc.AllCandidatesSampler(5)
    for labels, shape in (([[0, 4]], (1, 2)), ([1, 2, 3], (3, 1)), (np.zeros((0, 3), int), (0, 3))):
        values = sampler.sample(labels, 5, unique=unique, expected_count=expected_count)
        assert values.sampled_candidates.tolist() == [0, 1, 2, 3, 4]
        assert values.sampled_expected_count.tolist() == [1.0] * 5
        assert values.true_expected_count.shape == shape
        assert (values.true_expected_count == 1.0).all()
        assert [part.dtype for part in values] == [np.int64, np.float32, np.float32]


def test_probability_and_state():
    sampler = fc.AllCandidatesSampler(5)
    assert sampler.num_classes == 5
    assert sampler.probability([[1], [2]]).tolist() == [[1.0], [1.0]]
    sampler.load_state_dict(sampler.state_dict())
    for clone in (pickle.loads(pickle.dumps(sampler)), copy.deepcopy(sampler)):
        assert clone.state_dict() == sampler.state_dict()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.sample([[0]], 4), ValueError, "num_sampled must be num_classes = 5, got 4"),
        (lambda s: s.sample([[0]], 6), ValueError, "num_sampled must be num_classes = 5, got 6"),
        (lambda s: s.sample([[5]], 5), ValueError, "got 5 at"),
        (lambda s: s.sample([[0.5]], 5), TypeError, "labels must be integers"),
        (lambda s: s.sample([[0]], 5, unique=0), TypeError, "unique must be a bool, got int"),
        (lambda s: s.sample([[0]], 5, expected_count=None), ValueError, "expected_count must be"),
        (lambda s: s.probability([5]), ValueError, r"ids must be in \[0, num_classes\) = \[0, 5\), got 5"),
        (lambda s: s.load_state_dict({}), ValueError, "state has no 'sampler'"),
        (lambda s: s.load_state_dict(s.state_dict() | {"num_classes": 4}), ValueError, "must be 5 as in this sampler"),
        (lambda s: fc.AllCandidatesSampler(0), ValueError, "num_classes must be at least 1, got 0"),
    ],
)
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(fc.AllCandidatesSampler(5))
