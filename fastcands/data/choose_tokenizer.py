"""Which tokenizer suits a text: words where it has white space between words."""

from __future__ import annotations

import re

from fastcands.data.byte_pairs import can_train_byte_pairs
from fastcands.data.corpus import Corpus
from fastcands.data.reading import first_bytes

__all__ = ["choose_tokenizer"]

_FILES = 64
_SAMPLE = 1_000_000  # bytes in all
_ENOUGH = 1_000  # characters of which white space is judged

_MOST_WITHOUT_SPACES = 0.05  # of the letters
_LONGEST_RUN = 30  # characters between white space, in the mean

# Thai and Lao, Burmese, Khmer, Chinese and Japanese. Tibetan has marks between syllables, Korean has spaces.
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_LETTERS = re.compile(r"[^\W\d_]")


def _sample(corpus: Corpus) -> str:
    """Return the beginnings of some files, spread over the training text."""
    files = [path for path in corpus.train if path.is_file()]  # a pipe can be read only once
    files = files[:: -(-len(files) // _FILES) or 1]
    beginnings = (first_bytes(path, _SAMPLE // len(files)) for path in files)
    return "\n".join(beginning.decode("utf-8-sig", errors="replace") for beginning in beginnings)


def choose_tokenizer(corpus: Corpus) -> tuple[str, str | None]:
    """Return the name of the tokenizer that suits a text, and why if it is not ``words``.

    It looks at the beginnings of up to 64 training files, a million bytes in all. Words make no sense where

    - more than 5 % of the letters are of scripts without spaces between words: Chinese, Japanese, Thai, Lao,
      Khmer, Burmese. Chinese and Japanese manuals in HTML, most of it English markup, have from 7 % to 34 %,
      plain text 60 % and more, an English manual with a few translated pages 2 %; other languages have none;
    - or, in more than 1,000 characters, there are more than 30 between one white space and the next, in the mean.
      Prose in any script with spaces has 4 to 10, source code 5 to 8, markup up to 16; lists of addresses
      have 45, minified code 70, base64 in lines 76.

    Then it is ``bpe``, or ``characters`` where the package ``tokenizers`` is missing.

    Parameters
    ----------
    corpus : Corpus
        The files. Pipes are not looked at.

    Returns
    -------
    tuple of str and (str or None)
        The name, and the reason in a sentence.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If a gzip file is damaged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "text.txt")
    >>> _ = file.write_text("The words of this text have spaces between them.")
    >>> choose_tokenizer(Corpus.from_paths([file]))
    ('words', None)
    >>> _ = file.write_text("吾輩は猫である。名前はまだ無い。", encoding="utf-8")
    >>> choose_tokenizer(Corpus.from_paths([file]))[1]
    '100 % of the letters are of scripts without spaces between words: words make no sense'
    """
    reason = _why_not_words(_sample(corpus))
    if reason is None:
        return "words", None
    return "bpe" if can_train_byte_pairs() else "characters", reason


def _why_not_words(text: str) -> str | None:
    letters = _LETTERS.findall(text)
    without_spaces = len(_WITHOUT_SPACES.findall("".join(letters)))
    if without_spaces > _MOST_WITHOUT_SPACES * len(letters):
        share = 100 * without_spaces / len(letters)
        return f"{share:.0f} % of the letters are of scripts without spaces between words: words make no sense"
    runs = text.split()
    characters = sum(map(len, runs))
    if len(text) > _ENOUGH and characters > _LONGEST_RUN * len(runs):
        return f"white space stands only every {characters / len(runs):,.0f} characters: words make no sense"
    return None
