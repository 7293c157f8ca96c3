from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import BOUNDARY, UNKNOWN, BytePairTokenizer, byte_pairs, load_tokenizer
from fastcands.data.byte_pairs import can_train_byte_pairs

TRAINING = ["the lowest of the lower, 12345 and 東京は夜の七時 ", "x = lower(  y)\n        return <unk> </s>\n"] * 20
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from("the low東は1_.<> \n\t\x1c\u0301ก่"))


@pytest.fixture(scope="module")
def tokenizer() -> BytePairTokenizer:
    return BytePairTokenizer.train(TRAINING, 400)


@given(pieces=st.lists(TEXTS))
def test_every_text_is_its_tokens(tokenizer: BytePairTokenizer, pieces: list[str]) -> None:
    tokens = list(tokenizer(pieces))
    assert tokenizer.decode(tokens) == "".join(pieces)
    assert sum(map(len, tokens)) == len("".join(pieces).encode())
    assert set(tokens) <= set(tokenizer.tokens)


@given(pieces=st.lists(TEXTS), space=st.sampled_from([" ", "\n", "\r\n", "\t\t", "\x1f", "\x85", "\u3000"]))
def test_pieces_may_be_cut_at_white_space(tokenizer: BytePairTokenizer, pieces: list[str], space: str) -> None:
    pieces = [piece + space for piece in pieces]
    assert list(tokenizer(pieces)) == list(tokenizer(["".join(pieces)]))


def test_how_text_is_split(tokenizer: BytePairTokenizer) -> None:
    assert list(tokenizer(["the lower,  the"])) == ["the", "Ġlower", ",", "Ġ", "Ġthe"]
    assert list(tokenizer(["the "])) == ["the", "Ġ"]
    assert list(tokenizer(["x\n        the"]))[-1] == "Ġthe"
    assert list(tokenizer([])) == []


def test_the_tokens_are_words_of_a_vocabulary(tokenizer: BytePairTokenizer) -> None:
    assert len(tokenizer.tokens) == len(set(tokenizer.tokens)) <= 400
    assert sum(len(token) == 1 for token in tokenizer.tokens) == 256
    assert not any(token.split() != [token] for token in tokenizer.tokens)
    # marks and letters are never merged
    assert {UNKNOWN, BOUNDARY}.isdisjoint(tokenizer.tokens)


def test_the_number_of_tokens() -> None:
    words = [f"{i * 7919 % 10**6:06d}".translate(str.maketrans("0123456789", "abcdefghij")) for i in range(20_000)]
    text = [" ".join(words)] * 2  # 280,000 bytes
    assert len(BytePairTokenizer.train(text, 10**6).tokens) == int(4 * (2 * len(text[0])) ** 0.5) == 2116
    assert len(BytePairTokenizer.train(text[0][:2000].split(), 10**6, 1).tokens) < 1000  # no more pairs seen twice
    assert len(BytePairTokenizer.train(text, 300).tokens) == 300
    assert len(BytePairTokenizer.train([], 300).tokens) == 256
    rare = BytePairTokenizer.train(["lower " * 5], 300, min_count=6)
    assert len(rare.tokens) == 256


def test_much_text_is_represented_by_the_beginning_of_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = ["low low low wwww wwww wwww ", "new new new eeee eeee eeee "]
    monkeypatch.setattr(byte_pairs, "_TRAINED_ON", 24)
    tokens = BytePairTokenizer.train(pieces, 300).tokens
    assert {"low", "new"} <= set(tokens)
    assert {"ww", "ee"}.isdisjoint(tokens)


def test_long_texts_in_parts(tokenizer: BytePairTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(TRAINING) * 3
    expected = list(tokenizer([text]))
    monkeypatch.setattr(byte_pairs, "_ENCODED_AT_ONCE", 3)
    monkeypatch.setattr(byte_pairs, "_REMEMBERED", 5)
    fresh = BytePairTokenizer(tokenizer.to_json())
    assert list(fresh([text])) == expected
    assert len(fresh._remembered) <= 5 + 3


def test_what_is_not_utf_8_is_a_question_mark(tokenizer: BytePairTokenizer) -> None:
    assert tokenizer.decode(tokenizer(["caf\udce9 low"])) == "caf? low"
    assert tokenizer.decode(["æ"]) == "\N{REPLACEMENT CHARACTER}"


def test_a_saved_tokenizer_is_the_same(tokenizer: BytePairTokenizer) -> None:
    loaded = load_tokenizer("bpe", tokenizer.to_json())
    assert loaded.tokens == tokenizer.tokens
    assert loaded.to_json() == tokenizer.to_json()
    assert list(loaded(TRAINING)) == list(tokenizer(TRAINING))


def test_training_is_the_same_in_every_process_and_survives_a_fork(tokenizer: BytePairTokenizer) -> None:
    code = f"""
import os, sys
from fastcands.data import BytePairTokenizer
pieces = {TRAINING!r}
tokenizer = BytePairTokenizer.train(pieces, 400)
expected = list(tokenizer(pieces))
print(tokenizer.to_json(), flush=True)
child = os.fork()
if not child:
    os._exit(list(BytePairTokenizer(tokenizer.to_json())(pieces)) != expected)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == tokenizer.to_json() + "\n"


def test_refused_arguments(tokenizer: BytePairTokenizer) -> None:
    with pytest.raises(ValueError, match=r"^max_tokens must be at least 256, got 255$"):
        BytePairTokenizer.train(["a"], 255)
    with pytest.raises(ValueError, match=r"^min_count must be at least 1, got 0$"):
        BytePairTokenizer.train(["a"], 256, 0)
    damaged = json.loads(tokenizer.to_json()) | {"tokenizer": {}}
    for state in ("", "{}", "[]", json.dumps(damaged), json.dumps(damaged | {"runs": "("})):
        with pytest.raises(ValueError, match=r"^state is not that of a byte-pair tokenizer \(.+\)$"):
            BytePairTokenizer(state)


def test_without_the_package(tokenizer: BytePairTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_train_byte_pairs()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert not can_train_byte_pairs()
    message = r"^bpe needs the package tokenizers: pip install 'fastcands\[tokenizers\]'$"
    with pytest.raises(ValueError, match=message):
        BytePairTokenizer.train(["a"], 300)
    with pytest.raises(ValueError, match=message):
        BytePairTokenizer(tokenizer.to_json())
