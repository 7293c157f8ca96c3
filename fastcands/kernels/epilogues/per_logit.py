"""Losses that are a sum over single logits: the gradient of a logit depends on that logit alone.

A loss of this kind has two formulas, each with its derivative: f(z) is the loss of a logit z with target 0, and g(z, y)
is what a target y adds to it. The loss of an example is the sum of f over all its logits and of g over its true
classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import float64, int64, void
from numba.core import cgutils, types
from numba.core.types.containers import UniTuple
from numba.extending import intrinsic

from fastcands.jit import callback, kernel
from fastcands.kernels.epilogues.block import FullBlock, SampledBlock, SumBlock
from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.kernels.epilogues.tile import Tile
from fastcands.simd.bf16.rows import VECTOR_OFFSETS, Formula, Running, each_row
from fastcands.simd.vector import Lanes

__all__ = ["PerLogit", "terms_of", "terms_of_all"]

_INT64, _DOUBLE = ir.IntType(64), ir.DoubleType()
Emit = Callable[[Lanes, Any], tuple[Any, Any]]


class PerLogit(Epilogue):
    """A loss that is a sum over single logits.

    Parameters
    ----------
    name : str
        Of the loss.
    emit : callable
        ``emit(lanes, z)`` returns f(z) and f'(z) of a vector, as LLVM values; both are 0 at -inf, the value of a
        masked logit.
    emit_fast : callable
        The same of 16 float32 that are sums of bfloat16 products, for which a few units in the last place do not
        matter.
    negative : kernel
        ``negative(z)`` returns f(z) and f'(z) of a float64.
    correction : kernel
        ``correction(z, target)`` returns g(z, target) and its derivative by z, for a target that is not 0.
    """

    is_normalized = False

    def __init__(
        self, name: str, *, emit: Emit, emit_fast: Emit, negative: Callable[..., Any], correction: Callable[..., Any]
    ) -> None:
        super().__init__(name, in_package=emit.__module__.startswith("fastcands."))
        self.emit, self.emit_fast = emit, emit_fast
        self._negative, self._correction = negative, correction
        self._terms: Any = None

    @property
    def terms(self) -> int:
        """Address of the function behind `terms_of`."""
        if self._terms is None:
            negative, correction = self._negative, self._correction

            def function(z, target, out):  # type: ignore[no-untyped-def]
                loss, slope = negative(z)
                more, change = correction(z, target) if target != 0 else (0.0, 0.0)
                _store_terms(out, loss, slope, more, change)

            self._terms = callback(
                function, void(float64, float64, int64), name=f"{self.name}.terms", on_disk=self.in_package
            )
        return self._terms.address  # type: ignore[no-any-return]

    def _emit_logits(self, tile: Tile, sums: list[Any], use: Callable[[Any, list[Any], list[Any]], None]) -> None:
        """Emit the loop that all parts share: losses into `sums`, and ``use(row, addresses, gradients)``."""
        lanes, builder, shifts = tile.lanes, tile.lanes.builder, tile.vectors(tile.arguments.shifts)
        with tile.each_row() as (row, addresses):
            copies, slopes = tile.copies_of(row), []
            for at, shift, slot in zip(addresses, shifts, sums, strict=True):
                loss, slope = self.emit(lanes, builder.fsub(lanes.load(at), shift))
                builder.store(lanes.fma(copies, loss, builder.load(slot)), slot)
                slopes.append((copies, slope))
            use(row, addresses, slopes)

    def emit_reduce(self, tile: Tile) -> None:
        """Emit ``z = tile - shifts; tile_sum = copies @ f(z); tile = copies * scale * f'(z)``; `tile_max` is 1."""
        sums = tile.zeros()
        self._emit_gradients(tile, sums, lambda row, parts: None)
        tile.store(tile.slots([tile.lanes.const(1)] * 2), tile.arguments.tile_max)
        tile.store(sums, tile.arguments.tile_sum)

    def emit_accumulate(self, tile: Tile) -> None:
        """Emit ``tile_sum += copies @ f(tile - shifts)``; the tile stays as it is."""
        sums = tile.zeros()
        self._emit_logits(tile, sums, lambda row, addresses, slopes: None)
        tile.add(sums, tile.arguments.tile_sum)

    def emit_differentiate(self, tile: Tile) -> None:
        """Emit ``z = tile - shifts; tile_sum += copies @ f(z); tile = copies * scale * f'(z)``, and its `row_sums`."""
        sums = tile.zeros()
        self._emit_gradients(tile, sums, tile.add_to_row_sums)
        tile.add(sums, tile.arguments.tile_sum)

    def _emit_gradients(self, tile: Tile, sums: list[Any], finish: Callable[[Any, list[Any]], None]) -> None:
        lanes, builder, scale = tile.lanes, tile.lanes.builder, tile.vectors(tile.arguments.scale)

        def use(row: Any, addresses: list[Any], slopes: list[Any]) -> None:
            parts = []
            for at, factor, (copies, slope) in zip(addresses, scale, slopes, strict=True):
                part = builder.fmul(builder.fmul(copies, factor), slope)
                lanes.store(part, at)
                parts.append(part)
            finish(row, parts)

        self._emit_logits(tile, sums, use)

    def sampled_formula(self, lanes: Lanes, block: SampledBlock) -> Formula:
        """Return copies f'(logit), and the sums of copies f(logit)."""
        return _Slopes(self.emit_fast, lanes, block.tile_sum, block.copies)

    def full_formula(self, lanes: Lanes, block: FullBlock) -> Formula:
        """Return f'(logit), and the sums of f(logit)."""
        return _Slopes(self.emit_fast, lanes, block.tile_sum, None)

    def emit_block_sums(self, lanes: Lanes, block: SumBlock) -> None:
        """Emit ``tile_sum += f(logits).sum(0)``."""
        builder, sums = lanes.builder, [lanes.variable(lanes.const(0)) for _ in VECTOR_OFFSETS]
        with each_row(lanes, block) as logits:
            for logit, slot in zip(logits, sums, strict=True):
                loss, _ = self.emit_fast(lanes, logit)
                builder.store(builder.fadd(builder.load(slot), loss), slot)
        for slot, offset in zip(sums, VECTOR_OFFSETS, strict=True):
            at = lanes.at(block.tile_sum, offset)
            lanes.store(builder.fadd(lanes.load(at), builder.load(slot)), at)


class _Slopes(Formula):
    """f' of a logit and the sums of f, both times the number of copies of the class if that is given."""

    def __init__(self, emit: Emit, lanes: Lanes, sums: Any, copies: Any) -> None:
        self._emit, self._copies, self.running = emit, copies, (Running(lanes, sums),)

    def emit(self, lanes: Lanes, logit: Any, j: int, row: Any) -> Any:
        loss, slope = self._emit(lanes, logit)
        (sums,) = self.running
        if self._copies is None:
            sums.set(j, lanes.builder.fadd(sums.get(j), loss))
            return slope
        copies = lanes.splat(lanes.load_scalar(lanes.at(self._copies, lanes.bytes_of(row))))
        sums.set(j, lanes.fma(copies, loss, sums.get(j)))
        return lanes.builder.fmul(copies, slope)


@intrinsic  # type: ignore[untyped-decorator]
def _store_terms(typingctx: Any, out: Any, loss: Any, slope: Any, more: Any, change: Any) -> Any:
    """Store four float64 at an address."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first = builder.inttoptr(arguments[0], _DOUBLE.as_pointer())
        for position, value in enumerate(arguments[1:]):
            builder.store(value, builder.gep(first, [ir.Constant(_INT64, position)]))
        return context.get_dummy_value()

    return types.void(types.int64, *[types.float64] * 4), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _call_terms(typingctx: Any, function: Any, z: Any, target: Any) -> Any:
    """Call the function of `PerLogit.terms`; return its four numbers."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        numbers_at = cgutils.alloca_once(builder, _DOUBLE, size=4)
        kind = ir.FunctionType(ir.VoidType(), [_DOUBLE, _DOUBLE, _INT64])
        function, z, target = arguments
        builder.call(builder.inttoptr(function, kind.as_pointer()), [z, target, builder.ptrtoint(numbers_at, _INT64)])
        numbers = [builder.load(builder.gep(numbers_at, [ir.Constant(_INT64, position)])) for position in range(4)]
        return context.make_tuple(builder, signature.return_type, numbers)

    return UniTuple(types.float64, 4)(types.int64, types.float64, types.float64), codegen


@kernel
def terms_of(function: int, z: float, target: float) -> tuple[float, float, float, float]:
    """Return f(z), f'(z), g(z, target) and its derivative by z; the last two are 0 where the target is.

    IN
        function : address, see `PerLogit.terms`
        z : float64
        target : float64
    """
    return _call_terms(function, z, target)  # type: ignore[no-any-return]


@kernel
def terms_of_all(function: int, logits: Any, targets: Any, terms: Any) -> None:
    """Write the four numbers of `terms_of` for each logit.

    IN
        function : address, see `PerLogit.terms`
        logits : (N,) float64
        targets : (N,) float64
    OUT
        terms : (4, N) float64
    """
    for k in range(len(logits)):
        terms[0, k], terms[1, k], terms[2, k], terms[3, k] = terms_of(function, logits[k], targets[k])
