"""Samplers and accidental hits beside TensorFlow's own ops, in one alternating run.

Run in the environment of ``make peers``: ``python -m bench.samplers [--rounds N] [--json FILE]``. Every round calls
both in turn, each once to warm up and then for a median; the ratio is the median over the rounds of the rounds'
ratios, so that a machine whose speed changes during the run does not matter.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import fastcands as fc

Call = Callable[[], Any]
THREADS = 2
# name, classes, candidates, rows, the ratio asked for (none at small sizes: there microseconds count)
CASES = [
    *[(name, 10**6, 8192, 512, target) for name, target in (("uniform", 5), ("log_uniform", 8))],
    *[(name, 10**6, 8192, 512, 5) for name in ("learned_unigram", "fixed_unigram", "hits")],
    *[(name, 10**5, 64, 64, None) for name in ("uniform", "log_uniform", "learned_unigram", "fixed_unigram", "hits")],
]
OPS = {
    "uniform": tf.raw_ops.UniformCandidateSampler,
    "log_uniform": tf.raw_ops.LogUniformCandidateSampler,
    "learned_unigram": tf.raw_ops.LearnedUnigramCandidateSampler,
    "fixed_unigram": tf.raw_ops.FixedUnigramCandidateSampler,
}
SAMPLERS = {
    "uniform": fc.UniformSampler,
    "log_uniform": fc.LogUniformSampler,
    "learned_unigram": fc.LearnedUnigramSampler,
    "fixed_unigram": fc.FixedUnigramSampler,
}


def as_graph(op: Callable[..., Any], labels: Any) -> Call:
    """Return a call of an op inside a tf.function, the fastest way TensorFlow has."""
    function = tf.function(op)
    tensor = tf.constant(labels)
    function(tensor)
    return lambda: [part.numpy() for part in function(tensor)]


def contenders(name: str, v: int, s: int, b: int, folder: Path) -> tuple[Call, Call]:
    """Return TensorFlow's call and ours, for the same labels, seeds and weights."""
    labels = np.random.default_rng(0).integers(0, v, (b, 1))
    if name == "hits":
        sampled = fc.LogUniformSampler(v, seed=1).sample(labels, s).sampled_candidates
        return (
            as_graph(lambda y: tf.nn.compute_accidental_hits(y, tf.constant(sampled), 1), labels),
            lambda: fc.nn.compute_accidental_hits(labels, sampled, 1),
        )
    given = {}
    if name == "fixed_unigram":
        path = folder / f"{v}.txt"
        weights = 1e6 / np.random.default_rng(1).permutation(np.arange(1, v + 1))
        path.write_text("\n".join(f"{w:.6g}" for w in weights))
        given = {"vocab_file": str(path)}
    attributes = {"num_true": 1, "num_sampled": s, "unique": True, "range_max": v, "seed": 1, "seed2": 2} | given
    sampler = SAMPLERS[name](v, seed=(1, 2), **given)
    theirs = as_graph(lambda y: OPS[name](true_classes=y, **attributes), labels)
    return theirs, lambda: sampler.sample(labels, s)


def median_seconds(call: Call) -> float:
    """Return the median time of a call: of three after one more, or of as many as fit into a few milliseconds."""
    start = time.perf_counter()
    call()
    repeats = max(3, min(100, int(0.005 / (time.perf_counter() - start))))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(name: str, v: int, s: int, b: int, target: float | None, rounds: int, folder: Path) -> dict[str, Any]:
    """Return one row of the table."""
    calls = contenders(name, v, s, b, folder)
    times = [tuple(median_seconds(call) for call in calls) for _ in range(rounds)]
    return {
        "case": name,
        "classes": v,
        "candidates": s,
        "rows": b,
        "tensorflow_us": statistics.median(theirs for theirs, _ in times) * 1e6,
        "fastcands_us": statistics.median(ours for _, ours in times) * 1e6,
        "ratio": statistics.median(theirs / ours for theirs, ours in times),
        "target": target,
    }


def main() -> None:
    """Measure all cases and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    fc.set_num_threads(THREADS)
    print(f"TensorFlow {tf.__version__}, fastcands {fc.__version__}, NumPy {np.__version__}, {THREADS} threads")
    print("| call | V | S | B | TensorFlow µs | fastcands µs | ratio | asked for |\n|---|---|---|---|---|---|---|---|")
    rows = []
    with TemporaryDirectory() as folder:
        for case in CASES:
            row = measure(*case, options.rounds, Path(folder))
            rows.append(row)
            asked = f"≥ {row['target']}" if row["target"] else "≤ 30 µs"
            print(
                f"| {row['case']} | {row['classes']:,} | {row['candidates']:,} | {row['rows']} "
                f"| {row['tensorflow_us']:.0f} | {row['fastcands_us']:.0f} | {row['ratio']:.1f} | {asked} |",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
