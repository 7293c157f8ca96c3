from __future__ import annotations

import collections
import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcands.data import EncodedText
from fastcands.models.kneser_ney import KneserNeyTrigram

BOUNDARY = 0
Gram = tuple[int, ...]


class SlowKneserNey:
    """The same model by dictionaries and recursion, word for word after Chen and Goodman."""

    def __init__(self, documents: Sequence[Sequence[int]], num_classes: int) -> None:
        self.num_classes = num_classes
        plain: list[collections.Counter[Gram]] = [collections.Counter() for _ in range(4)]
        for document in documents:
            padded = [BOUNDARY, BOUNDARY, *document, BOUNDARY]
            for end in range(2, len(padded)):
                for order in (1, 2, 3):
                    plain[order][tuple(padded[end - order + 1 : end + 1])] += 1
        self.counts = [collections.Counter(level) for level in plain]
        for order in (1, 2):
            left = {gram: {g[0] for g in plain[order + 1] if g[1:] == gram} for gram in plain[order]}
            for gram in plain[order]:
                starts = order == 2 and gram[0] == BOUNDARY
                self.counts[order][gram] = plain[order][gram] if starts else len(left[gram])
        self.discounts = [self.estimate(level.values()) for level in self.counts]

    @staticmethod
    def estimate(counts: collections.abc.ValuesView[int]) -> list[float]:
        n = [sum(count == k for count in counts) for k in range(5)]
        if all(n[1:]):
            y = n[1] / (n[1] + 2 * n[2])
            d = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
            if all(0 < d[k] <= k for k in (1, 2, 3)):
                return d
        return [0, 0.5, 1, 1.5]

    def probability(self, word: int, context: Gram) -> float:
        order = len(context) + 1
        lower = self.probability(word, context[1:]) if context else 1 / self.num_classes
        followers = {gram: c for gram, c in self.counts[order].items() if gram[:-1] == context}
        total = sum(followers.values())
        if not total:
            return lower
        discount = self.discounts[order]
        gamma = sum(discount[min(c, 3)] for c in followers.values()) / total
        count = followers.get((*context, word), 0)
        return (count - discount[min(count, 3)]) / total + gamma * lower

    def logs(self, documents: Sequence[Sequence[int]]) -> list[float]:
        paddeds = [[BOUNDARY, BOUNDARY, *document, BOUNDARY] for document in documents]
        grams = [padded[end - 2 : end + 1] for padded in paddeds for end in range(2, len(padded))]
        return [math.log(self.probability(word, (older, newer))) for older, newer, word in grams]


def zipf_documents(seed: int, size: int, num_classes: int) -> list[list[int]]:
    """Documents in which the next word depends on the one before, with a long tail."""
    rng = np.random.default_rng(seed)
    documents = []
    for _ in range(size):
        document = [1]
        for _ in range(rng.integers(1, 30)):
            step = int(rng.zipf(1.6))
            document.append(1 + (document[-1] * 3 + step) % (num_classes - 1))
        documents.append(document)
    return documents


def encoded(documents: Sequence[Sequence[int]]) -> EncodedText:
    return EncodedText.from_documents(documents, BOUNDARY)


@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=8), min_size=1, max_size=6),
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=8), min_size=1, max_size=3),
)
@settings(max_examples=60)
def test_dictionaries_give_the_same_on_tiny_texts(train: list[list[int]], test: list[list[int]]) -> None:
    model = KneserNeyTrigram.fit(encoded(train), 6)
    slow = SlowKneserNey(train, 6)
    np.testing.assert_allclose(model.log_probabilities(encoded(test)), slow.logs(test), rtol=1e-12)
    for context in itertools.product(range(6), range(1, 6)):
        p = model.probabilities(context)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-13)


def test_dictionaries_give_the_same_with_estimated_discounts() -> None:
    train, test = zipf_documents(1, 60, 40), zipf_documents(2, 5, 40)
    slow = SlowKneserNey(train, 41)
    assert all(discounts != [0, 0.5, 1, 1.5] for discounts in slow.discounts[2:])  # the estimate is in use
    model = KneserNeyTrigram.fit(encoded(train), 41)
    logs = slow.logs(test)
    np.testing.assert_allclose(model.log_probabilities(encoded(test)), logs, rtol=1e-12)
    assert model.perplexity(encoded(test)) == pytest.approx(math.exp(-sum(logs) / len(logs)), rel=1e-12)


def test_each_distribution_sums_to_one() -> None:
    model = KneserNeyTrigram.fit(encoded(zipf_documents(3, 300, 25)), 27)  # word 26 is never seen
    for context in itertools.product(range(27), repeat=2):
        p = model.probabilities(context)
        assert p.min() > 0
        assert p.sum() == pytest.approx(1, abs=1e-12)


def test_probabilities_are_those_of_the_text() -> None:
    documents = zipf_documents(4, 50, 30)
    text = encoded(documents)
    model = KneserNeyTrigram.fit(text, 30)
    contexts = text.contexts(np.arange(len(text)), 2)
    expected = [model.probabilities(tuple(c))[w] for c, w in zip(contexts.tolist(), text.ids, strict=True)]
    np.testing.assert_array_equal(np.exp(model.log_probabilities(text)).round(12), np.round(expected, 12))


def test_what_stands_before_a_start_is_forgotten() -> None:
    model = KneserNeyTrigram.fit(encoded([[1, 2], [2, 1, 2]]), 4)
    np.testing.assert_array_equal(model.probabilities((3, BOUNDARY)), model.probabilities((BOUNDARY, BOUNDARY)))


def test_context_helps_and_unigrams_do_not_hide_it() -> None:
    """A cycle is predicted almost surely after training, though every word is equally frequent."""
    text = encoded([[1, 2, 3, 4, 5] * 200])
    assert KneserNeyTrigram.fit(text, 6).perplexity(text) < 1.05


def test_lower_orders_count_kinds_of_contexts() -> None:
    """After an unseen word, "Francisco", frequent but behind one word only, loses to a rarer word."""
    san, francisco, glasses = 1, 2, 3
    documents = [[san, francisco]] * 50 + [[word, glasses] for word in range(4, 10)] * 2
    p = KneserNeyTrigram.fit(encoded(documents), 11).probabilities((10, 10))
    assert p[glasses] > 2 * p[francisco]


def test_ids_may_be_huge() -> None:
    """Codes of n-grams stay within 63 bits where V^3 would not."""
    documents = zipf_documents(5, 40, 30)
    spread = 2**17
    large_documents = [[word * spread for word in document] for document in documents]
    large = KneserNeyTrigram.fit(encoded(large_documents), 30 * spread)
    slow = SlowKneserNey(large_documents, 30 * spread)
    np.testing.assert_allclose(
        large.log_probabilities(encoded(large_documents)), slow.logs(large_documents), rtol=1e-12
    )


def test_refused_arguments() -> None:
    text = encoded([[1, 5]])
    with pytest.raises(ValueError, match="text must hold at least one word"):
        KneserNeyTrigram.fit(encoded([]), 5)
    with pytest.raises(ValueError, match=r"ids must be in \[0, num_classes\) = \[0, 5\), got 5 at \[1\]"):
        KneserNeyTrigram.fit(text, 5)
    model = KneserNeyTrigram.fit(encoded([[1]]), 5)
    with pytest.raises(ValueError, match=r"ids must be in \[0, num_classes\) = \[0, 5\), got 5 at \[1\]"):
        model.perplexity(text)
    with pytest.raises(ValueError, match=r"text.boundary_id must be the training text's 0, got 1"):
        model.perplexity(EncodedText.from_documents([[2]], 1))
    with pytest.raises(ValueError, match="perplexity needs at least one predicted word"):
        model.perplexity(encoded([]))
    with pytest.raises(ValueError, match=r"context must be in \[0, 5\), got \(0, 5\)"):
        model.probabilities((0, 5))
    with pytest.raises(ValueError, match=r"context must be in \[0, 5\), got \(-1, 0\)"):
        model.probabilities((-1, 0))
