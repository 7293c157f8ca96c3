from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcands.data import EncodedText
from fastcands.models import KneserNey, kneser_ney
from tests.models.slow_kneser_ney import FALLBACK, SlowKneserNey

BOUNDARY = 0
ORDERS = [1, 2, 3, 4, 5]
DOCUMENTS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=12), min_size=1, max_size=6)
HISTORIES = st.lists(st.integers(0, 5), max_size=8)


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


@given(DOCUMENTS, st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=8), min_size=1, max_size=3))
@settings(max_examples=60)
@pytest.mark.parametrize("order", ORDERS)
def test_dictionaries_give_the_same_on_tiny_texts(order: int, train: list[list[int]], test: list[list[int]]) -> None:
    model, slow = KneserNey.fit(encoded(train), 6, order), SlowKneserNey(train, 6, order)
    np.testing.assert_allclose(model.log_probabilities(encoded(test)), slow.logs(test), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("order", ORDERS)
def test_dictionaries_give_the_same_with_estimated_discounts(order: int) -> None:
    train, test = zipf_documents(1, 100, 40), zipf_documents(2, 20, 40)
    slow = SlowKneserNey(train, 41, order)
    estimated = [n for n, discounts in slow.discounts.items() if discounts is not FALLBACK]
    assert [n for n in range(2, order + 1) if n not in estimated] == []
    model = KneserNey.fit(encoded(train), 41, order)
    logs = slow.logs(test)
    np.testing.assert_allclose(model.log_probabilities(encoded(test)), logs, rtol=1e-12)
    assert model.perplexity(encoded(test)) == pytest.approx(math.exp(-sum(logs) / len(logs)), rel=1e-12)


def test_unigrams_have_estimated_discounts_too() -> None:
    train = [[word] * count for word, count in enumerate([1, 1, 1, 1, 1, 2, 2, 3, 4, 9], 1)]
    slow = SlowKneserNey(train, 12, 1)
    assert slow.discounts[1] is not FALLBACK
    test = [list(range(1, 12))]
    model = KneserNey.fit(encoded(train), 12, 1)
    np.testing.assert_allclose(model.log_probabilities(encoded(test)), slow.logs(test), rtol=1e-13)


@given(DOCUMENTS, st.integers(1, 6), HISTORIES)
@settings(max_examples=150)
def test_each_distribution_is_that_of_the_dictionaries(train: list[list[int]], order: int, history: list[int]) -> None:
    p = KneserNey.fit(encoded(train), 6, order).probabilities(history)
    assert p.sum() == pytest.approx(1, abs=1e-13)
    assert p.min() > 0
    known = [BOUNDARY] * order + history
    while BOUNDARY in known[order:]:  # what is older than the newest boundary is forgotten
        known = [BOUNDARY] * order + known[known.index(BOUNDARY, order) + 1 :]
    slow = SlowKneserNey(train, 6, order)
    context = tuple(known[len(known) - order + 1 :])
    np.testing.assert_allclose(p, [slow.probability(word, context) for word in range(6)], rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_probabilities_are_those_of_the_text(order: int) -> None:
    documents = zipf_documents(4, 30, 30)
    text = encoded(documents)
    model = KneserNey.fit(text, 32, order)  # word 31 is never seen
    expected = []
    for document in documents:
        words = [*document, BOUNDARY]
        for i, word in enumerate(words):
            p = model.probabilities(words[:i])
            assert p.sum() == pytest.approx(1, abs=1e-12)
            expected.append(p[word])
    np.testing.assert_allclose(np.exp(model.log_probabilities(text)), expected, rtol=1e-14)


@pytest.mark.parametrize("order", [1, 4])
def test_positions_choose_words(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = encoded(zipf_documents(6, 20, 30))
    model = KneserNey.fit(text, 30, order)
    whole = model.log_probabilities(text)
    monkeypatch.setattr(kneser_ney, "_CHUNK", 7)
    np.testing.assert_array_equal(model.log_probabilities(text), whole)
    positions = np.random.default_rng(7).integers(0, len(text), 50)
    np.testing.assert_array_equal(model.log_probabilities(text, positions), whole[positions])
    np.testing.assert_array_equal(model.log_probabilities(text, [3, 0, 3]), whole[[3, 0, 3]])
    assert model.log_probabilities(text, []).shape == (0,)
    assert model.log_probabilities(encoded([])).shape == (0,)


def test_histories_of_any_kind() -> None:
    model = KneserNey.fit(encoded(zipf_documents(8, 20, 9)), 9, 3)
    expected = model.probabilities([1, 4])
    strided = np.array([1, 7, 4, 7], np.int32)[::2]
    strided.flags.writeable = False
    for history in ((1, 4), strided, [5, 2, 1, 4], np.array([1, 4], np.uint8), [2, BOUNDARY, 3, 1, 4]):
        np.testing.assert_array_equal(model.probabilities(history), expected)
    start = model.probabilities([])
    for history in (np.empty(0, np.int64), [BOUNDARY], [3, BOUNDARY], [BOUNDARY] * 5):
        np.testing.assert_array_equal(model.probabilities(history), start)
    np.testing.assert_array_equal(model.probabilities([4]), model.probabilities([3, BOUNDARY, 4]))


def test_the_order_is_five_if_none_is_given() -> None:
    text = encoded(zipf_documents(9, 20, 9))
    model = KneserNey.fit(text, np.int64(9))
    assert (model.order, model.num_classes, model.boundary_id) == (5, 9, BOUNDARY)
    assert model.perplexity(text) == KneserNey.fit(text, 9, order=np.int32(5)).perplexity(text)


@pytest.mark.parametrize("order", [1, 2, 5, 9])
def test_a_text_of_one_word(order: int) -> None:
    """Its only word is an end; half of its count is shared among the four words at each order."""
    text = EncodedText(np.array([2], np.int32), 2)
    model = KneserNey.fit(text, 4, order)
    rest = 0.5**order / 4
    np.testing.assert_allclose(model.probabilities([]), [rest, rest, 1 - 3 * rest, rest], rtol=1e-14)
    np.testing.assert_allclose(model.log_probabilities(text), [math.log(1 - 3 * rest)], rtol=1e-13)


def test_a_vocabulary_of_one_word() -> None:
    text = EncodedText(np.zeros(3, np.int32), 0)
    assert KneserNey.fit(text, 1, 3).perplexity(text) == pytest.approx(1, abs=1e-14)


def test_context_helps_and_unigrams_do_not_hide_it() -> None:
    """A cycle is predicted almost surely after training, though every word is equally frequent."""
    text = encoded([[1, 2, 3, 4, 5] * 200])
    assert KneserNey.fit(text, 6, 3).perplexity(text) < 1.05


def test_the_order_says_how_far_a_model_sees() -> None:
    """What follows three times the same word is known from the fourth word before."""
    text = encoded([[1, 3, 3, 3, 4], [2, 3, 3, 3, 5]] * 300)
    middle = np.arange(4, len(text), 6)  # the fifth words
    assert np.exp(KneserNey.fit(text, 6, 4).log_probabilities(text, middle)).max() < 0.6
    assert np.exp(KneserNey.fit(text, 6, 5).log_probabilities(text, middle)).min() > 0.95


def test_lower_orders_count_kinds_of_contexts() -> None:
    """After an unseen word, "Francisco", frequent but behind one word only, loses to a rarer word."""
    san, francisco, glasses = 1, 2, 3
    documents = [[san, francisco]] * 50 + [[word, glasses] for word in range(4, 10)] * 2
    p = KneserNey.fit(encoded(documents), 11, 3).probabilities((10, 10))
    assert p[glasses] > 2 * p[francisco]


def test_ids_may_be_huge() -> None:
    """Codes of n-grams stay within 63 bits, whatever V and the order are."""
    documents = zipf_documents(5, 40, 30)
    spread = (2**31 - 1) // 29
    large = [[word * spread for word in document] for document in documents]
    model = KneserNey.fit(encoded(large), 2**40, 4)
    slow = SlowKneserNey(large, 2**40, 4)
    np.testing.assert_allclose(model.log_probabilities(encoded(large)), slow.logs(large), rtol=1e-12)


@given(DOCUMENTS, st.integers(1, 6), HISTORIES)
@settings(max_examples=60)
def test_a_restored_model_is_the_same(train: list[list[int]], order: int, history: list[int]) -> None:
    text = encoded(train)
    model = KneserNey.fit(text, 6, order)
    state = model.state_dict()
    assert all(not array.flags.writeable for array in state.values())
    assert {array.dtype.str[1:] for array in state.values()} == {"i8", "i4"}
    restored = KneserNey.from_state({**state, "another": np.zeros(3)})
    assert (restored.order, restored.num_classes, restored.boundary_id) == (order, 6, BOUNDARY)
    np.testing.assert_array_equal(restored.log_probabilities(text), model.log_probabilities(text))
    np.testing.assert_array_equal(restored.probabilities(history), model.probabilities(history))
    assert restored.state_dict().keys() == state.keys()


def small_state() -> dict[str, Any]:
    return KneserNey.fit(encoded([[1, 2], [2, 1, 2]]), 4, 2).state_dict()


def test_names_of_a_state() -> None:
    names = "order num_classes boundary_id ngrams_1 counts_1 contexts_2 ngrams_2 counts_2"
    assert list(small_state()) == names.split()
    for name in small_state():
        with pytest.raises(ValueError, match=f"the state lacks the array '{name}'"):
            KneserNey.from_state({key: array for key, array in small_state().items() if key != name})


CODE = 1 << 31
REFUSED = [
    ("order", np.array([2]), r"order must be one integer, got int64 of shape \(1,\)"),
    ("order", np.array(2.0), r"order must be one integer, got float64 of shape \(\)"),
    ("order", np.array(0), "order must be at least 1, got 0"),
    ("order", np.array(3), "the state lacks the array 'contexts_3'"),
    ("num_classes", np.array(0), "num_classes must be at least 1, got 0"),
    ("num_classes", np.array(2), "ngrams_1 must continue 1 contexts by words below 2, and has others"),
    ("boundary_id", np.array(-1), "boundary_id must be at least 0, got -1"),
    ("boundary_id", np.array(4), "boundary_id must be below num_classes = 4, got 4"),
    ("contexts_2", np.zeros(3), r"contexts_2 must be int64 of shape \(at least 1,\), got float64 of shape \(3,\)"),
    ("contexts_2", np.zeros((1, 3), np.int64), r"contexts_2 must be int64 .*, got int64 of shape \(1, 3\)"),
    ("contexts_2", np.zeros(0, np.int64), r"contexts_2 must be int64 .*, got int64 of shape \(0,\)"),
    ("contexts_2", np.array([0, 2, 1]), "contexts_2 must be ascending, and not negative"),
    ("contexts_2", np.array([0, 1, 1]), "contexts_2 must be ascending, and not negative"),
    ("contexts_2", np.array([-1, 1, 2]), "contexts_2 must be ascending, and not negative"),
    ("contexts_2", np.array([0, 1, CODE]), "contexts_2 must continue 1 contexts by words below 4, and has others"),
    ("contexts_2", np.array([0, 1]), "ngrams_2 must continue 2 contexts by words below 4, and has others"),
    ("contexts_2", np.array([0, 1, 2, 3]), "ngrams_2 must hold an n-gram of every context"),
    ("ngrams_2", np.array([0, CODE]), "ngrams_2 must hold an n-gram of every context"),
    ("ngrams_1", np.array([0, 1]), r"counts_1 must be int32 or int64 of shape \(2,\), got int32 of shape \(3,\)"),
    ("counts_1", np.ones(3), r"counts_1 must be int32 or int64 of shape \(3,\), got float64 of shape \(3,\)"),
    ("counts_1", np.array([1, 0, 1]), "counts_1 must be at least 1, got 0"),
]


@pytest.mark.parametrize(("name", "array", "message"), REFUSED)
def test_refused_states(name: str, array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        KneserNey.from_state({**small_state(), name: array})


def test_refused_arguments() -> None:
    text = encoded([[1, 5]])
    beyond = r"ids must be in \[0, num_classes\) = \[0, 5\), got 5 at \[1\]"
    with pytest.raises(ValueError, match="text must hold at least one word"):
        KneserNey.fit(encoded([]), 5)
    with pytest.raises(ValueError, match=beyond):
        KneserNey.fit(text, 5)
    with pytest.raises(ValueError, match="num_classes must be at least 1, got 0"):
        KneserNey.fit(text, 0)
    with pytest.raises(ValueError, match="order must be at least 1, got 0"):
        KneserNey.fit(text, 6, 0)
    with pytest.raises(TypeError, match="order must be an integer, got float"):
        KneserNey.fit(text, 6, 3.0)  # type: ignore[arg-type]
    model = KneserNey.fit(encoded([[1]]), 5)
    with pytest.raises(ValueError, match=beyond):
        model.perplexity(text)
    with pytest.raises(ValueError, match=r"text.boundary_id must be the training text's 0, got 1"):
        model.perplexity(EncodedText.from_documents([[2]], 1))
    with pytest.raises(ValueError, match="perplexity needs at least one predicted word"):
        model.perplexity(encoded([]))


def test_refused_positions_and_histories() -> None:
    text = encoded([[1, 2]])
    model = KneserNey.fit(text, 5)
    for wrong in (5, -1):
        with pytest.raises(ValueError, match=rf"positions must be in \[0, len\(text\)\) = \[0, 3\), got {wrong} at"):
            model.log_probabilities(text, [0, wrong])
        with pytest.raises(ValueError, match=rf"history must be in \[0, num_classes\) = \[0, 5\), got {wrong} at"):
            model.probabilities([0, wrong])
    with pytest.raises(TypeError, match="positions must be integers, got float64"):
        model.log_probabilities(text, [0.0])
    with pytest.raises(ValueError, match=r"positions must have 1 dimension, got shape \(1, 1\)"):
        model.log_probabilities(text, [[0]])
    with pytest.raises(TypeError, match="history must be integers, got float64"):
        model.probabilities([1.0])
    with pytest.raises(ValueError, match=r"history must have 1 dimension, got shape \(\)"):
        model.probabilities(3)
