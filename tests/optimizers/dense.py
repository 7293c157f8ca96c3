"""Each optimizer once more, dense and plain, in the dtype of the arithmetic: the whole table, then only the rows of
the step are kept."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastcands as fc

OPTIMIZERS = [
    fc.SGD(0.3),
    fc.SGD(0.3, weight_decay=0.25, clip_norm=1.5),
    fc.Momentum(0.1),
    fc.Momentum(0.1, 0.5, nesterov=True, catch_up=True, weight_decay=0.125, clip_norm=2.0),
    fc.Adagrad(0.3),
    fc.Adagrad(0.3, initial_accumulator=0, epsilon=1e-3, weight_decay=0.5, clip_norm=1.0),
    fc.RowwiseAdagrad(0.3),
    fc.RowwiseAdagrad(0.2, 0, 1e-4, weight_decay=0.5, clip_norm=0.5),
    fc.LazyAdam(0.1),
    fc.LazyAdam(0.1, 0.8, 0.95, catch_up=True, weight_decay=0.25, clip_norm=1.0),
]


def random_gradient(rng: Any, shape: tuple[int, ...], num_ids: int, dtype: Any) -> fc.RowGradient:
    ids = np.sort(rng.permutation(shape[0])[:num_ids])
    return fc.RowGradient(ids, rng.normal(size=(num_ids, *shape[1:])).astype(dtype), shape[0])


def clipped(optimizer: Any, gradient: Any) -> Any:
    """Scale each row that is longer than the limit."""
    if optimizer.clip_norm is None:
        return gradient
    rows = gradient.astype(np.float64).reshape(len(gradient), -1)
    norms = np.sqrt((rows**2).sum(axis=1))
    factors = np.minimum(1, optimizer.clip_norm / np.where(norms == 0, 1, norms)).astype(gradient.dtype)
    return gradient * factors.reshape(-1, *[1] * (gradient.ndim - 1))


class Dense:
    """A table, its moments, and steps on all of it."""

    def __init__(self, optimizer: Any, table: Any) -> None:
        self.optimizer = optimizer
        self.table = table.copy()
        start = np.zeros_like(table)
        if isinstance(optimizer, fc.Momentum):
            self.moments = {"velocity": start}
        elif isinstance(optimizer, fc.LazyAdam):
            self.moments = {"first_moment": start, "second_moment": start.copy()}
        elif isinstance(optimizer, fc.RowwiseAdagrad):
            self.moments = {"accumulator": np.full(table.shape[:1], optimizer.initial_accumulator, table.dtype)}
        elif isinstance(optimizer, fc.Adagrad):
            self.moments = {"accumulator": np.full(table.shape, optimizer.initial_accumulator, table.dtype)}
        else:
            self.moments = {}

    def step(self, gradient: fc.RowGradient, step: int) -> None:
        """Take the dense step of all rows, then put back what the rows outside the step must keep."""
        before, moments_before = self.table, dict(self.moments)
        outside = np.setdiff1d(np.arange(gradient.num_rows), gradient.ids)
        inside = np.isin(np.arange(gradient.num_rows), gradient.ids)
        self._all_rows(clipped(self.optimizer, gradient.to_dense()), inside, step)
        self.table[outside] = before[outside]
        if not getattr(self.optimizer, "catch_up", False):  # else they fall on, as the dense ones do
            for name, moment in self.moments.items():
                moment[outside] = moments_before[name][outside]

    def _all_rows(self, g: Any, decaying: Any, step: int) -> None:
        own, kind = self.optimizer, self.table.dtype.type
        lr, decay = kind(own.learning_rate(step)), kind(own.weight_decay)
        if not isinstance(own, fc.LazyAdam):
            g = g + decay * self.table * decaying.reshape(-1, *[1] * (g.ndim - 1))
        if isinstance(own, fc.SGD):
            self.table = self.table - lr * g
        elif isinstance(own, fc.Momentum):
            v = kind(own.momentum) * self.moments["velocity"] + g
            self.moments["velocity"] = v
            self.table = self.table - lr * (g + kind(own.momentum) * v if own.nesterov else v)
        elif isinstance(own, fc.RowwiseAdagrad):
            width = max(1, g.size // len(g))
            mean = (g.astype(np.float64) ** 2).reshape(len(g), -1).sum(axis=1) / width
            total = (self.moments["accumulator"] + mean).astype(kind)
            self.moments["accumulator"] = total
            rate = lr / (np.sqrt(total) + kind(own.epsilon))
            self.table = self.table - rate.reshape(-1, *[1] * (g.ndim - 1)) * g
        elif isinstance(own, fc.Adagrad):
            total = self.moments["accumulator"] + g * g
            self.moments["accumulator"] = total
            # a row without gradient may have an accumulator of zero
            self.table = self.table - lr * g / (np.sqrt(total) + kind(own.epsilon))
        else:
            m = kind(own.beta1) * self.moments["first_moment"] + kind(1 - own.beta1) * g
            v = kind(own.beta2) * self.moments["second_moment"] + kind(1 - own.beta2) * (g * g)
            self.moments = {"first_moment": m, "second_moment": v}
            rate = kind(own.learning_rate(step) / (1 - own.beta1 ** (step + 1)))
            root = np.sqrt(v) * kind(1 / np.sqrt(1 - own.beta2 ** (step + 1)))
            shrink = kind(1 - own.learning_rate(step) * own.weight_decay)
            self.table = shrink * self.table - rate * m / (root + kind(own.epsilon))
