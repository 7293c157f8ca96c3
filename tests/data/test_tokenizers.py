from __future__ import annotations

import io
import tokenize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import TOKENIZERS, tokenize_python, tokenize_whitespace, tokenize_words

# plain text, and text that is mostly what the patterns look for
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from("ab0x9_.,'\"\\\n =*/<>-!u\u2019é1"))
NAMES = pytest.mark.parametrize("name", sorted(TOKENIZERS))


def test_the_names() -> None:
    expected = {"words": tokenize_words, "whitespace": tokenize_whitespace, "python": tokenize_python}
    assert expected == TOKENIZERS


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop.", ["Don't", "stop", "."]),
        ("rock 'n' roll", ["rock", "'", "n", "'", "roll"]),
        ("the dogs' bowls", ["the", "dogs", "'", "bowls"]),
        ("it\u2019s", ["it\u2019s"]),
        ("1,000.5 in 1.2.3", ["1,000.5", "in", "1.2.3"]),
        ("3.14abc, 7.", ["3", ".", "14abc", ",", "7", "."]),
        ("well-known…", ["well", "-", "known", "…"]),
        ("naïve Übung 東京 x_y", ["naïve", "Übung", "東京", "x_y"]),
        ("हिन्दी में", ["हिन्दी", "में"]),  # vowel signs are no \w
        ("e\N{COMBINING ACUTE ACCENT}té", ["e\N{COMBINING ACUTE ACCENT}té"]),
        ("?!", ["?", "!"]),
        (" \n\t\x1c\x85\u2028", []),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    assert list(tokenize_words([text])) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("x0+=0xFF", ["x0", "+=", "0xFF"]),
        ("1.5e3j", ["1", ".", "5", "e3j"]),
        ("f(*a, **k) -> None: ...", ["f", "(", "*", "a", ",", "**", "k", ")", "->", "None", ":", "..."]),
        ('"""doc"""', ['"""', "doc", '"""']),
        ("''", ["'", "'"]),
        (r"'\x1b[0m\n\\'", ["'", r"\x1b", "[", "0", "m", r"\n", r"\\", "'"]),
        (r"'\u20acuro\0'", ["'", r"\u20ac", "uro", r"\0", "'"]),
        (r"r'\d+\s*\section'", ["r", "'", r"\d", "+", r"\s", "*", "\\", "section", "'"]),
        ("a\\\n b", ["a", "\\", "b"]),
        ("größe = π", ["größe", "=", "π"]),
        ("x = = 'unfinished\n\t)", ["x", "=", "=", "'", "unfinished", ")"]),
    ],
)
def test_python(text: str, tokens: list[str]) -> None:
    assert list(tokenize_python([text])) == tokens


def test_python_agrees_with_the_tokenizer_of_python() -> None:
    operators = "+ - * ** / // % @ << >> & | ^ ~ := < > <= >= == != ( ) [ ] { } , : . ; = -> += -= *= /= //= "
    operators += "%= @= &= |= ^= >>= <<= **= ..."
    source = f"alpha = beta_2 {operators} 17 0x1F gamma\n"
    for text in (source, source.replace(" ", "  ")):
        expected = [token.string for token in tokenize.generate_tokens(io.StringIO(text).readline)]
        assert list(tokenize_python([text])) == [token for token in expected if token.strip()]


def test_whitespace() -> None:
    assert list(tokenize_whitespace(["a <unk>\n", "\tb."])) == ["a", "<unk>", "b."]


@NAMES
@given(TEXTS)
def test_nothing_but_white_space_is_lost(name: str, text: str) -> None:
    tokens = list(TOKENIZERS[name]([text]))
    assert "".join(tokens) == "".join(text.split())
    assert all(tokens)


@NAMES
@given(st.lists(TEXTS), st.sampled_from([" ", "\n", "\r\n", "\x1f", "\u3000"]))
def test_pieces_may_be_cut_at_white_space(name: str, pieces: list[str], space: str) -> None:
    pieces = [piece + space for piece in pieces]
    assert list(TOKENIZERS[name](pieces)) == list(TOKENIZERS[name](["".join(pieces)]))


@NAMES
@given(st.text(st.characters(codec="ascii")) | st.text(st.sampled_from("ab0x9_.,'\"\\\n =*/<>-!u1")))
def test_ascii_is_no_special_case(name: str, text: str) -> None:
    assert [*TOKENIZERS[name]([text]), "é"] == list(TOKENIZERS[name]([text + " é"]))
