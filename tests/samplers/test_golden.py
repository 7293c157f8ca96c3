"""Recorded calls of TensorFlow's ops, call after call."""

import json
from pathlib import Path

import numpy as np
import pytest

import fastcands as fc

RECORD = json.loads((Path(__file__).parents[1] / "golden" / "samplers.json").read_text())
CLASSES = {
    "uniform": fc.UniformSampler,
    "log_uniform": fc.LogUniformSampler,
    "learned_unigram": fc.LearnedUnigramSampler,
    "thread_unsafe_unigram": fc.LearnedUnigramSampler,
    "fixed_unigram": fc.FixedUnigramSampler,
}


@pytest.mark.parametrize("case", RECORD["cases"], ids=lambda c: f"{c['op']}-{c['num_classes']}-{c['unique']}")
def test_same_as_recorded(case):
    sampler = CLASSES[case["op"]](case["num_classes"], seed=tuple(case["seed"]), **case["given"])
    for call in case["calls"]:
        values = sampler.sample(call["labels"], case["num_sampled"], unique=case["unique"])
        assert values.sampled_candidates.tolist() == call["sampled_candidates"]
        for name in ("true_expected_count", "sampled_expected_count"):
            got = getattr(values, name)
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, np.array(call[name]), rtol=1e-6, atol=0)
    assert len(case["calls"]) == 3
