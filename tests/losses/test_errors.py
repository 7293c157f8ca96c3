"""Every refusal of a loss names the argument, what came and what was expected."""
# ruff: noqa: E501 - one case a line

import numpy as np
import pytest

import fastcands as fc
from tests.losses.problems import make

OK = make(20, 3, 4, 5, seed=1)


@pytest.mark.parametrize(
    ("changes", "options", "error", "message"),
    [
        ({"inputs": OK.inputs[:, :2]}, {}, ValueError, r"inputs must have shape \(B, 3\) as weights have features, got \(4, 2\)"),
        ({"inputs": OK.inputs[:3]}, {}, ValueError, r"inputs must have 4 rows as labels have, got 3"),
        ({"inputs": OK.inputs.astype(int)}, {}, TypeError, r"inputs must be floating point, got int64: are labels and inputs swapped"),
        ({"inputs": OK.labels, "labels": OK.inputs}, {}, TypeError, r"labels must be integers, got float32 of shape \(4, 3\): are labels and inputs swapped"),
        ({"inputs": OK.inputs.astype(complex)}, {}, TypeError, r"inputs must be float32, float64, float16 or bfloat16 in native byte order, got complex128"),
        ({"weights": OK.weights.astype(">f4")}, {}, TypeError, r"weights must be float32, .* native byte order, got >f4"),
        ({"weights": OK.weights[0]}, {}, ValueError, r"weights must have shape \(V, D\), got \(3,\)"),
        ({"biases": np.zeros(0)}, {}, ValueError, r"biases must have at least one class, got shape \(0,\)"),
        ({"weights": OK.weights[:0]}, {}, ValueError, r"weights must have at least one class and one feature, got shape \(0, 3\)"),
        ({"weights": []}, {}, ValueError, r"weights must be an array or a list with at least one shard, got an empty list"),
        ({"weights": [OK.weights[:15], OK.weights[15:]]}, {}, ValueError, r"weights\[0\] must have 10 of the 20 rows under 'mod', got 15"),
        ({"weights": [OK.weights[:10], OK.weights[10:, :2]]}, {}, ValueError, r"weights\[1\] must have 3 features as weights\[0\] has, got 2"),
        ({"weights": [OK.weights[:10], OK.weights[10:].astype(float)]}, {}, TypeError, r"weights\[1\] must be float32 as weights\[0\] is, got float64"),
        ({"biases": OK.biases[:19]}, {}, ValueError, r"biases must have 20 entries as weights have rows, got 19"),
        ({"biases": OK.biases[:, None]}, {}, ValueError, r"biases must have shape \(V,\), got \(20, 1\)"),
        ({"labels": OK.labels + 17}, {}, ValueError, r"labels must be in \[0, num_classes\) = \[0, 20\), got \d+ at \[\d, 0\]"),
        ({"labels": OK.labels - 20}, {}, ValueError, r"labels must be in \[0, num_classes\) = \[0, 20\), got -\d+ at \[0, 0\]"),
        ({"labels": OK.labels[:, :, None]}, {}, ValueError, r"labels must have shape"),
        ({}, {"num_true": 2}, ValueError, r"labels must have num_true = 2 columns, got shape \(4, 1\)"),
        ({}, {"num_sampled": 4}, ValueError, r"num_sampled must be the number of sampled_candidates, 5, got 4"),
        ({}, {"num_sampled": 0}, ValueError, r"num_sampled must be at least 1, got 0"),
        ({}, {"num_classes": 21}, ValueError, r"num_classes must be at most the 20 rows of weights, got 21"),
        ({}, {"partition_strategy": "foo"}, ValueError, r"partition_strategy must be 'mod' or 'div', got 'foo'"),
        ({}, {"remove_accidental_hits": "mod"}, TypeError, r"remove_accidental_hits must be a bool, got str"),
        ({"upstream": np.ones(3)}, {}, ValueError, r"upstream must have shape \(4,\) as labels have rows, got \(3,\)"),
        ({"upstream": np.array(["a"] * 4)}, {}, TypeError, r"upstream must be numbers, got <U1"),
        ({"values": (1, 2)}, {}, TypeError, r"sampled_values must be \(sampled_candidates, true_expected_count, sampled_expected_count\), got tuple"),
        ({"values": ([], OK.values[1], OK.values[2][:0])}, {"num_sampled": 1}, ValueError, r"sampled_candidates must have at least one candidate, got none"),
        ({"values": OK.values._replace(sampled_candidates=np.array([0, 1, 20, 3, 4]))}, {}, ValueError, r"sampled_candidates must be in \[0, num_classes\) = \[0, 20\), got 20 at \[2\]"),
        ({"values": OK.values._replace(true_expected_count=np.zeros((4, 1), np.float32))}, {}, ValueError, r"true_expected_count must be positive and finite, got 0.0 at \[0, 0\]"),
        ({"values": OK.values._replace(sampled_expected_count=np.array([1, 1, np.nan, 1, 1]))}, {}, ValueError, r"sampled_expected_count must be positive and finite, got nan at \[2\]"),
        ({"values": OK.values._replace(sampled_expected_count=np.array([1, 1, 1, np.inf, 1]))}, {}, ValueError, r"sampled_expected_count must be positive and finite, got inf at \[3\]"),
        ({"values": OK.values._replace(true_expected_count=np.ones((4, 2)))}, {}, ValueError, r"true_expected_count must have shape \(4, 1\), got \(4, 2\)"),
        ({"values": OK.values._replace(sampled_expected_count=np.ones(5, int))}, {}, TypeError, r"sampled_expected_count must be floating point, got int64"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(changes, options, error, message):
    problem = OK._replace(**changes)
    arguments = {"num_sampled": 5, "num_classes": 20, "num_true": 1, **options}
    with pytest.raises(error, match=message):
        fc.nn.sampled_softmax_loss_and_grad(
            problem.weights, problem.biases, problem.labels, problem.inputs, sampled_values=problem.values,
            upstream=problem.upstream, **arguments,
        )  # fmt: skip


def test_errors_of_the_loss_object():
    with pytest.raises(TypeError, match="sampler must have a sample method, got int"):
        fc.SampledSoftmaxLoss(3, 5)
    with pytest.raises(ValueError, match="num_sampled must be at most the sampler's 4 classes when unique, got 5"):
        fc.SampledSoftmaxLoss(fc.UniformSampler(4), 5)
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(4), 5, unique=False)
    with pytest.raises(ValueError, match="sampler must draw from the 20 classes of weights, got 4 classes"):
        loss.value(OK.weights, OK.biases, OK.labels, OK.inputs)
