"""Weights from a vocabulary file: one class a line, the weight after the last comma."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.text.number_lines import parse_lines
from fastcands.validation.class_weights import bad_vocabulary_line

__all__ = ["read_vocabulary"]

_CHUNK = 2**23
_DIFFICULT = 4096  # fields of a chunk that the kernel may leave over before it has to return
_TOO_LARGE = float(np.finfo(np.float32).max) * (1 + 2.0**-25)  # rounded to float32, infinite
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_HEXADECIMAL = re.compile(rb"[+-]?0[xX]([0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)([pP][+-]?\d+)?")
_NOT_FINITE = re.compile(rb"[+-]?(inf|infinity|nan)", re.IGNORECASE)


def _as_weight(field: bytes) -> float | None:
    """Return the number C's strtof reads in a field, None where there is none."""
    number = field.replace(b"\r", b"").strip(b" \t\v\f")
    if _DECIMAL.fullmatch(number) or _NOT_FINITE.fullmatch(number):
        return float(number)
    if _HEXADECIMAL.fullmatch(number):
        return float.fromhex(number.decode("ascii"))
    return None


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in pieces of complete lines, without a byte order mark, the last line with its newline."""
    rest = b""
    first = True
    while block := file.read(_CHUNK):
        if first:
            block = block.removeprefix(_BOM)
            first = False
        end = block.rfind(b"\n") + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
    if rest:
        yield rest + b"\n"


def _open(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file, through gzip if its first bytes say so."""
    with open(path, "rb") as file:
        compressed = file.read(2) == _GZIP
    return gzip.open(path) if compressed else open(path, "rb")  # type: ignore[return-value]


def read_vocabulary(
    path: str | os.PathLike[str], num_weights: int, num_shards: int, shard: int
) -> tuple[NDArray[np.float32], int]:
    """Read the weights of one shard's lines.

    The rules are TensorFlow's: empty lines do not count, carriage returns are dropped, the number may stand between
    blanks and be written with an exponent or in hexadecimal, and only the lines of the shard are looked at. A file may
    be compressed by gzip and may begin with a byte order mark.

    Parameters
    ----------
    path : path
        Of the file.
    num_weights : int
        How many there should be.
    num_shards : int
        Of the lines that count, one in so many belongs to a shard.
    shard : int
        The first line that does.

    Returns
    -------
    float32 array, shape (num_weights,)
        Weights; not all are written where there are fewer.
    int
        How many there are in the file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a line of the shard does not end in a number, or the number is negative, infinite or no number. The
        message has the line.
    """
    weights = np.empty(num_weights, np.float32)
    progress = np.zeros(4, np.int64)
    difficult = np.empty((_DIFFICULT, 4), np.int64)
    with _open(path) as file:
        for chunk in _chunks(file):
            text = np.frombuffer(chunk, np.uint8)
            done = 0
            while done < len(chunk):
                used = parse_lines(text[done:], progress, num_shards, shard, weights, difficult)
                for at, line, start, stop in difficult[: progress[3]].tolist():
                    field = chunk[done + start : done + stop]
                    weight = _as_weight(field)
                    if weight is None or not 0.0 <= weight < _TOO_LARGE:
                        raise bad_vocabulary_line(path, line, field, weight)
                    weights[at] = weight
                done += used
    return weights, int(progress[2])
