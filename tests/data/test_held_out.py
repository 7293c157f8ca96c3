from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import BOUNDARY, TOKENIZERS, Tokenizer
from fastcands.data.held_out import CutByBytes, CutByTokens, first_bytes_of, kept

PIECES = st.lists(st.text(st.sampled_from("ab0.'é東▁\u0301 \n"), max_size=12).map(lambda text: text + " "), max_size=6)
DOCUMENTS = st.lists(PIECES, max_size=5)


def size_of(text: str) -> int:
    return len(text.encode())


def after_space(text: str, start: int) -> int:
    return start + len(text[start:]) - len(text[start:].lstrip())


def places(documents: list[list[str]], tokenizer: Tokenizer) -> list[tuple[int, int]]:
    """First and last byte at which each token may be said to begin, boundaries too; found by looking for them."""
    found, before = [], 0
    for pieces in documents:
        text, at = "".join(pieces), 0
        tokens = list(tokenizer([text]))
        for i, token in enumerate(tokens):
            first = after_space(text, at)
            if tokenizer.gap and token == tokenizer.gap and i and first > at:
                found.append((before + size_of(text[:at]), before + size_of(text[:first])))
                at = first
            else:
                found.append((before + size_of(text[:first]),) * 2)
                assert text.startswith(token, first)
                at = first + len(token)
        if tokens:
            found.append((before + size_of(text),) * 2)
        before += size_of(text)
    return found


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
@pytest.mark.parametrize("cuts", [1, 2])
@given(documents=DOCUMENTS)
def test_the_byte_of_a_cut_is_where_its_token_begins(name: str, cuts: int, documents: list[list[str]]) -> None:
    tokenizer = TOKENIZERS[name]
    cutter = CutByTokens(tokenizer, cuts)
    seen = 0
    for pieces in documents:
        count = sum(map(len, cutter.token_lists(pieces)))
        if count:
            cutter.end_document()
        seen += count + bool(count)
    expected = places(documents, tokenizer)
    assert seen == len(expected)
    for _ in range(cuts):
        if seen < 2:
            return
        at, place = cutter.cut(seen, 0)
        assert at == seen - max(1, seen // 20)
        first, last = expected[at]
        assert first <= place <= last
        seen = at


def test_only_the_end_of_the_text_is_kept() -> None:
    cutter = CutByTokens(TOKENIZERS["words"], 2)
    for _ in cutter.token_lists(["word " * 10] * 1000):
        pass
    assert len(cutter._pieces) <= 100
    assert cutter.cut(10_000, 50_000) == (9_500, 47_500)
    assert cutter.cut(9_500, 47_500) == (9_025, 45_125)


@given(st.lists(st.lists(st.text("aé東", min_size=1), min_size=1), min_size=1))
def test_a_cut_by_bytes_is_where_a_token_begins(documents: list[list[str]]) -> None:
    tokens = [token for document in documents for token in [*document, BOUNDARY]]
    sizes = [0 if token == BOUNDARY else size_of(token) for token in tokens]
    total = sum(sizes)
    cutter = CutByBytes(np.arange(len(tokens), dtype=np.int32), np.array(sizes, np.int64))
    at, before = cutter.cut(len(tokens), total)
    place = total - max(1, total // 20)
    assert before == sum(sizes[:at])
    assert at == sum(sum(sizes[:i]) < place or sum(sizes[: i + 1]) <= place for i in range(len(tokens))) or place == 0


@given(st.lists(st.text("aé東\n")), st.integers(0, 40))
def test_the_first_bytes_of_a_text(pieces: list[str], size: int) -> None:
    text = "".join(pieces)
    assert "".join(first_bytes_of(pieces, size)) == text.encode()[:size].decode(errors="ignore")


def test_at_least_one_is_held_out() -> None:
    assert [kept(size) for size in (1, 19, 20, 39, 40, 1000)] == [0, 18, 19, 38, 38, 950]
