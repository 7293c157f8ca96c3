r"""Byte pairs: a tokenizer that is trained on text, for every script, with no token unknown.

The text is first split into short runs of letters, digits, marks or white space; a run of white space leaves
its last space to what follows. So no run reaches over the beginning of white space, and the text may be cut
there. Each run is then encoded alone, by merging its bytes pair by pair, and remembered: most text repeats its
runs, and what repeats is only looked up.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from types import ModuleType

from fastcands.data.reading import utf8_size
from fastcands.data.tokenizers import Tokenizer, combining_marks
from fastcands.validation.numbers import as_size

__all__ = ["BytePairTokenizer", "byte_pair_library", "can_train_byte_pairs"]

_SMALLEST, _LARGEST = 1_000, 32_000  # default numbers of tokens, from a little text and from much
_TRAINED_ON = 1 << 24  # characters; more cost time and change few merges
_ENCODED_AT_ONCE = 1 << 15  # runs
_REMEMBERED = 1 << 18  # runs; about 100 MB

# {m} stands for combining marks. Runs are short, so that training and encoding are quick where a text has no white
# space, and so that no token is longer than 25 characters.
_RUNS = r" ?(?!\d)[\w{m}]{{1,24}}| ?\d{{1,3}}| ?[^\w\s{m}]{{1,24}}|\s+(?!\S)|\s+"


def can_train_byte_pairs() -> bool:
    """Return whether the package ``tokenizers`` is installed.

    Returns
    -------
    bool
        False if byte pairs can neither be trained nor loaded.
    """
    return find_spec("tokenizers") is not None


def byte_pair_library() -> ModuleType:
    """Return the package ``tokenizers``, imported only here.

    Returns
    -------
    module
        The package.

    Raises
    ------
    ValueError
        If it is not installed.
    """
    # threads of the library do not survive a fork, and it warns of that; results do not depend on them
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ImportError:
        raise ValueError("bpe needs the package tokenizers: pip install 'fastcands[tokenizers]'") from None
    return tokenizers


class BytePairTokenizer(Tokenizer):
    """Byte pairs, merged as training found best; made by `train` or `load_tokenizer`.

    Tokens are written as in GPT-2: each byte is one character, a space is ``Ġ`` and a line end ``Ċ``. Joined,
    the tokens are the whole text, white space included. So a token has as many bytes as characters.

    Parameters
    ----------
    state : str
        What `to_json` returned.

    Attributes
    ----------
    name : str
        ``"bpe"``.
    tokens : tuple of str
        All tokens, the 256 bytes among them.

    Raises
    ------
    ValueError
        If `state` is no such text, or the package ``tokenizers`` is missing.

    Examples
    --------
    >>> tokenizer = BytePairTokenizer.train(["low lower lowest " * 9], 260)
    >>> list(tokenizer(["low ", "slow"]))
    ['low', 'Ġ', 's', 'low']
    >>> tokenizer.decode(tokenizer(["low ", "slow"]))
    'low slow'
    """

    name = "bpe"

    def __init__(self, state: str) -> None:
        library = byte_pair_library()
        try:
            parts = json.loads(state)
            self._find = re.compile(parts["runs"]).findall
            self._model = library.Tokenizer.from_str(json.dumps(parts["tokenizer"]))
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"state is not that of a byte-pair tokenizer ({type(error).__name__}: {error})") from None
        self._state = state
        numbered = self._model.get_vocab()
        self.tokens = tuple(sorted(numbered, key=numbered.__getitem__))
        self._remembered: dict[str, list[str]] = {}

    @classmethod
    def train(cls, pieces: Sequence[str], max_tokens: int, min_count: int = 2) -> BytePairTokenizer:
        r"""Find the pairs to merge, the same ones each time.

        There are :math:`4 \sqrt{B}` tokens for a text of :math:`B` bytes, but at least 1,000 and at most 32,000, and
        at most `max_tokens`. A text of more than 16 million characters is represented by the beginning of each
        piece.

        Parameters
        ----------
        pieces : sequence of str
            The training text, cut at white space.
        max_tokens : int
            Most tokens, at least 256: the bytes.
        min_count : int, default 2
            Pairs that are rarer are not merged.

        Returns
        -------
        BytePairTokenizer
            The tokenizer.

        Raises
        ------
        ValueError
            If `max_tokens` is below 256, `min_count` below 1, or the package ``tokenizers`` is missing.
        """
        max_tokens = as_size(max_tokens, "max_tokens", minimum=256)
        min_count = as_size(min_count, "min_count")
        library = byte_pair_library()
        characters = sum(map(len, pieces))
        share = min(1.0, _TRAINED_ON / max(characters, 1))
        size = sum(map(utf8_size, pieces))
        wanted = min(max(_SMALLEST, int(4 * math.sqrt(size))), _LARGEST, max_tokens)

        bytes_only = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        model = library.Tokenizer(library.models.BPE())
        model.pre_tokenizer = bytes_only
        trainer = library.trainers.BpeTrainer(
            vocab_size=wanted,
            min_frequency=max(min_count, 2),  # a pair seen once says nothing
            show_progress=False,
            initial_alphabet=sorted(bytes_only.alphabet()),
        )
        runs = _RUNS.format(m=combining_marks())
        find = re.compile(runs).findall
        model.train_from_iterator((find(piece[: math.ceil(len(piece) * share)]) for piece in pieces), trainer)
        return cls(json.dumps({"runs": runs, "tokenizer": json.loads(model.to_str())}))

    def token_lists(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        """Return the tokens as lists; white space at the end of a piece comes with the next.

        Parameters
        ----------
        pieces : iterable of str
            Text, cut at white space.

        Returns
        -------
        iterator of list of str
            Joined, the tokens.
        """
        space = ""
        for piece in pieces:
            text = space + piece
            body = text.rstrip()
            space = text[len(body) :]
            yield from self._encode(body)
        yield from self._encode(space)

    def _encode(self, text: str) -> Iterator[list[str]]:
        found = self._find(text)
        for start in range(0, len(found), _ENCODED_AT_ONCE):
            runs = found[start : start + _ENCODED_AT_ONCE]
            if len(self._remembered) > _REMEMBERED:
                self._remembered.clear()
            fresh = list(set(itertools.filterfalse(self._remembered.__contains__, runs)))
            # no lone surrogate can be encoded; the command line gives them for bytes that are not UTF-8
            clean = [run.encode(errors="replace").decode() for run in fresh]
            encoded = self._model.encode_batch_fast(clean, add_special_tokens=False)
            token_of = self.tokens.__getitem__
            self._remembered.update(
                (run, list(map(token_of, each.ids))) for run, each in zip(fresh, encoded, strict=True)
            )
            yield list(itertools.chain.from_iterable(map(self._remembered.__getitem__, runs)))

    def decode(self, tokens: Iterable[str]) -> str:
        """Return the text of tokens.

        Parameters
        ----------
        tokens : iterable of str
            Some of `tokens`.

        Returns
        -------
        str
            The text; bytes that are not UTF-8, as where a character is cut, are U+FFFD.
        """
        text: str = byte_pair_library().decoders.ByteLevel().decode(list(tokens))
        return text

    def to_json(self) -> str:
        """Return what `load_tokenizer` needs to make an equal tokenizer.

        Returns
        -------
        str
            JSON: under ``"runs"`` the expression that splits text, under ``"tokenizer"`` what the package
            ``tokenizers`` writes.
        """
        return self._state
