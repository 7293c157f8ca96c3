"""Nothing depends on the caller's error state: results, refusals, and that every public call has its own."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands import models
from tests.validation.test_arguments import BIASES, CASES, INPUTS, LABELS, WEIGHTS, D, V, flat

LARGE = np.full((2, D), 3e38, np.float32)
INFINITE = np.array([[np.inf] * D, [np.nan] * D], np.float32)
HALVES = INPUTS[:2].astype(np.float16)
TINY = np.float32(1e-30)


def raised(call: Callable[[], Any]) -> Any:
    try:
        return flat(call())
    except (TypeError, ValueError) as error:
        return str(error)


def step(loss: Any, inputs: Any, weights: Any = WEIGHTS) -> Any:
    table = fc.ClassTable.from_arrays(np.array(weights), optimizer=fc.Adagrad(0.1))
    return table.train_step(loss, [1, 2], inputs), table.weights


def sampled(kind: Any = fc.SampledSoftmaxLoss, **options: Any) -> Any:
    return kind(fc.FixedUnigramSampler(V, unigrams=[1, 2, 3, 4, 5, 6, 1e-30], seed=1), 6, **options)


# what overflows, underflows, divides by 0 or is not a number on the way
EXTREMES: dict[str, Callable[[], Any]] = {
    "perplexity": lambda: fc.ClassTable.from_arrays(WEIGHTS * 1e3).evaluate([1, 2], INPUTS[:2] * 1e3),
    "not finite": lambda: fc.SoftmaxLoss().value(WEIGHTS, BIASES, [1, 2], INFINITE),
    "logistic": lambda: fc.LogisticLoss().value_and_grad(WEIGHTS, BIASES, [1, 2], LARGE),
    "underflow": lambda: step(sampled(), INPUTS[:2] * TINY, WEIGHTS * TINY),
    "smoothing": lambda: sampled(label_smoothing=0.1).value_and_grad(WEIGHTS * TINY, BIASES, [1, 2], INPUTS[:2] * TINY),
    "refused step": lambda: step(sampled(), LARGE),
    "temperature": lambda: sampled(temperature=1e-30).value(WEIGHTS, BIASES, [1, 2], INPUTS[:2] * 1e30),
    "float16 inputs": lambda: fc.SoftmaxLoss().value_and_grad(WEIGHTS * 1e4, None, [1, 2], HALVES),
    "upstream": lambda: fc.SoftmaxLoss().value_and_grad(WEIGHTS, None, [1, 2], INPUTS[:2], np.array([1e300, 1e-300])),
    "rank": lambda: fc.RankSampledSoftmaxLoss(fc.UniformSampler(V, seed=1), 5, 2, temperature=1e-3).value(
        WEIGHTS, BIASES, [1, 2], LARGE / 1e10
    ),
    "diagnose": lambda: sampled().diagnose(WEIGHTS, BIASES, [1, 2], INPUTS[:2] * TINY),
    "of each example": lambda: sampled().value_and_grad(
        WEIGHTS, BIASES, [1, 2], LARGE, sampled_values=([[0, 1], [2, 3]], np.ones((2, 1)), np.full((2, 2), 1e-300))
    ),
    "unigrams": lambda: fc.FixedUnigramSampler(2, unigrams=[1e300, 1.0]),
    "distorted": lambda: fc.FixedUnigramSampler(2, unigrams=[1e-30, 1.0], distortion=3).probability([0, 1]),
    "float16 unigrams": lambda: fc.FixedUnigramSampler(2, unigrams=np.array([1e-7, 1.0], np.float16)).probability([0]),
    "all of the classes": lambda: fc.FixedUnigramSampler(3, unigrams=[1e-30, 1.0, 1e-10], seed=1).sample([0], 3),
    "unbiased": lambda: fc.FixedUnigramSampler(3, unigrams=[1e-30, 1.0, 1e-10], seed=1).sample(
        [0], 2, expected_count="unbiased"
    ),
    "check": lambda: fc.LogUniformSampler(3).check([1e300, 1e-300, 0.0]),
    "decay": lambda: fc.LearnedUnigramSampler(3, seed=1).decay(1e-300),
    "in_batch": lambda: sampled(in_batch=fc.FixedUnigramSampler(V, unigrams=[0, 1, 0, 0, 0, 0, 0])).value(
        WEIGHTS, BIASES, [1, 1], INPUTS[:2]
    ),
    "propensities": lambda: fc.metrics.propensities([1e300, 0.0], 10, a=10.0),
    "propensity-scored": lambda: fc.metrics.propensity_scored_precision_at_k([[0]], [0, 1], [0], [1e-310, 1], 1),
    "pairs": lambda: fc.RowGradient.from_pairs([0, 0], LARGE, 1),
    "update": lambda: fc.SGD(1e30).update(WEIGHTS.copy(), {}, fc.RowGradient(np.array([0, 1]), LARGE, V)),
    "multilabel counts": lambda: CASES["multilabel counts"].call([1e308, 1e308, 0, 0, 0, 0, 0]),
    "nn": lambda: fc.nn.full_sigmoid_loss_and_grad(WEIGHTS, BIASES, [1, 2], LARGE),
}
CALLS = {name: lambda case=case: case.call(case.value.copy()) for name, case in CASES.items()} | EXTREMES


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_results_and_refusals_do_not_depend_on_the_error_state(call: Callable[[], Any]) -> None:
    expected = raised(call)
    for state in ("raise", "warn", "ignore"):
        with np.errstate(all=state):  # type: ignore[call-overload]
            assert str(raised(call)) == str(expected)


def test_the_callers_error_state_stays() -> None:
    with np.errstate(over="raise", under="call", divide="print", invalid="ignore"):
        before = np.geterr()
        fc.SoftmaxLoss().value(WEIGHTS, BIASES, LABELS, INPUTS)
        with pytest.raises(ValueError, match="k must be at least 1"):
            fc.ClassTable(3, 2).topk(INPUTS, 0)
        assert np.geterr() == before


def test_threads_have_their_own() -> None:
    barrier, states = threading.Barrier(2), []

    class Sampler(fc.UniformSampler):
        def sample(self, *arguments: Any, **options: Any) -> Any:
            barrier.wait()
            result = super().sample(*arguments, **options)
            states.append(np.geterr())
            barrier.wait()
            return result

    def work() -> None:
        with np.errstate(all="raise"):
            fc.SampledSoftmaxLoss(Sampler(V, seed=1), 2).value(WEIGHTS, BIASES, LABELS, INPUTS)
            states.append(np.geterr())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [state["over"] for state in states] == ["ignore", "ignore", "raise", "raise"]


# no floating-point arithmetic of NumPy: numbers of classes and threads, settings, files, what others call
WITHOUT = """
    set_num_threads get_num_threads num_threads shard_bounds show_config warmup reset from_dict
    set_matmul_precision get_matmul_precision matmul_precision compile_model_kernels
    state_arrays to_dense to_dict learning_rate close shards state_dict load_state_dict counts
    count index predictor from_state from_parameters from_table
    sample_checked never_drawn
""".split()  # noqa: SIM905 - a list of names


def public_functions() -> dict[str, Any]:
    found = {}
    for module in (fc, fc.nn, fc.metrics, fc.optimizers, models):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value):
                for method in dir(value):
                    function = getattr(value, method)
                    if not method.startswith("_") and inspect.isroutine(function) and method not in WITHOUT:
                        found[f"{name}.{method}"] = function
            elif inspect.isfunction(value) and name not in WITHOUT:
                found[name] = value
    return found


@pytest.mark.parametrize("name", public_functions())
def test_every_public_call_has_its_own_error_state(name: str) -> None:
    function = public_functions()[name]
    inner = getattr(function, "__func__", function)
    assert hasattr(inner, "__wrapped__")
    assert inner.__code__.co_filename == np.errstate.__call__.__code__.co_filename
