"""Tokenizers by name: those that need no training, and trained ones from what was saved of them."""

from __future__ import annotations

from fastcands.data.byte_pairs import BytePairTokenizer
from fastcands.data.tokenizers import TOKENIZERS, Tokenizer

__all__ = ["TOKENIZER_NAMES", "as_tokenizer", "check_tokenizer_name", "load_tokenizer"]

TOKENIZER_NAMES: tuple[str, ...] = (*TOKENIZERS, BytePairTokenizer.name)
"""The names of all tokenizers, the trained one too."""


def check_tokenizer_name(name: str) -> None:
    """Refuse names that are no tokenizer's.

    Parameters
    ----------
    name : str
        The name.

    Raises
    ------
    ValueError
        If it is none of `TOKENIZER_NAMES`.
    """
    if name not in TOKENIZER_NAMES:
        raise ValueError(f"tokenizer must be one of {', '.join(TOKENIZER_NAMES)}, got {name!r}")


def load_tokenizer(name: str, state: str | None = None) -> Tokenizer:
    """Return a tokenizer by its name and what its ``to_json`` returned.

    Parameters
    ----------
    name : str
        One of `TOKENIZER_NAMES`.
    state : str, optional
        Needed for ``bpe``; the others have none, or ``{}``.

    Returns
    -------
    Tokenizer
        Gives the same tokens as the one saved.

    Raises
    ------
    ValueError
        If `name` is unknown, `state` is missing, not asked for or damaged, or the package ``tokenizers`` is
        missing, which ``bpe`` needs.

    Examples
    --------
    >>> tokenizer = load_tokenizer("words")
    >>> list(load_tokenizer(tokenizer.name, tokenizer.to_json())(["one two"]))
    ['one', 'two']
    """
    check_tokenizer_name(name)
    if name == BytePairTokenizer.name:
        if state is None:
            raise ValueError("tokenizer bpe is known only when trained: give its state, or the trained tokenizer")
        return BytePairTokenizer(state)
    if state not in (None, TOKENIZERS[name].to_json()):
        raise ValueError(f"tokenizer {name} has no state, got one")
    return TOKENIZERS[name]


def as_tokenizer(tokenizer: str | Tokenizer) -> Tokenizer:
    """Return a tokenizer, found by its name if need be.

    Parameters
    ----------
    tokenizer : str or Tokenizer
        A name in `TOKENIZERS`, or a tokenizer.

    Returns
    -------
    Tokenizer
        The tokenizer.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        As `load_tokenizer`.
    """
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    if not isinstance(tokenizer, str):
        raise TypeError(f"tokenizer must be a name or a Tokenizer, got {type(tokenizer).__name__}")
    return load_tokenizer(tokenizer)
