"""Tokenizers: from pieces of text to words.

A tokenizer takes an iterable of pieces of text and yields tokens. No token holds white space, so text may be
cut into pieces at any white space without changing its tokens. All work is done by compiled regular
expressions that are mapped over the pieces: no Python code runs per token.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

__all__ = ["TOKENIZERS", "Tokenizer", "tokenize_python", "tokenize_whitespace", "tokenize_words"]

Tokenizer = Callable[[Iterable[str]], Iterator[str]]
"""The type of a tokenizer: pieces of text in, tokens out."""

# {w} stands for the characters of a word. Alternatives stand in the order of their frequency, as far as
# their meaning allows: the engine tries them one by one.
_WORDS = r"[0-9]+(?:[.,][0-9]+)+(?!{w})|{w}+(?:['\u2019]{w}+)*|\S"

_PYTHON = "|".join(
    (
        r"[A-Za-z_]{w}*",
        r"[(),\[\]{{}};]",
        r"0[xX][0-9A-Fa-f_]+",
        r"[0-9]+",
        r"\.(?:\.\.)?",
        r"'(?:'')?",
        r'"(?:"")?',
        r"->",
        r"(?:\*\*|//|>>|<<|[-+*/%&|^=<>!:@])=?",
        # escapes: \x1b, \u20ac, \033, a control character's letter, a mark, a letter alone (\d, \w)
        r"\\(?:x[0-9A-Fa-f]{{2}}|u[0-9A-Fa-f]{{4}}|U[0-9A-Fa-f]{{8}}|[0-7]{{1,3}}|[abfnrtv]|[^\s\w]|\w\b)",
        r"{w}+",
        r"\S",
    )
)


@functools.cache
def _combining_marks() -> str:
    r"""Return the combining marks as ranges of a character class.

    ``\w`` lacks them, though most words of the Indic scripts and many of Arabic and Hebrew hold some. Those
    of the basic plane are enough: beyond it are marks of music and of scripts out of use.
    """
    ranges: list[list[int]] = []
    for code in range(0x300, 0x10000):
        if unicodedata.category(chr(code)).startswith("M"):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


@functools.cache
def _finder(pattern: str, *, ascii_only: bool) -> Callable[[str], list[str]]:
    word_characters = "[A-Za-z0-9_]" if ascii_only else rf"[\w{_combining_marks()}]"
    # looking first whether a token can begin here spares white space, a third of source code, a trial of all
    # alternatives: almost twice as fast
    return re.compile(rf"(?=\S)(?:{pattern.format(w=word_characters)})").findall


def _tokens_of(pattern: str, pieces: Iterable[str]) -> Iterator[str]:
    find_in_ascii = _finder(pattern, ascii_only=True)  # the same tokens on ASCII text, faster

    def find(piece: str) -> list[str]:
        return find_in_ascii(piece) if piece.isascii() else _finder(pattern, ascii_only=False)(piece)

    return itertools.chain.from_iterable(map(find, pieces))


def tokenize_words(pieces: Iterable[str]) -> Iterator[str]:
    r"""Split natural language into words, numbers and single punctuation marks; the case stays.

    An apostrophe inside a word belongs to it (``don't``), a point or comma between digits to the number
    (``1,000.5``). Scripts that put no space between words (Chinese, Japanese, Thai) are not segmented: use
    ``whitespace`` on text that has been segmented before.

    Parameters
    ----------
    pieces : iterable of str
        Text, cut at white space.

    Returns
    -------
    iterator of str
        The tokens, in order.

    Examples
    --------
    >>> list(tokenize_words(["It's 1,000.5 miles", "(or more)."]))
    ["It's", '1,000.5', 'miles', '(', 'or', 'more', ')', '.']
    """
    return _tokens_of(_WORDS, pieces)


def tokenize_whitespace(pieces: Iterable[str]) -> Iterator[str]:
    """Split text at white space only: for text that has been tokenized before.

    Parameters
    ----------
    pieces : iterable of str
        Text, cut at white space.

    Returns
    -------
    iterator of str
        The tokens, in order.

    Examples
    --------
    >>> list(tokenize_whitespace(["the <unk> of", "N years ."]))
    ['the', '<unk>', 'of', 'N', 'years', '.']
    """
    return itertools.chain.from_iterable(map(str.split, pieces))


def tokenize_python(pieces: Iterable[str]) -> Iterator[str]:
    r"""Split Python source into identifiers, numbers, operators and the pieces of strings and comments.

    It is no parser: any text has tokens, broken source too. Strings and comments fall into words and marks
    like the code around them, with each escape sequence as one piece. White space, indentation and line ends
    give no tokens.

    Parameters
    ----------
    pieces : iterable of str
        Source text, cut at white space.

    Returns
    -------
    iterator of str
        The tokens, in order.

    Examples
    --------
    >>> print(*tokenize_python([r"total //= 0x1F  # don't", r"print('a\tb', end='')"]), sep=" ~ ")
    total ~ //= ~ 0x1F ~ # ~ don ~ ' ~ t ~ print ~ ( ~ ' ~ a ~ \t ~ b ~ ' ~ , ~ end ~ = ~ ' ~ ' ~ )
    """
    return _tokens_of(_PYTHON, pieces)


TOKENIZERS: dict[str, Tokenizer] = {
    "words": tokenize_words,
    "whitespace": tokenize_whitespace,
    "python": tokenize_python,
}
"""The tokenizers by the name the command line gives them."""
