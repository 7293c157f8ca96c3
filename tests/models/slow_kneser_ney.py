"""Modified Kneser-Ney smoothing of any order by dictionaries and recursion, word for word after Chen and Goodman."""

from __future__ import annotations

import collections
import math
from collections.abc import Iterable, Sequence

Gram = tuple[int, ...]
FALLBACK = [0, 0.5, 1, 1.5]


class SlowKneserNey:
    """Counts and discounts by order; the boundary is word 0."""

    def __init__(self, documents: Sequence[Sequence[int]], num_classes: int, order: int) -> None:
        self.num_classes = num_classes
        self.order = order
        plain = {n: collections.Counter(self.grams(documents, n)) for n in range(1, order + 1)}
        self.counts: dict[int, dict[Gram, int]] = {order: dict(plain[order])}
        for n in range(1, order):
            before: dict[Gram, set[int]] = collections.defaultdict(set)
            for word, *gram in plain[n + 1]:
                before[tuple(gram)].add(word)
            at_start = {gram for gram in plain[n] if n > 1 and gram[0] == 0}
            self.counts[n] = {gram: plain[n][gram] if gram in at_start else len(before[gram]) for gram in plain[n]}
        self.discounts = {n: self.estimate(counts.values()) for n, counts in self.counts.items()}
        self.followers: dict[Gram, dict[int, int]] = collections.defaultdict(dict)
        for counts in self.counts.values():
            for gram, count in counts.items():
                self.followers[gram[:-1]][gram[-1]] = count

    @staticmethod
    def grams(documents: Sequence[Sequence[int]], n: int) -> Iterable[Gram]:
        """Yield each word of the documents, and each end, with the n - 1 before it."""
        for document in documents:
            padded = [0] * (n - 1) + list(document) + [0]
            for start in range(len(document) + 1):
                yield tuple(padded[start : start + n])

    @staticmethod
    def estimate(counts: Iterable[int]) -> list[float]:
        """Return the discounts of counts 0, 1, 2 and more."""
        n = collections.Counter(counts)
        if all(n[k] for k in (1, 2, 3, 4)):
            y = n[1] / (n[1] + 2 * n[2])
            d = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
            if all(0 < d[k] <= k for k in (1, 2, 3)):
                return d
        return FALLBACK

    def probability(self, word: int, context: Gram) -> float:
        """Return P(word | context)."""
        lower = self.probability(word, context[1:]) if context else 1 / self.num_classes
        followers = self.followers.get(context, {})
        if not followers:
            return lower
        total, discount = sum(followers.values()), self.discounts[len(context) + 1]
        gamma = sum(discount[min(count, 3)] for count in followers.values()) / total
        count = followers.get(word, 0)
        return (count - discount[min(count, 3)]) / total + gamma * lower

    def logs(self, documents: Sequence[Sequence[int]]) -> list[float]:
        """Return the logarithm of the probability of each word of the documents, and of each end."""
        return [math.log(self.probability(gram[-1], gram[:-1])) for gram in self.grams(documents, self.order)]
