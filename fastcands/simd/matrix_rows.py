"""What becomes of the rows of a block of logits: exponentials, or the gradients of a logistic loss, rounded and packed.

Two rows at a time, so that a product of matrix tiles can run beside them (`matrix`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bfloat16 import BLOCK_BYTES, LINE, SIDE, emit_left, emit_low, emit_rounded
from fastcands.simd.memory import emit_prefetch
from fastcands.simd.quick_exp import emit_quick_exp, emit_quick_softplus_and_sigmoid
from fastcands.simd.vector import Lanes

__all__ = ["ExponentialRows", "LogisticRows", "Rows", "exp_block", "logistic_block"]

_INTP = types.intp
_INT64 = ir.IntType(64)
_HALVES = (0, LINE)
_ROW = 2 * LINE
"""Bytes of a row of a block of float32: two vectors."""


class Rows(ABC):
    """Emits what becomes of a block, two rows at a time.

    Parameters
    ----------
    builder : llvmlite builder
        Where.
    block, offsets, shifts, split, extra, totals, left, ahead : LLVM values
        As `exp_block` has them, or `logistic_block`, which differ in `extra`: peaks or copies.
    """

    def __init__(
        self, builder: Any, block: Any, offsets: Any, shifts: Any, split: Any, extra: Any, totals: Any, left: Any,
        ahead: Any,
    ) -> None:  # fmt: skip
        lanes = self.lanes = Lanes(builder, types.float32)
        self._block, self._offsets, self._left, self._ahead = block, offsets, left, ahead
        self._is_split = builder.icmp_signed("!=", split, ir.Constant(_INT64, 0))
        self._shift = [lanes.load(lanes.at(shifts, half)) for half in _HALVES]
        self.extra = extra
        self.results = [(totals, self.slots(totals))]

    @property
    def totals(self) -> list[Any]:
        """The slots of the sums of the columns."""
        return self.results[0][1]

    def slots(self, where: Any) -> list[Any]:
        """Return slots that hold 32 numbers of memory."""
        return [self.lanes.variable(self.lanes.load(self.lanes.at(where, half))) for half in _HALVES]

    @abstractmethod
    def emit_half(self, logit: Any, half: int, number: Any) -> Any:
        """Emit what 16 logits of a row become, and what else is made of them."""

    def emit_rows(self, pair: Any) -> None:
        """Emit rows 2 `pair` and 2 `pair` + 1."""
        lanes, builder = self.lanes, self.lanes.builder
        for r in range(2):
            number = builder.add(builder.shl(pair, ir.Constant(_INT64, 1)), ir.Constant(_INT64, r))
            start = lanes.at(self._block, builder.mul(number, ir.Constant(_INT64, _ROW)))
            line = builder.mul(number, ir.Constant(_INT64, LINE))
            added = lanes.splat(lanes.load_scalar(lanes.at(self._offsets, lanes.bytes_of(number))))
            row = []
            for half, offset in enumerate(_HALVES):
                product = lanes.load(lanes.at(start, offset))
                logit = builder.fadd(product, builder.fsub(added, self._shift[half]))
                row.append(self.emit_half(logit, half, number))
            high = emit_rounded(builder, row[0], row[1])
            emit_left(builder, high, self._left, number)
            emit_prefetch(builder, lanes.at(self._ahead, line), to_write=True)
            with builder.if_then(self._is_split):
                emit_left(builder, emit_low(builder, row[0], row[1], high), lanes.at(self._left, BLOCK_BYTES), number)
                emit_prefetch(builder, lanes.at(self._ahead, lanes.at(line, BLOCK_BYTES)), to_write=True)

    def emit_end(self) -> None:
        """Emit the stores of the results."""
        for where, slots in self.results:
            for slot, half in zip(slots, _HALVES, strict=True):
                self.lanes.store(self.lanes.builder.load(slot), self.lanes.at(where, half))


class ExponentialRows(Rows):
    """The rows of `exp_block`."""

    def __init__(self, builder: Any, *arguments: Any) -> None:
        super().__init__(builder, *arguments)
        self.results.append((self.extra, self.slots(self.extra)))

    def emit_half(self, logit: Any, half: int, number: Any) -> Any:
        """Emit exponentials, their sums and the maxima."""
        lanes, builder = self.lanes, self.lanes.builder
        peak, total = self.results[1][1][half], self.totals[half]
        builder.store(lanes.maximum(logit, builder.load(peak)), peak)
        power = emit_quick_exp(lanes, logit)
        builder.store(builder.fadd(builder.load(total), power), total)
        return power


class LogisticRows(Rows):
    """The rows of `logistic_block`."""

    def emit_half(self, logit: Any, half: int, number: Any) -> Any:
        """Emit gradients and the sums of the losses."""
        lanes, builder, total = self.lanes, self.lanes.builder, self.totals[half]
        copies = lanes.splat(lanes.load_scalar(lanes.at(self.extra, lanes.bytes_of(number))))
        loss, sigmoid = emit_quick_softplus_and_sigmoid(lanes, logit)
        builder.store(lanes.fma(copies, loss, builder.load(total)), total)
        return builder.fmul(copies, sigmoid)


def _emit_block(builder: Any, rows: Rows) -> None:
    with cgutils.for_range(builder, ir.Constant(_INT64, SIDE // 2)) as loop:
        rows.emit_rows(loop.index)
    rows.emit_end()


@intrinsic  # type: ignore[untyped-decorator]
def exp_block(
    typingctx: Any, block: Any, offsets: Any, shifts: Any, split: Any, peaks: Any, totals: Any, left: Any, ahead: Any
) -> Any:
    """``z = block + offsets[:, None] - shifts; peaks = max(peaks, z.max(0)); totals += exp(z).sum(0)``; exp(z) packed.

    IN
        block : address of 32 x 32 float32, contiguous
        offsets, shifts : addresses of 32 float32
        split : whether the packed block has low parts
        ahead : address of what will be written next; asked for here
    IN, OUT
        peaks, totals : addresses of 32 float32
    OUT
        left : address of a left block
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_block(builder, ExponentialRows(builder, *arguments))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 8), codegen


@intrinsic  # type: ignore[untyped-decorator]
def logistic_block(
    typingctx: Any, block: Any, offsets: Any, shifts: Any, split: Any, copies: Any, totals: Any, left: Any, ahead: Any
) -> Any:
    """``z = block + offsets[:, None] - shifts; totals += copies @ log(1 + e^z)``; copies / (1 + e^-z) packed.

    IN
        block : address of 32 x 32 float32, contiguous; -inf gives loss and gradient 0
        offsets, shifts : addresses of 32 float32
        split : whether the packed block has low parts
        copies : address of 32 float32, a factor for each row
        ahead : address of what will be written next; asked for here
    IN, OUT
        totals : address of 32 float32
    OUT
        left : address of a left block
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_block(builder, LogisticRows(builder, *arguments))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 8), codegen
