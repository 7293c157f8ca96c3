"""The end of a text, held out: where it begins, in tokens and in bytes."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.data.reading import utf8_size
from fastcands.data.tokenizers import Tokenizer

__all__ = ["CutByBytes", "CutByTokens", "first_bytes_of", "kept"]

_HELD_OUT_SHARE = 0.05


def kept(size: int) -> int:
    """Return how much of a text stands before its held-out end, at least one token or byte long.

    Parameters
    ----------
    size : int
        Of the whole text.

    Returns
    -------
    int
        Of the beginning.
    """
    return size - max(1, int(size * _HELD_OUT_SHARE))


def first_bytes_of(pieces: Iterable[str], size: int) -> Iterator[str]:
    """Yield the pieces of the first bytes of a text; a character that is not whole among them is left out.

    Parameters
    ----------
    pieces : iterable of str
        The text.
    size : int
        Bytes of it in UTF-8.

    Yields
    ------
    str
        The pieces, the last one cut.
    """
    for piece in pieces:
        if size <= 0:
            return
        length = utf8_size(piece)
        yield piece if length <= size else piece.encode()[:size].decode(errors="ignore")
        size -= length


class _Piece(NamedTuple):
    tokens_before: int
    bytes_before: int
    tokens: int
    text: str


class CutByTokens:
    """Cut off a share of the tokens of a text that is read as a stream, and find the byte where that is.

    Of the text only what may still be cut off is kept: a tenth.

    Parameters
    ----------
    tokenizer : Tokenizer
        Gives one list of tokens a piece.
    cuts : int
        How often `cut` will be called, each time for what was left.
    """

    def __init__(self, tokenizer: Tokenizer, cuts: int) -> None:
        self._tokenizer = tokenizer
        self._cuts = cuts
        self._tokens = self._bytes = 0
        self._piece = ""
        self._pieces: collections.deque[_Piece] = collections.deque()

    def token_lists(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        """Yield the tokens of a document, a list for each piece.

        Parameters
        ----------
        pieces : iterable of str
            Its text.

        Yields
        ------
        list of str
            The tokens.
        """
        if not self._cuts:
            yield from self._tokenizer.token_lists(pieces)
            return
        for tokens in self._tokenizer.token_lists(self._watched(pieces)):
            self._add(self._piece, len(tokens))
            yield tokens

    def _watched(self, pieces: Iterable[str]) -> Iterator[str]:
        for piece in pieces:
            self._piece = piece
            yield piece

    def end_document(self) -> None:
        """Count the boundary that follows a document."""
        self._add("", 1)

    def _add(self, text: str, tokens: int) -> None:
        self._pieces.append(_Piece(self._tokens, self._bytes, tokens, text))
        self._tokens += tokens
        self._bytes += utf8_size(text)
        earliest = self._tokens  # more text moves the cuts only towards its end
        for _ in range(self._cuts):
            earliest = kept(earliest)
        while self._pieces and self._pieces[0].tokens_before + self._pieces[0].tokens <= earliest:
            self._pieces.popleft()

    def cut(self, tokens: int, size: int) -> tuple[int, int]:
        """Return where the held-out end of the first `tokens` tokens begins.

        Parameters
        ----------
        tokens, size : int
            Tokens and bytes of a beginning of the text.

        Returns
        -------
        tuple of int
            Tokens and bytes before its end. White space at the cut stands before it.
        """
        at = kept(tokens)
        piece = next(piece for piece in self._pieces if piece.tokens_before <= at < piece.tokens_before + piece.tokens)
        return at, piece.bytes_before + utf8_size(piece.text[: self._start(piece, at - piece.tokens_before)])

    def _start(self, piece: _Piece, index: int) -> int:
        """Return where token `index` of a piece begins in its text."""
        tokens = list(self._tokenizer([piece.text]))
        index -= piece.tokens - len(tokens)  # white space before the piece may have given a token
        gap = self._tokenizer.gap
        characters = len("".join(tokens[: max(index, 0)]))
        for run in re.finditer(r"\S+", piece.text):
            length = run.end() - run.start() + len(gap)
            if characters < length:
                return run.start() + characters
            characters -= length
        return 0


class CutByBytes:
    """Cut off a share of the bytes of a text whose tokens, joined, are the text; at the next token's beginning.

    Parameters
    ----------
    ids : int32 array, shape (N,)
        Numbers of the tokens.
    sizes : int64 array, shape (V,)
        Bytes of the tokens by number; 0 for the boundary.
    """

    def __init__(self, ids: NDArray[np.int32], sizes: NDArray[np.int64]) -> None:
        self._ends = np.cumsum(sizes[ids])

    def cut(self, tokens: int, size: int) -> tuple[int, int]:
        """Return where the held-out end of the first `tokens` tokens begins.

        Parameters
        ----------
        tokens, size : int
            Tokens and bytes of a beginning of the text.

        Returns
        -------
        tuple of int
            Tokens and bytes before its end. A token that holds the place stands before it, and so does the
            boundary of a document that ends there.
        """
        place = kept(size)
        # the first token to reach the place, and all that end there
        after = int(np.searchsorted(self._ends, place, "left")) + 1
        at = max(after, int(np.searchsorted(self._ends, place, "right")))
        return at, int(self._ends[at - 1])
