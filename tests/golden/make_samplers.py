"""Write samplers.json: what TensorFlow's sampler ops return, call after call.

Run with the environment of ``make peers``: ``python tests/golden/make_samplers.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

WEIGHTS = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]
OPS = {
    "uniform": tf.raw_ops.UniformCandidateSampler,
    "log_uniform": tf.raw_ops.LogUniformCandidateSampler,
    "learned_unigram": tf.raw_ops.LearnedUnigramCandidateSampler,
    "thread_unsafe_unigram": tf.raw_ops.ThreadUnsafeUnigramCandidateSampler,
    "fixed_unigram": tf.raw_ops.FixedUnigramCandidateSampler,
}
SEEDS = ((87654321, 42), (0, 1), (-1, -(2**63)), (2**40 + 7, 2**33 + 1))
CASES = [
    # op, num_classes, num_sampled, unique, attributes of the fixed unigram sampler
    *[
        (op, v, s, unique, {})
        for op in list(OPS)[:4]
        for v, s in ((1, 1), (10, 10), (1000, 40))
        for unique in (False, True)
    ],
    *[(op, 2**32 + 1, 30, True, {}) for op in list(OPS)[:2]],
    *[(op, 2**62 + 9, 20, False, {}) for op in list(OPS)[:2]],
    *[
        ("fixed_unigram", v, s, unique, {"unigrams": WEIGHTS, **given})
        for v, s, given in (
            (9, 4, {"distortion": 0.75}),
            (11, 30, {"num_reserved_ids": 2}),
            (5, 5, {"num_shards": 2}),
            (4, 4, {"num_shards": 2, "shard": 1, "distortion": 0.0}),
        )
        for unique in (False, True)
        if s <= v or not unique
    ],
]
CALLS = 3


def main() -> None:
    """Run every case and write the file next to this script."""
    rng = np.random.default_rng(0)
    records = []
    for i, (name, v, s, unique, given) in enumerate(CASES):
        seed, seed2 = SEEDS[i % len(SEEDS)]
        num_true = 1 + i % 3
        calls = []
        for _ in range(CALLS):
            labels = rng.integers(0, v, (2, num_true))
            sampled, true_count, sampled_count = OPS[name](
                true_classes=labels,
                num_true=num_true,
                num_sampled=s,
                unique=unique,
                range_max=v,
                seed=seed,
                seed2=seed2,
                **given,
            )
            calls.append(
                {
                    "labels": labels.tolist(),
                    "sampled_candidates": sampled.numpy().tolist(),
                    "true_expected_count": true_count.numpy().astype(float).tolist(),
                    "sampled_expected_count": sampled_count.numpy().astype(float).tolist(),
                }
            )
        case = {"op": name, "num_classes": v, "num_sampled": s, "unique": unique, "seed": [seed, seed2]}
        records.append(case | {"given": given, "calls": calls})
    text = json.dumps({"source": f"TensorFlow {tf.__version__}, tf.raw_ops, eager mode", "cases": records})
    Path(__file__).with_name("samplers.json").write_text(text.replace('{"op"', '\n{"op"') + "\n")


if __name__ == "__main__":
    main()
