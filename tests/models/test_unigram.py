from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import EncodedText
from fastcands.models.unigram import UnigramModel, perplexity_of

DOCUMENTS = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=9), min_size=1, max_size=5)


@given(DOCUMENTS, DOCUMENTS)
def test_add_one(train: list[list[int]], test: list[list[int]]) -> None:
    words = [word for document in train for word in [*document, 0]]
    probability = {word: (words.count(word) + 1) / (len(words) + 7) for word in range(7)}
    model = UnigramModel.fit(EncodedText.from_documents(train, 0), 7)
    assert model.probabilities.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(model.probabilities, list(probability.values()), rtol=1e-15)

    text = EncodedText.from_documents(test, 0)
    logs = [math.log(probability[word]) for document in test for word in [*document, 0]]
    np.testing.assert_allclose(model.log_probabilities(text), logs, rtol=1e-14)
    assert model.perplexity(text) == pytest.approx(math.exp(-sum(logs) / len(logs)), rel=1e-13)


def test_uniform_text_has_the_perplexity_of_its_vocabulary() -> None:
    text = EncodedText.from_documents([list(range(1, 100))], 0)
    assert UnigramModel.fit(text, 100).perplexity(text) == pytest.approx(100, rel=1e-14)


def test_positions() -> None:
    text = EncodedText.from_documents([[1, 2, 2], [3]], 0)
    model = UnigramModel.fit(text, 7)
    whole = model.log_probabilities(text)
    np.testing.assert_array_equal(model.log_probabilities(text, [4, 0, 4]), whole[[4, 0, 4]])
    assert model.log_probabilities(text, []).shape == (0,)
    with pytest.raises(ValueError, match=r"positions must be in \[0, len\(text\)\) = \[0, 6\), got 6 at \[1\]"):
        model.log_probabilities(text, [0, 6])
    with pytest.raises(TypeError, match="positions must be integers, got float64"):
        model.log_probabilities(text, [0.5])


def test_refused_texts() -> None:
    text = EncodedText.from_documents([[1, 5]], 0)
    with pytest.raises(ValueError, match=r"ids must be in \[0, num_classes\) = \[0, 5\), got 5 at \[1\]"):
        UnigramModel.fit(text, 5)
    model = UnigramModel.fit(EncodedText.from_documents([[1]], 0), 5)
    with pytest.raises(ValueError, match=r"ids must be in \[0, num_classes\) = \[0, 5\), got 5 at \[1\]"):
        model.perplexity(text)
    with pytest.raises(ValueError, match="perplexity needs at least one predicted word"):
        model.perplexity(EncodedText.from_documents([], 0))
    with pytest.raises(ValueError, match="perplexity needs at least one predicted word"):
        perplexity_of(np.empty(0))
