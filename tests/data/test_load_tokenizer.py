from __future__ import annotations

import re

import pytest

from fastcands.data import TOKENIZER_NAMES, TOKENIZERS, load_tokenizer
from fastcands.data.load_tokenizer import as_tokenizer


def test_the_names() -> None:
    assert TOKENIZER_NAMES == ("words", "whitespace", "python", "characters", "bpe")


@pytest.mark.parametrize("name", sorted(TOKENIZERS))
def test_those_that_need_no_training(name: str) -> None:
    tokenizer = TOKENIZERS[name]
    assert load_tokenizer(name) is load_tokenizer(name, tokenizer.to_json()) is tokenizer
    assert as_tokenizer(name) is as_tokenizer(tokenizer) is tokenizer


def test_refused_tokenizers() -> None:
    for call in (load_tokenizer, as_tokenizer):
        message = "tokenizer must be one of words, whitespace, python, characters, bpe, got 'word'"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call("word")
        message = "tokenizer bpe is known only when trained: give its state, or the trained tokenizer"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            call("bpe")
    with pytest.raises(ValueError, match=r"^tokenizer words has no state, got one$"):
        load_tokenizer("words", '{"a": 1}')
    with pytest.raises(ValueError, match=r"^state is not that of a byte-pair tokenizer "):
        load_tokenizer("bpe", "{}")
    with pytest.raises(TypeError, match=r"^tokenizer must be a name or a Tokenizer, got int$"):
        as_tokenizer(3)  # type: ignore[arg-type]
