"""Numbers at the ends of text lines: the weights of a vocabulary file."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.text.decimal_number import decimal_number

__all__ = ["parse_lines"]

_NEWLINE = np.uint8(ord("\n"))
_RETURN = np.uint8(ord("\r"))
_COMMA = np.uint8(ord(","))
_BLANK = np.uint8(ord(" "))
_TAB = np.uint8(ord("\t"))
_LARGEST = float(np.finfo(np.float32).max)


@kernel
def _is_space(c: int) -> bool:
    """Whether a character at either end of a field is no part of the number."""
    return c in (_BLANK, _TAB, _RETURN)


@kernel
def parse_lines(text: Any, progress: Any, num_shards: int, shard: int, out: Any, difficult: Any) -> int:
    """Read the weight at the end of each complete line, after its last comma.

    Lines without any character are skipped and not counted, carriage returns count as no character, and of the
    lines counted only one in num_shards is read. Blanks and tabs around the number are ignored. Stops early when
    `difficult` is full.

    IN
        text : (n,) uint8
        num_shards : int64
        shard : int64, lines with ``count % num_shards == shard`` are read
    OUT
        progress : (4,) int64, updated: lines, lines counted, weights so far, and the rows of `difficult` now filled
        out : (N,) float32, the weights; further ones are only counted
        difficult : (M, 4) int64: weight, line, start and stop of each field that is left to the caller
    Returns the number of bytes up to the end of the last line that is done.
    """
    num_lines = progress[0]
    counted = progress[1]
    weights = progress[2]
    num_difficult = 0
    done = 0
    field = 0
    length = 0
    for at in range(len(text)):
        c = text[at]
        if c == _COMMA:
            field = at + 1
            length += 1
        elif c != _NEWLINE:
            length += c != _RETURN
        else:
            num_lines += 1
            if length > 0:
                if counted % num_shards == shard:
                    if weights < len(out):
                        start = field
                        stop = at
                        while start < stop and _is_space(text[start]):
                            start += 1
                        while stop > start and _is_space(text[stop - 1]):
                            stop -= 1
                        value = decimal_number(text, start, stop)
                        out[weights] = np.float32(value)
                        if not (value >= 0.0 and value <= _LARGEST):
                            difficult[num_difficult, 0] = weights
                            difficult[num_difficult, 1] = num_lines
                            difficult[num_difficult, 2] = field
                            difficult[num_difficult, 3] = at
                            num_difficult += 1
                    weights += 1
                counted += 1
            done = at + 1
            field = at + 1
            length = 0
            if num_difficult == len(difficult):
                break
    progress[0] = num_lines
    progress[1] = counted
    progress[2] = weights
    progress[3] = num_difficult
    return done
