"""Decimal numbers in text, correctly rounded to float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["decimal_number"]

_DOT = np.uint8(ord("."))
_ZERO = np.uint8(ord("0"))
_NINE = np.uint8(ord("9"))
_PLUS = np.uint8(ord("+"))
_MINUS = np.uint8(ord("-"))
_LOWER_E = np.uint8(ord("e"))
_UPPER_E = np.uint8(ord("E"))
_CLOSE = 1e-15  # several times the error of a product of two numbers rounded to float64

_POWERS = np.array([float(f"1e{e}") for e in range(-60, 61)])  # float("1e-23") is rounded once, 10.0**-23 is not
_MAX_POWER = 60
_MAX_DIGITS = 18  # an int64 holds any number of so many digits


@kernel
def decimal_number(text: Any, start: int, stop: int) -> float:
    """Return the decimal number that is all of ``text[start:stop]``, NaN if it is none or a difficult one.

    It is right as a float32: if a product of two rounded numbers is not precise enough, the caller must parse the text
    in another way.

    IN
        text : (n,) uint8
        start, stop : int64
    """
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
