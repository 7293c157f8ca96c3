"""Each instruction set's emitted code against its twins, bit for bit. A new one is found by its name in the list."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from fastcands.simd import dot
from fastcands.simd.dot.blocks import BLOCK_BYTES, LANES, PARTS, SIDE, int64, is_set
from fastcands.simd.vector import Lanes
from fastcands.workspace import scratch
from tests.bf16 import bits, each_instruction_set, wide

WORDS = BLOCK_BYTES // 2
SPECIAL = (np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 3.4e38, -3.4e38, 1 + 2.0**-8, 1 + 3 * 2.0**-8)


def compiled(emit: Any, operands: int, out_type: Any = None) -> Any:
    """Compile an emitter of vectors: it takes arrays of the operands, whole vectors, and an array of results."""

    @intrinsic
    def vector(typingctx: Any, first: Any, second: Any, out: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            lanes = Lanes(builder, types.float32, LANES)
            result = emit(lanes, *(lanes.load(each) for each in arguments[:operands]))
            builder.store(result, builder.inttoptr(arguments[2], result.type.as_pointer())).align = 1
            return context.get_dummy_value()

        return types.void(types.intp, types.intp, types.intp), codegen

    @numba.njit
    def run(first: Any, second: Any, out: Any, vectors: Any, size: Any) -> None:
        for k in range(vectors):
            vector(first + 64 * k, second + 64 * k, out + size * k)

    def call(first: Any, second: Any = None, dtype: Any = np.float32) -> Any:
        second = first if second is None else second
        out = np.empty(len(first), dtype)
        run(first.ctypes.data, second.ctypes.data, out.ctypes.data, len(first) // LANES, LANES * out.itemsize)
        return out

    return call


def numbers(count: int = 4096, low: int = -140, high: int = 128) -> Any:
    rng = np.random.default_rng(1)
    with np.errstate(over="ignore", under="ignore"):
        x = (rng.uniform(1, 2, count) * rng.choice([-1, 1], count) * 2.0 ** rng.integers(low, high, count)).astype("f4")
    x[: len(SPECIAL)] = SPECIAL
    return x


def same_bits(got: Any, want: Any) -> None:
    """Compare; any NaN is as good as another."""
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(got.view(np.uint32)[numbers], want.view(np.uint32)[numbers])
    assert np.isnan(got[~numbers]).all()


@each_instruction_set
def test_rounding(name: str) -> None:
    isa = dot.instruction_set(name)

    def emit(lanes: Lanes, x: Any, y: Any) -> Any:
        return isa.emit_rounded(lanes.builder, x, y)

    x = numbers()
    words = np.random.default_rng(0).integers(0, 1 << 32, 1 << 16, np.uint32).view(np.float32)
    for first in (x, words, (np.arange(1 << 16, dtype=np.uint32) << 16 | 0x8000).view(np.float32)):
        second = first[::-1].copy()
        pairs = np.stack([first.reshape(-1, LANES), second.reshape(-1, LANES)], axis=1).reshape(-1)
        out = np.empty(len(pairs), np.uint16)
        call = compiled(emit, 2)
        got = call(first, second, np.uint32).view(np.uint16)
        out[:] = isa.rounded_twin(pairs)
        ordinary = ~np.isnan(pairs)
        np.testing.assert_array_equal(got[ordinary], out[ordinary])
        assert np.isnan(wide(got[~ordinary])).all()
        assert np.isnan(wide(out[~ordinary])).all()


@each_instruction_set
def test_fractions(name: str) -> None:
    isa = dot.instruction_set(name)
    x = np.concatenate([numbers(), np.arange(-8, 8, dtype=np.float32) / 4])
    same_bits(compiled(isa.emit_fraction, 1)(x), isa.fraction_twin(x))


@each_instruction_set
def test_scaling(name: str) -> None:
    isa = dot.instruction_set(name)
    exponent = numbers(low=-3, high=9)
    exponent[12:14] = 1e9, -1e9
    x = np.random.default_rng(2).uniform(0.25, 4, len(exponent)).astype(np.float32)
    x[14:16] = np.nan
    same = compiled(isa.emit_scaled, 2)(x, exponent)
    ordinary = ~np.isnan(exponent)  # where the exponent is no number, x is none
    same_bits(same[ordinary], isa.scaled_twin(x, exponent)[ordinary])


@each_instruction_set
def test_reciprocals(name: str) -> None:
    isa = dot.instruction_set(name)
    x = np.linspace(1, 2, 1 << 16, dtype=np.float32)
    exact, bound = isa.reciprocal_twin(x)
    got = compiled(isa.emit_reciprocal, 1)(x)
    if bound == 0:
        same_bits(got, exact)
    assert (np.abs(got * x.astype(float) - 1) <= max(bound, 2.0**-24)).all()
    assert bound <= 2.0**-14


class _Rows:
    """An epilogue that counts rows, and is told the end."""

    def __init__(self, lanes: Lanes, out: Any) -> None:
        self._lanes, self._out = lanes, out

    def _add(self, index: Any, value: int) -> None:
        builder = self._lanes.builder
        at = builder.inttoptr(builder.add(self._out, builder.mul(index, int64(8))), int64(0).type.as_pointer())
        builder.store(builder.add(builder.load(at), int64(value)), at)

    def emit_rows(self, pair: Any) -> None:
        self._add(pair, 1)

    def emit_end(self) -> None:
        self._add(int64(SIDE // 2), 1)


def product(isa: dot.InstructionSet) -> Any:
    """Compile both products of an instruction set."""

    @intrinsic
    def plain(typingctx: Any, left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, stride: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            isa.emit_configure(builder)
            isa.emit_product(builder, *arguments)
            isa.emit_release(builder)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 7), codegen

    @intrinsic
    def overlapped(typingctx: Any, left: Any, right: Any, steps: Any, split: Any, out: Any, counts: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            *operands, counts = arguments
            isa.emit_configure(builder)
            isa.emit_overlapped(builder, operands, _Rows(Lanes(builder, types.float32, LANES), counts))
            isa.emit_release(builder)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 6), codegen

    @numba.njit
    def run(left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, stride: Any) -> None:
        plain(left, right, steps, split, add, out, stride)

    @numba.njit
    def run_overlapped(left: Any, right: Any, steps: Any, split: Any, out: Any, counts: Any) -> None:
        overlapped(left, right, steps, split, out, counts)

    return run, run_overlapped


def packed(which: str, blocks: Any, right: bool) -> Any:
    """Pack blocks of bfloat16 numbers, (blocks, 32, 32) float32, in their order."""
    words = bits(blocks)
    if right:
        words = words.reshape(-1, 16, 2, 2, 16).transpose(0, 3, 1, 4, 2)
    out = scratch(which, (len(blocks) * WORDS,), np.uint16)
    out[:] = words.reshape(-1)
    return out


@each_instruction_set
def test_products(name: str) -> None:
    isa = dot.instruction_set(name)
    run, run_overlapped = product(isa)
    rng = np.random.default_rng(3)
    for steps, split, hostile in ((1, 0, False), (3, 0, True), (2, 1, False), (11, 1, True), (17, 0, False)):
        shape = steps * (1 + split), SIDE, SIDE
        size = 2.0 ** rng.integers(-70, 60, (2, *shape)) if hostile else 1.0
        blocks = wide(bits((rng.normal(size=(2, *shape)) * size).astype(np.float32)))
        if hostile:
            blocks[0, 0, 3, 5], blocks[1, 0, 7, 9], blocks[0, 0, 20, 0] = np.nan, np.inf, 1e-39
            blocks = wide(bits(blocks))
        left, right = packed("left", blocks[0], False), packed("right", blocks[1], True)
        # neither the first row nor the distance of rows is one of cache lines
        out = scratch("out", (SIDE * 49 + 1,), np.float32)[1:].reshape(SIDE, 49)
        out[:] = start = rng.normal(size=out.shape).astype(np.float32)
        for add in (0, 1):
            want = start[:, :SIDE] if add else np.zeros((SIDE, SIDE), np.float32)
            for step in range(steps):
                for part in PARTS[bool(split)]:
                    parts = (blocks[side, step * (1 + split) + part[side]] for side in range(2))
                    want = isa.product_twin(want, *parts)
            out[:] = start
            run(left.ctypes.data, right.ctypes.data, steps, split, add, out.ctypes.data, 49)
            same_bits(out[:, :SIDE].copy(), want)
            same_bits(out[:, SIDE:].copy(), start[:, SIDE:].copy())
            if not add:
                alone, counts = scratch("alone", (SIDE, SIDE), np.float32), np.zeros(SIDE // 2 + 1, np.int64)
                run_overlapped(left.ctypes.data, right.ctypes.data, steps, split, alone.ctypes.data, counts.ctypes.data)
                same_bits(alone.copy(), want)
                assert (counts == 1).all()


def test_every_name_is_there() -> None:
    names = [name for name in vars(dot.InstructionSet) if not name.startswith("_")]
    assert len(names) > 10
    for each in dot.INSTRUCTION_SETS:
        assert [name for name in names if not callable(getattr(dot.instruction_set(each), name, None))] == []


def test_the_flag_is_any_number_but_zero() -> None:
    @intrinsic
    def flag(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return is_set(builder, arguments[0])

        return types.boolean(types.intp), codegen

    @numba.njit
    def run(value: Any) -> Any:
        return flag(value)

    assert [run(value) for value in (0, 1, -1, 1 << 40)] == [False, True, True, True]
