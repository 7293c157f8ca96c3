"""Tokenizers: from pieces of text to words.

A tokenizer takes an iterable of pieces of text and yields tokens. Text may be cut into pieces at any white
space without changing its tokens. All work is done by compiled regular expressions that are mapped over the
pieces: no Python code runs per token.
"""

from __future__ import annotations

import abc
import functools
import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "TOKENIZERS",
    "Tokenizer",
    "tokenize_characters",
    "tokenize_python",
    "tokenize_whitespace",
    "tokenize_words",
]

_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"  # the token of `tokenize_characters` for white space


class Tokenizer(abc.ABC):
    """From pieces of text to tokens: a call with an iterable of str, cut at white space, gives an iterator of str.

    Attributes
    ----------
    name : str
        As the command line and `prepare_corpus` take it.
    tokens : tuple of str
        All tokens it can give; empty where their number has no limit.
    gap : str
        The token that white space between two tokens gives, or ``""``. Without white space and these tokens
        the text is its tokens joined.

    Examples
    --------
    >>> tokenizer = TOKENIZERS["words"]
    >>> tokenizer.name, list(tokenizer(["one two", "three."])), tokenizer.to_json()
    ('words', ['one', 'two', 'three', '.'], '{}')
    """

    name: str
    tokens: tuple[str, ...] = ()
    gap: str = ""

    @abc.abstractmethod
    def token_lists(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        """Return the tokens as lists, those of each piece as soon as it has come.

        Parameters
        ----------
        pieces : iterable of str
            Text, cut at white space.

        Returns
        -------
        iterator of list of str
            Joined, the tokens.
        """

    def __call__(self, pieces: Iterable[str]) -> Iterator[str]:
        """Return the tokens one by one.

        Parameters
        ----------
        pieces : iterable of str
            Text, cut at white space.

        Returns
        -------
        iterator of str
            The tokens, in order.
        """
        return itertools.chain.from_iterable(self.token_lists(pieces))

    def to_json(self) -> str:
        """Return what `load_tokenizer` needs beside the name to make an equal tokenizer.

        Returns
        -------
        str
            JSON: ``{}`` for a tokenizer that needs no training.
        """
        return "{}"


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
def combining_marks() -> str:
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
    word_characters = "[A-Za-z0-9_]" if ascii_only else rf"[\w{combining_marks()}]"
    # looking first whether a token can begin here spares white space, a third of source code, a trial of all
    # alternatives: almost twice as fast
    return re.compile(rf"(?=\S)(?:{pattern.format(w=word_characters)})").findall


class _Pattern(Tokenizer):
    """Tokens are what a regular expression finds."""

    def __init__(self, name: str, pattern: str) -> None:
        self.name = name
        self._pattern = pattern

    def token_lists(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        find_in_ascii = _finder(self._pattern, ascii_only=True)  # the same tokens on ASCII text, faster

        def find(piece: str) -> list[str]:
            return find_in_ascii(piece) if piece.isascii() else _finder(self._pattern, ascii_only=False)(piece)

        return map(find, pieces)


class _Whitespace(Tokenizer):
    name = "whitespace"

    def token_lists(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        return map(str.split, pieces)


@functools.cache
def _character_finder() -> tuple[Callable[[str], object], Callable[[str], list[str]]]:
    marks = combining_marks()
    # the token of white space takes no mark: one after white space begins a piece when the text is cut there
    return re.compile(f"[{marks}]").search, re.compile(f"[^{_SPACE}][{marks}]*|{_SPACE}").findall


def _characters(text: str) -> list[str]:
    if text.isascii():
        return list(text)
    has_mark, find = _character_finder()
    return find(text) if has_mark(text) else list(text)  # a list of the characters is much faster


class _Characters(Tokenizer):
    name = "characters"
    gap = _SPACE

    def token_lists(self, pieces: Iterable[str]) -> Iterator[list[str]]:
        begun = after_space = False
        for piece in pieces:
            text = _SPACE.join(piece.split())
            if not text:
                after_space = after_space or bool(piece)
                yield []
                continue
            tokens = _characters(text)
            # white space where the text was cut is known to stand between two characters only now
            if begun and (after_space or piece[0].isspace()):
                tokens.insert(0, _SPACE)
            yield tokens
            begun, after_space = True, piece[-1].isspace()


TOKENIZERS: dict[str, Tokenizer] = {
    tokenizer.name: tokenizer
    for tokenizer in (_Pattern("words", _WORDS), _Whitespace(), _Pattern("python", _PYTHON), _Characters())
}
"""The tokenizers that need no training, by name."""


def tokenize_words(pieces: Iterable[str]) -> Iterator[str]:
    r"""Split natural language into words, numbers and single punctuation marks; the case stays.

    An apostrophe inside a word belongs to it (``don't``), a point or comma between digits to the number
    (``1,000.5``). Scripts that put no space between words (Chinese, Japanese, Thai) are not segmented: use
    ``bpe`` or ``characters`` there, or ``whitespace`` on text that has been segmented before.

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
    return TOKENIZERS["words"](pieces)


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
    return TOKENIZERS["whitespace"](pieces)


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
    return TOKENIZERS["python"](pieces)


def tokenize_characters(pieces: Iterable[str]) -> Iterator[str]:
    """Split text into its characters, for scripts without spaces between words.

    A character is a code point together with the combining marks after it. White space between two characters
    is one token, ``▁`` (U+2581), however long; at the ends of the text it gives none.

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
    >>> list(tokenize_characters(["東京 は", "  夜 "]))
    ['東', '京', '▁', 'は', '▁', '夜']
    """
    return TOKENIZERS["characters"](pieces)
