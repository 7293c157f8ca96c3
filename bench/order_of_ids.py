"""What a sampler that does not fit the class ids costs: the table of docs/samplers.md.

A log-bilinear bigram model of the running Python's standard library: the input is a fixed random vector of the
preceding word, the class table is trained by sampled softmax, the number is the exact cross entropy of held-out words.
Run with ``python -m bench.order_of_ids``; it takes about a minute.
"""

from __future__ import annotations

import collections
import re
import sysconfig
import warnings
from pathlib import Path

import numpy as np

import fastcands as fc

VOCAB, DIM, BATCH, STEPS, SAMPLED = 20_000, 64, 512, 3000, 200
LEARNING_RATE = 0.5


def corpus() -> tuple[np.ndarray, np.ndarray]:
    """Word ids of the standard library, sorted by falling frequency, and their counts."""
    words = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts:
            words += re.findall(r"\w+|[^\w\s]", path.read_text(encoding="utf-8", errors="replace"))
    ranks = {word: i for i, (word, _) in enumerate(collections.Counter(words).most_common(VOCAB - 1))}
    ids = np.array([ranks.get(word, VOCAB - 1) for word in words])
    order = np.argsort(-np.bincount(ids, minlength=VOCAB), kind="stable")
    ids = np.argsort(order)[ids]
    return ids, np.bincount(ids, minlength=VOCAB)


def held_out_loss(sampler: object, ids: np.ndarray) -> float:
    """Train a table with a sampler and return its exact loss on the last words."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(VOCAB, DIM)).astype(np.float32) / np.sqrt(DIM)
    table = fc.ClassTable(VOCAB, DIM, optimizer=fc.Adagrad(lr=LEARNING_RATE), seed=0)
    loss = fc.SampledSoftmaxLoss(sampler, SAMPLED)
    train, test = ids[:-20_001], ids[-20_001:]
    for at in np.random.default_rng(1).integers(0, len(train) - 1, (STEPS, BATCH)):
        table.train_step(loss, train[at + 1], vectors[train[at]])
    return table.evaluate(test[1:], vectors[test[:-1]]).loss


def main() -> None:
    """Print the table."""
    ids, counts = corpus()
    shuffle = np.random.default_rng(2).permutation(VOCAB)
    shuffled, shuffled_counts = shuffle[ids], counts[np.argsort(shuffle)]
    warnings.simplefilter("ignore", UserWarning)
    check = fc.LogUniformSampler(VOCAB).check
    print(f"{len(ids):,} words, {VOCAB:,} classes, {SAMPLED} candidates, {STEPS} steps of {BATCH}")
    print(f"check(counts): {check(counts):.2f} nats sorted, {check(shuffled_counts):.2f} nats shuffled\n")
    rows = [
        ("sorted", "LogUniformSampler", fc.LogUniformSampler(VOCAB, seed=1), ids),
        ("sorted", "FixedUnigramSampler, distortion 0.75", None, ids),
        ("shuffled", "LogUniformSampler", fc.LogUniformSampler(VOCAB, seed=1), shuffled),
        ("shuffled", "FixedUnigramSampler, distortion 0.75", None, shuffled),
        ("shuffled", "LearnedUnigramSampler", fc.LearnedUnigramSampler(VOCAB, seed=1), shuffled),
        ("shuffled", "UniformSampler", fc.UniformSampler(VOCAB, seed=1), shuffled),
    ]
    print("| ids | sampler | held-out nats a word | perplexity |\n|---|---|---|---|")
    for order, name, sampler, words in rows:
        if sampler is None:
            weights = np.bincount(words, minlength=VOCAB) + 1
            sampler = fc.FixedUnigramSampler(VOCAB, unigrams=weights, distortion=0.75, seed=1)
        nats = held_out_loss(sampler, words)
        print(f"| {order} | {name} | {nats:.3f} | {np.exp(nats):.0f} |", flush=True)


if __name__ == "__main__":
    main()
