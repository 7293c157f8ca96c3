"""Numbers at the ends of text lines: the weights of a vocabulary file."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["parse_lines"]

_NEWLINE = np.uint8(ord("\n"))
_RETURN = np.uint8(ord("\r"))
_COMMA = np.uint8(ord(","))
_BLANK = np.uint8(ord(" "))
_TAB = np.uint8(ord("\t"))
_DOT = np.uint8(ord("."))
_ZERO = np.uint8(ord("0"))
_NINE = np.uint8(ord("9"))
_PLUS = np.uint8(ord("+"))
_MINUS = np.uint8(ord("-"))
_LOWER_E = np.uint8(ord("e"))
_UPPER_E = np.uint8(ord("E"))
_LARGEST = float(np.finfo(np.float32).max)
_CLOSE = 1e-15  # several times the error of a product of two numbers rounded to float64

_POWERS = np.array([float(f"1e{e}") for e in range(-60, 61)])  # float("1e-23") is rounded once, 10.0**-23 is not
_MAX_POWER = 60
_MAX_DIGITS = 18  # an int64 holds any number of so many digits


@kernel
def _is_space(c: int) -> bool:
    """Whether a character at either end of a field is no part of the number."""
    return c in (_BLANK, _TAB, _RETURN)


@kernel
def _number(text: Any, start: int, stop: int) -> float:
    """Return the decimal number that is all of ``text[start:stop]``, NaN if it is none or a difficult one."""
    at = start
    negative = False
    if at < stop and (text[at] == _MINUS or text[at] == _PLUS):
        negative = text[at] == _MINUS
        at += 1
    digits = 0
    mantissa: Any = np.int64(0)
    exponent = 0
    dotted = False
    while at < stop:
        c = text[at]
        if c >= _ZERO and c <= _NINE:
            mantissa = mantissa * 10 + np.int64(c - _ZERO)
            digits += 1
            exponent -= dotted
        elif c == _DOT and not dotted:
            dotted = True
        else:
            break
        at += 1
    if digits == 0 or digits > _MAX_DIGITS:
        return np.nan
    if at < stop and (text[at] == _LOWER_E or text[at] == _UPPER_E):
        at += 1
        sign = 1
        if at < stop and (text[at] == _MINUS or text[at] == _PLUS):
            sign = -1 if text[at] == _MINUS else 1
            at += 1
        if at == stop or stop - at > 4:
            return np.nan
        power: Any = np.int64(0)
        while at < stop and text[at] >= _ZERO and text[at] <= _NINE:
            power = power * 10 + np.int64(text[at] - _ZERO)
            at += 1
        exponent += sign * power
    if at < stop or exponent < -_MAX_POWER or exponent > _MAX_POWER:
        return np.nan
    value = np.float64(mantissa) * _POWERS[exponent + _MAX_POWER]
    # rounded twice already: right unless that changes what float32 it is
    if np.float32(value * (1.0 - _CLOSE)) != np.float32(value * (1.0 + _CLOSE)):
        return np.nan
    return float(-value if negative else value)


@kernel
def parse_lines(text: Any, progress: Any, num_shards: int, shard: int, out: Any, difficult: Any) -> int:
    """Read the weight at the end of each complete line, after its last comma.

    Lines without any character are passed over and not counted, carriage returns count as no character, and of the
    lines counted only one in num_shards is read. Blanks and tabs around the number are no part of it. Stops early when
    `difficult` is full.

    IN
        text : (n,) uint8
        num_shards : int64
        shard : int64, lines with ``count % num_shards == shard`` are read
    OUT
        progress : (4,) int64, updated: lines, lines counted, weights so far, and the rows of `difficult` now filled
        out : (N,) float32, the weights; those that find no room are counted only
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
                        value = _number(text, start, stop)
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
