"""The tiers of precision against live TensorFlow in float32, over the random configurations of its losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import fastcands as fc
from fastcands import reference
from tests.peers.test_tensorflow_losses import (
    Configuration,
    configurations,
    of_tensorflow,
    our_result,
    sampling_arguments,
    tensorflow_result,
    terms,
)

# what rounding both factors costs a product, relative to the sum of its terms' sizes; and float32 beside it
ROUNDING = {"highest": 2.0**-21, "high": 2.0**-15, "medium": 2.0**-7}


def logit_size(case: Configuration) -> float:
    """Return the largest sum of the sizes of a logit's terms."""
    return float((np.abs(case.inputs) @ np.abs(case.weights).T).max(initial=0))


@pytest.mark.parametrize("tier", ["highest", "high", "medium"])
@pytest.mark.parametrize("name", ["sampled_softmax_loss", "nce_loss"])
def test_sampled_losses_in_a_tier(name: str, tier: Any) -> None:
    differ = 0
    for case in configurations(7000, 60):
        arguments = sampling_arguments(case)
        function, strategy = of_tensorflow(name, case.strategy)
        theirs = tensorflow_result(
            function,
            case,
            labels=tf.constant(case.labels),
            **{key: value for key, value in arguments.items() if key != "partition_strategy"}
            | {"sampled_values": [tf.constant(part) for part in case.sampled_values]}
            | strategy,
        )
        with fc.matmul_precision(tier):
            ours = our_result(getattr(fc.nn, f"{name}_and_grad"), case, **arguments)
        plain = our_result(getattr(fc.nn, f"{name}_and_grad"), case, **arguments)
        differ += not np.array_equal(ours.d_inputs, plain.d_inputs)
        # an error of a logit moves its probability as much; a gradient sums probabilities times numbers
        error = ROUNDING[tier] * (1 + logit_size(case))
        candidates = case.num_sampled if name == "nce_loss" else 1
        bounds = [error * candidates, *(error * candidates * term for term in terms(case)[1:])]
        for field, our, their, bound in zip(reference.Result._fields, ours, theirs, bounds, strict=True):
            largest = np.abs(their).max(initial=0)
            assert np.abs(our - their).max(initial=0) <= bound + ROUNDING[tier] * largest, f"{field} of {case}"
    assert (differ > 30) == (tier != "highest")
