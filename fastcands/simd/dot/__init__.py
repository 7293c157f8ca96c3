"""Products of packed blocks of bfloat16, by the instruction set that the processor has.

`INSTRUCTION_SETS` names one file of this folder for each. A file exports the names of `InstructionSet`: whether it is
usable, emitters of the product and of the vector arithmetic around it, and a twin of each emitter, which computes the
same in NumPy. The first usable one is chosen. ``portable`` is usable everywhere, but so slow that it is only for
tests. The environment variable ``FASTCANDS_BF16_ISA`` chooses one by name.

The choice is made when it is first needed, not at import, because some operating systems must grant permission. It
changes machine code, so it is part of the cache key of kernels in a folder ``bf16`` (`fastcands.cache.vary`); no other
kernel may use an emitter that depends on it.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from fastcands import cache
from fastcands.simd.dot.blocks import Epilogue
from fastcands.simd.vector import Lanes

__all__ = [
    "INSTRUCTION_SETS",
    "PORTABLE",
    "VARIABLE",
    "InstructionSet",
    "block_product",
    "chosen",
    "configure",
    "instruction_set",
    "name_of_chosen",
    "release",
    "unusable",
]

INSTRUCTION_SETS = ("amx", "portable")
"""Files of this folder, best first."""
PORTABLE = "portable"
"""Used only where no other one is usable, or by name."""
VARIABLE = "FASTCANDS_BF16_ISA"

_Floats = NDArray[np.float32]


class InstructionSet(Protocol):
    """What a file of this folder exports."""

    def unusable(self) -> str | None:
        """Return why it cannot be used here, None when it can."""

    def emit_configure(self, builder: Any) -> None:
        """Emit what a thread does before products."""

    def emit_release(self, builder: Any) -> None:
        """Emit what a thread does after products."""

    def emit_product(
        self, builder: Any, left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, out_stride: Any
    ) -> None:
        """Emit `block_product`."""

    def emit_overlapped(self, builder: Any, product: Sequence[Any], epilogue: Epilogue) -> None:
        """Emit a product from zero (left, right, steps, split, out) and an epilogue, at once where that is faster."""

    def emit_rounded(self, builder: Any, first: Any, second: Any) -> Any:
        """Emit 2 x 16 float32 as 32 bfloat16: nearest, ties to even, NaN to NaN, denormals to 0; as int16."""

    def emit_fraction(self, lanes: Lanes, x: Any) -> Any:
        """Emit x minus its floor, from 0 to 1; 0 for infinities."""

    def emit_scaled(self, lanes: Lanes, x: Any, exponent: Any) -> Any:
        """Emit x 2^floor(exponent); 0 or infinite where that underflows or overflows."""

    def emit_reciprocal(self, lanes: Lanes, x: Any) -> Any:
        """Emit 1 / x for x from 1 to 2, with a relative error of at most 2^-14."""

    def product_twin(self, sums: _Floats, left: _Floats, right: _Floats) -> _Floats:
        """Return what one step of an unsplit product adds to sums, (32, 32) each."""

    def rounded_twin(self, x: _Floats) -> NDArray[np.uint16]:
        """Return what `emit_rounded` makes of numbers."""

    def fraction_twin(self, x: _Floats) -> _Floats:
        """Return what `emit_fraction` makes of numbers."""

    def scaled_twin(self, x: _Floats, exponent: _Floats) -> _Floats:
        """Return what `emit_scaled` makes of numbers."""

    def reciprocal_twin(self, x: _Floats) -> tuple[_Floats, float]:
        """Return 1 / x, and the largest relative error of `emit_reciprocal`."""


def instruction_set(name: str) -> InstructionSet:
    """Return one of `INSTRUCTION_SETS`."""
    return cast(InstructionSet, importlib.import_module(f"{__name__}.{name}"))


@functools.cache
def _choice() -> tuple[str, str | None]:
    """Return which instruction set kernels use, and why the bfloat16 tiers cannot use it, None when they can."""
    asked = os.environ.get(VARIABLE)
    if asked:
        if asked not in INSTRUCTION_SETS:
            raise ValueError(f"{VARIABLE} must be one of {', '.join(map(repr, INSTRUCTION_SETS))}, got {asked!r}")
        reason = instruction_set(asked).unusable()
        if reason is not None:
            raise RuntimeError(f"{VARIABLE} is {asked!r}, which cannot be used: {reason}")
        return asked, None
    reasons = []
    for name in INSTRUCTION_SETS:
        if name != PORTABLE:
            reason = instruction_set(name).unusable()
            if reason is None:
                return name, None
            reasons.append(f"{name}: {reason}")
    return PORTABLE, "; ".join(reasons)


def name_of_chosen() -> str:
    """Return the name of the instruction set that kernels use.

    Returns
    -------
    str
        Of `INSTRUCTION_SETS`.

    Raises
    ------
    ValueError
        If the environment variable names none of them.
    RuntimeError
        If it names one that cannot be used here.
    """
    return _choice()[0]


def chosen() -> InstructionSet:
    """Return the instruction set that kernels use."""
    return instruction_set(name_of_chosen())


def unusable() -> str | None:
    """Return why the tiers 'high' and 'medium' cannot be computed here, None when they can.

    Raises
    ------
    ValueError, RuntimeError
        As `name_of_chosen`.
    """
    return _choice()[1]


cache.vary("bf16", name_of_chosen)


@intrinsic  # type: ignore[untyped-decorator]
def configure(typingctx: Any) -> Any:
    """Make this thread ready for products; call `release` after them."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chosen().emit_configure(builder)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def release(typingctx: Any) -> Any:
    """Undo `configure`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chosen().emit_release(builder)
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def block_product(
    typingctx: Any, left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, out_stride: Any
) -> Any:
    """``out (+)= sum over steps of left block @ right block``, 32 x 32 float32.

    Sums begin at zero, or at what is in memory, and go along k in one chain, so splitting k over several calls changes
    no bit. Instruction sets differ in the rounding of sums, and in infinities, overflows and denormals.

    IN
        left, right : addresses of panels of blocks, on cache lines
        steps : blocks in each
        split : 1 where each block is followed by its lo parts, else 0
        add : whether to add to what is in `out`
        out_stride : numbers from row to row of `out`
    OUT
        out : address of 32 rows of 32 float32; faster if each begins on a cache line
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        chosen().emit_product(builder, *arguments)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), codegen
