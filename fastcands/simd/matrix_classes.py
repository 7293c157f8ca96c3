"""What happens to a block of logits of an exact loss between two products of matrix tiles.

As in `matrix_columns` rows are classes and columns examples, but a product leaves its sums alone: biases and what is
subtracted from the logits of an example are added here, where they cost no memory traffic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bfloat16 import LINE, SIDE
from fastcands.simd.matrix import emit_beside
from fastcands.simd.matrix_columns import emit_pair
from fastcands.simd.quick_exp import emit_quick_exp, emit_quick_softplus_and_sigmoid
from fastcands.simd.vector import Lanes

__all__ = [
    "add_exponentials", "add_logistic_losses", "logistic_block", "probability_block", "product_beside_logistic",
    "product_beside_probabilities",
]  # fmt: skip

_INTP = types.intp
_INT64 = ir.IntType(64)
_HALVES = (0, LINE)
_ROW = 2 * LINE


def _number(value: int) -> Any:
    return ir.Constant(_INT64, value)


def _offset(lanes: Lanes, offsets: Any, row: Any) -> Any:
    return lanes.splat(lanes.load_scalar(lanes.at(offsets, lanes.bytes_of(row))))


@intrinsic  # type: ignore[untyped-decorator]
def add_exponentials(typingctx: Any, block: Any, rows: Any, offsets: Any, peaks: Any, totals: Any) -> Any:
    """Take logits, ``block + offsets[:, None]``, into running maxima and running sums of exponentials.

    IN
        block : address of rows x 32 float32, contiguous
        rows : how many
        offsets : address of rows float32
    IN, OUT
        peaks, totals : addresses of 32 float32; the maxima finite
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, offsets, peaks, totals = arguments
        lanes = Lanes(builder, types.float32)
        before = [lanes.load(lanes.at(peaks, half)) for half in _HALVES]
        highest = [lanes.variable(peak) for peak in before]
        with cgutils.for_range(builder, rows) as loop:
            at, offset = lanes.at(block, builder.mul(loop.index, _number(_ROW))), _offset(lanes, offsets, loop.index)
            for j, half in enumerate(_HALVES):
                logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                builder.store(lanes.maximum(logit, builder.load(highest[j])), highest[j])
        peak = [builder.load(slot) for slot in highest]
        # the block's own sums are formed from zero: a chain of one block, not of all classes
        sums = [lanes.variable(lanes.const(0)) for _ in _HALVES]
        with cgutils.for_range(builder, rows) as loop:
            at, offset = lanes.at(block, builder.mul(loop.index, _number(_ROW))), _offset(lanes, offsets, loop.index)
            for j, half in enumerate(_HALVES):
                logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                power = emit_quick_exp(lanes, builder.fsub(logit, peak[j]))
                builder.store(builder.fadd(builder.load(sums[j]), power), sums[j])
        for j, half in enumerate(_HALVES):
            shrink = emit_quick_exp(lanes, builder.fsub(before[j], peak[j]))
            at = lanes.at(totals, half)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(sums[j])), at)
            lanes.store(peak[j], lanes.at(peaks, half))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 5), codegen


class _GradientRows(ABC):
    """Emits gradients of a block of logits, two rows at a time: their row sums, and both packed blocks.

    Parameters
    ----------
    builder : llvmlite builder
        Where.
    split : LLVM value
        Whether the packed blocks have low parts.
    block, offsets, extra, factors, real, sums, left, right : LLVM values
        As `probability_block` has them, or `logistic_block`, which differ in `extra`: shifts or totals.
    """

    def __init__(
        self, builder: Any, split: Any, block: Any, offsets: Any, extra: Any, factors: Any, real: Any, sums: Any,
        left: Any, right: Any,
    ) -> None:  # fmt: skip
        lanes = self.lanes = Lanes(builder, types.float32)
        self._block, self._offsets, self._sums = block, offsets, sums
        self._packed = split, left, right
        self._masks = [lanes.first_lanes(builder.sub(real, _number(16 * j))) for j in range(2)]
        self._factors = self.vectors(factors)
        self.extra = extra

    def vectors(self, where: Any) -> list[Any]:
        """Return 32 numbers of memory."""
        return [self.lanes.load(self.lanes.at(where, half)) for half in _HALVES]

    @abstractmethod
    def emit_half(self, logit: Any, j: int) -> Any:
        """Emit what 16 logits become before it is multiplied by the factors."""

    def emit_rows(self, pair: Any) -> None:
        """Emit rows 2 `pair` and 2 `pair` + 1."""
        lanes, builder = self.lanes, self.lanes.builder
        rows = []
        for r in range(2):
            number = builder.add(builder.shl(pair, _number(1)), _number(r))
            at = lanes.at(self._block, builder.mul(number, _number(_ROW)))
            offset = _offset(lanes, self._offsets, number)
            row = []
            for j, half in enumerate(_HALVES):
                logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                gradient = builder.fmul(self.emit_half(logit, j), self._factors[j])
                row.append(builder.select(self._masks[j], gradient, lanes.const(0)))
            at = lanes.at(self._sums, builder.mul(number, _number(LINE)))
            lanes.store(builder.fadd(lanes.load(at), builder.fadd(*row)), at)
            rows.append(row)
        emit_pair(lanes, rows, pair, *self._packed)

    def emit_all(self) -> None:
        """Emit all rows."""
        with cgutils.for_range(self.lanes.builder, _number(SIDE // 2)) as loop:
            self.emit_rows(loop.index)
        self.emit_end()

    def emit_end(self) -> None:  # noqa: B027, most need nothing
        """Emit what follows all rows."""


class _ProbabilityRows(_GradientRows):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._shifts = self.vectors(self.extra)

    def emit_half(self, logit: Any, j: int) -> Any:
        return emit_quick_exp(self.lanes, self.lanes.builder.fsub(logit, self._shifts[j]))


class _LogisticRows(_GradientRows):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._totals = [self.lanes.variable(total) for total in self.vectors(self.extra)]

    def emit_half(self, logit: Any, j: int) -> Any:
        builder = self.lanes.builder
        loss, sigmoid = emit_quick_softplus_and_sigmoid(self.lanes, logit)
        builder.store(builder.fadd(builder.load(self._totals[j]), loss), self._totals[j])
        return sigmoid

    def emit_end(self) -> None:
        for total, half in zip(self._totals, _HALVES, strict=True):
            self.lanes.store(self.lanes.builder.load(total), self.lanes.at(self.extra, half))


@intrinsic  # type: ignore[untyped-decorator]
def add_logistic_losses(typingctx: Any, block: Any, rows: Any, offsets: Any, totals: Any) -> Any:
    """``totals += log(1 + exp(block + offsets[:, None])).sum(0)``.

    IN
        block : address of rows x 32 float32, contiguous
        rows : how many
        offsets : address of rows float32
    IN, OUT
        totals : address of 32 float32
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, offsets, totals = arguments
        lanes = Lanes(builder, types.float32)
        sums = [lanes.variable(lanes.const(0)) for _ in _HALVES]
        with cgutils.for_range(builder, rows) as loop:
            at, offset = lanes.at(block, builder.mul(loop.index, _number(_ROW))), _offset(lanes, offsets, loop.index)
            for j, half in enumerate(_HALVES):
                loss, _ = emit_quick_softplus_and_sigmoid(lanes, builder.fadd(lanes.load(lanes.at(at, half)), offset))
                builder.store(builder.fadd(builder.load(sums[j]), loss), sums[j])
        for j, half in enumerate(_HALVES):
            at = lanes.at(totals, half)
            lanes.store(builder.fadd(lanes.load(at), builder.load(sums[j])), at)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 4), codegen


@intrinsic  # type: ignore[untyped-decorator]
def probability_block(
    typingctx: Any, split: Any, block: Any, offsets: Any, shifts: Any, factors: Any, real: Any, sums: Any, left: Any,
    right: Any,
) -> Any:  # fmt: skip
    """``p = exp(block + offsets[:, None] - shifts) * factors``; its row sums, and p as a left and a right block.

    IN
        split : whether the packed blocks have low parts
        block : address of 32 x 32 float32, contiguous
        offsets, shifts, factors : addresses of 32 float32
        real : columns that are examples; p is 0 in the others, whatever the block holds
    IN, OUT
        sums : address of 32 x 16 float32, to which the halves of each row of p are added
    OUT
        left, right : addresses of packed blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _ProbabilityRows(builder, *arguments).emit_all()
        return context.get_dummy_value()

    return types.void(*[_INTP] * 9), codegen


@intrinsic  # type: ignore[untyped-decorator]
def logistic_block(
    typingctx: Any, split: Any, block: Any, offsets: Any, totals: Any, factors: Any, real: Any, sums: Any, left: Any,
    right: Any,
) -> Any:  # fmt: skip
    """``z = block + offsets[:, None]; totals += log(1 + exp(z)).sum(0)``; ``g = factors / (1 + exp(-z))`` packed.

    IN
        split : whether the packed blocks have low parts
        block : address of 32 x 32 float32, contiguous; -inf gives loss and gradient 0
        offsets, factors : addresses of 32 float32
        real : columns that are examples; g is 0 in the others, whatever the block holds
    IN, OUT
        totals : address of 32 float32
        sums : address of 32 x 16 float32, to which the halves of each row of g are added
    OUT
        left, right : addresses of packed blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _LogisticRows(builder, *arguments).emit_all()
        return context.get_dummy_value()

    return types.void(*[_INTP] * 9), codegen


@intrinsic  # type: ignore[untyped-decorator]
def product_beside_probabilities(
    typingctx: Any, columns: Any, inputs: Any, steps: Any, split: Any, out: Any, block: Any, offsets: Any, shifts: Any,
    factors: Any, real: Any, sums: Any, left: Any, right: Any,
) -> Any:  # fmt: skip
    """`block_product` from zero into one block, while the vector units do `probability_block` on another one.

    IN
        columns, inputs, steps, split : left, right, steps and split of `block_product`
        block, offsets, shifts, factors, real : as in `probability_block`
    IN, OUT
        sums : as in `probability_block`
    OUT
        out : as in `block_product`, contiguous
        left, right : as in `probability_block`
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit_beside(builder, arguments[:5], _ProbabilityRows(builder, arguments[3], *arguments[5:]))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 13), codegen


@intrinsic  # type: ignore[untyped-decorator]
def product_beside_logistic(
    typingctx: Any, columns: Any, inputs: Any, steps: Any, split: Any, out: Any, block: Any, offsets: Any, totals: Any,
    factors: Any, real: Any, sums: Any, left: Any, right: Any,
) -> Any:  # fmt: skip
    """`block_product` from zero into one block, while the vector units do `logistic_block` on another one.

    IN
        columns, inputs, steps, split : left, right, steps and split of `block_product`
        block, offsets, factors, real : as in `logistic_block`
    IN, OUT
        totals, sums : as in `logistic_block`
    OUT
        out : as in `block_product`, contiguous
        left, right : as in `logistic_block`
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit_beside(builder, arguments[:5], _LogisticRows(builder, arguments[3], *arguments[5:]))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 13), codegen
