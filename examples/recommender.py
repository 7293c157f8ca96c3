"""Learn what people buy next: 20,000 items, a table trained by sampled softmax, judged by the exact loss.

Run: ``python examples/recommender.py``. Every user has a hidden taste, every item a hidden place in the same space, and
people buy what is near to their taste. The program sees purchases only.
"""

from __future__ import annotations

import numpy as np

import fastcands as fc

ITEMS, USERS, DIM, BATCH = 20_000, 2_000, 16, 1024
PURCHASES, TRAIN = 60, 110_000


def purchases(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return users and what each bought, out of the 200 items nearest to the user's taste."""
    tastes, places = rng.normal(size=(USERS, 8)), rng.normal(size=(ITEMS, 8))
    near = np.argpartition(-(tastes @ places.T), 200, axis=1)[:, :200]
    users = np.repeat(np.arange(USERS), PURCHASES)
    return users, near[users, rng.integers(0, 200, len(users))]


def main() -> None:
    """Train, and print the exact perplexity of purchases held out."""
    rng = np.random.default_rng(0)
    users, items = purchases(rng)
    order = rng.permutation(len(users))
    users, items = users[order], items[order]
    test = slice(TRAIN, None)

    optimizer = fc.Adagrad(lr=0.3, initial_accumulator=1e-6)
    table = fc.ClassTable(ITEMS, DIM, optimizer=optimizer, seed=1)  # one row for each item
    vectors = rng.normal(size=(USERS, DIM)).astype(np.float32)  # and one for each user, trained beside it
    state = optimizer.init(vectors)
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(ITEMS, seed=2), num_sampled=1024)

    print(f"perplexity of {ITEMS:,} items guessed blindly: {ITEMS:,}")
    for epoch in range(10):
        for first in range(0, TRAIN, BATCH):
            batch = slice(first, min(first + BATCH, TRAIN))
            weights = np.full(batch.stop - batch.start, 1 / BATCH, np.float32)
            result = table.train_step(loss, items[batch], vectors[users[batch]], upstream=weights)
            gradient = fc.RowGradient.from_pairs(users[batch], result.d_inputs, USERS)
            optimizer.update(vectors, state, gradient, step=table.step)
        if epoch % 2 == 1:
            print(f"after epoch {epoch + 1}: {table.evaluate(items[test], vectors[users[test]]).perplexity:,.0f}")


if __name__ == "__main__":
    main()
