"""Sampled losses beside TensorFlow's, and beside the three matrix products that any such step contains.

Run in the environment of ``make peers``: ``python -m bench.losses [--cases abcd] [--rounds N] [--json FILE]``. Every
round calls all contenders in turn, each once to warm up and three times for a median; ratios are medians over the
rounds of the rounds' ratios. A step is value and gradients through the public function, sampler and accidental hits
included. The products are PyTorch's (MKL), of the step's shapes, with nothing around them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
import torch

import fastcands as fc
from bench.cases import CASES, Case, Problem, make_problem

Call = Callable[[], Any]
THREADS = 2


def tensorflow_calls(case: Case, problem: Problem) -> dict[str, Call]:
    """Return TensorFlow's step and its value, in graph mode."""
    weights, biases = tf.Variable(problem.weights), tf.Variable(problem.biases)
    inputs, labels = tf.constant(problem.inputs), tf.constant(problem.labels)

    def loss(given: Any) -> Any:
        return tf.nn.sampled_softmax_loss(weights, biases, labels, given, case.candidates, case.classes, seed=1)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = loss(inputs)
        return value, tape.gradient(value, [inputs, weights, biases])

    @tf.function
    def value() -> Any:
        return loss(inputs)

    return {"tensorflow step": lambda: step()[0].numpy(), "tensorflow value": lambda: value().numpy()}


def fastcands_calls(case: Case, problem: Problem) -> dict[str, Call]:
    """Return our step and value of sampled softmax, and our step of NCE."""
    sampler = fc.LogUniformSampler(case.classes, seed=1)
    softmax = fc.SampledSoftmaxLoss(sampler, case.candidates)
    nce = fc.NCELoss(sampler, case.candidates)
    return {
        "fastcands step": lambda: softmax.value_and_grad(*problem),
        "fastcands value": lambda: softmax.value(*problem),
        "fastcands nce step": lambda: nce.value_and_grad(*problem),
    }


def products(case: Case) -> Call:
    """Return the three products of a step."""
    x, w = torch.randn(case.batch, case.width), torch.randn(case.candidates, case.width)
    p = torch.randn(case.batch, case.candidates)
    return lambda: (torch.mm(x, w.T), torch.mm(p, w), torch.mm(p.T, x))


def median_seconds(call: Call) -> float:
    """Return the median time of three calls after one more."""
    call()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Return times and ratios of one case."""
    case = CASES[name]
    problem = make_problem(case)
    calls = {**tensorflow_calls(case, problem), **fastcands_calls(case, problem), "3 products": products(case)}
    times = [{key: median_seconds(call) for key, call in calls.items()} for _ in range(rounds)]

    def ratio(over: str, under: str) -> float:
        return statistics.median(row[over] / row[under] for row in times)

    return {
        "case": name,
        **case._asdict(),
        "ms": {key: statistics.median(row[key] for row in times) * 1e3 for key in calls},
        "step: tensorflow / fastcands": ratio("tensorflow step", "fastcands step"),
        "step: fastcands / 3 products": ratio("fastcands step", "3 products"),
        "value: tensorflow / fastcands": ratio("tensorflow value", "fastcands value"),
        "fastcands step: nce / softmax": ratio("fastcands nce step", "fastcands step"),
    }


def main() -> None:
    """Measure the cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="abcd")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    torch.set_num_threads(THREADS)
    fc.set_num_threads(THREADS)
    print(f"TensorFlow {tf.__version__}, PyTorch {torch.__version__}, fastcands {fc.__version__}, {THREADS} threads")
    rows = []
    for name in options.cases:
        row = measure(name, options.rounds)
        rows.append(row)
        print(f"\n{name}: V {row['classes']:,}  D {row['width']}  B {row['batch']}  S {row['candidates']:,}")
        for key, value in row["ms"].items():
            print(f"  {key:30s} {value:9.2f} ms")
        for key, value in row.items():
            if ":" in key:
                print(f"  {key:30s} {value:9.2f}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
