"""Register tiles of a matrix product.

One call computes a tile of MR x NR sums in registers (`target` has the sizes)::

                       panel: depth x NR, packed
                       +-----------+-----------+
                       | vector 0  | vector 1  |  k = 0
                       | vector 0  | vector 1  |  k = 1
                       |    ...    |    ...    |
                       +-----------+-----------+
    factors                      |
    +-----------+      +-----------+-----------+
    | a[0, k]   | ---> | acc[0][0] | acc[0][1] |   each step k: two vector loads,
    | a[1, k]   | ---> | acc[1][0] | acc[1][1] |   MR broadcasts, 2 MR multiply-adds,
    |   ...     |      |    ...    |    ...    |   no store
    +-----------+      +-----------+-----------+

The factors are read where they lie, by a row and a k stride, so that one table serves three products without being
transposed: logits (rows of the table), input gradients (its columns) and weight gradients (rows of the
probabilities). Strides that are known when the code is emitted become immediate offsets. Sums start at zero and
what is already in memory is added last: shorter chains, smaller rounding error.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.target import MR
from fastcands.simd.vector import Lanes

__all__ = ["add_column_product", "row_product", "tile_product"]

_UNROLL = 4
_INT64 = ir.IntType(64)
_INTP = types.intp


def _accumulate(
    lanes: Lanes,
    factors: Any,
    row_stride: Any,
    k_stride: Any,
    panel: Any,
    depth: Any,
    pieces: Any,
    piece_stride: Any,
) -> list[list[Any]]:
    """Emit the loops over k; return the sums, MR lists of two vectors. Strides in bytes, int or LLVM value.

    k runs over `pieces` stretches of `depth` (a multiple of 4). The panel goes on from one to the next, the factors
    jump by `piece_stride`.
    """
    builder = lanes.builder
    vector_bytes = lanes.count * lanes.itemsize
    row_offsets = [
        row_stride * i if isinstance(row_stride, int) else builder.mul(row_stride, ir.Constant(_INT64, i))
        for i in range(MR)
    ]
    k_bytes = ir.Constant(_INT64, k_stride) if isinstance(k_stride, int) else k_stride
    sums = [[lanes.variable(lanes.const(0)) for _ in range(2)] for _ in range(MR)]
    panel_at = lanes.variable(panel)
    piece_at = lanes.variable(factors)
    steps = builder.udiv(depth, ir.Constant(_INT64, _UNROLL))
    with cgutils.for_range(builder, pieces):
        factor_at = lanes.variable(factors)
        builder.store(builder.load(piece_at), factor_at)
        with cgutils.for_range(builder, steps):
            a, p = builder.load(factor_at), builder.load(panel_at)
            for _ in range(_UNROLL):
                vectors = [lanes.load(lanes.at(p, j * vector_bytes)) for j in range(2)]
                for i in range(MR):
                    factor = lanes.splat(lanes.load_scalar(lanes.at(a, row_offsets[i])))
                    for j in range(2):
                        builder.store(lanes.fma(factor, vectors[j], builder.load(sums[i][j])), sums[i][j])
                a = builder.add(a, k_bytes)
                p = lanes.at(p, 2 * vector_bytes)
            builder.store(a, factor_at)
            builder.store(p, panel_at)
        builder.store(builder.add(builder.load(piece_at), piece_stride), piece_at)
    return [[builder.load(slot) for slot in row] for row in sums]


def _one_piece() -> tuple[Any, Any]:
    return ir.Constant(_INT64, 1), ir.Constant(_INT64, 0)


@intrinsic  # type: ignore[untyped-decorator]
def row_product(
    typingctx: Any, table: Any, row_stride: Any, panels: Any, panel: Any, depth: Any, offsets: Any, out: Any
) -> Any:
    """``out[i, :] = sum_k table[i, k] * panel[k, :] + offsets[i]`` for MR rows: a tile of logits.

    IN
        table : address of the first row; k lies contiguous
        row_stride : elements from row to row of the table
        panels : packed array, gives the element type
        panel : element of `panels` at which the panel starts
        depth : multiple of 4
        offsets : address of MR numbers
    OUT
        out : address of MR x NR numbers, contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, row_stride, panels, panel, depth, offsets, out = arguments
        lanes = Lanes(builder, signature.args[2].dtype)
        start = _data(context, builder, signature.args[2], panels, lanes, panel)
        sums = _accumulate(lanes, table, lanes.bytes_of(row_stride), lanes.itemsize, start, depth, *_one_piece())
        vector_bytes = lanes.count * lanes.itemsize
        for i in range(MR):
            offset = lanes.splat(lanes.load_scalar(lanes.at(offsets, i * lanes.itemsize)))
            for j in range(2):
                lanes.store(builder.fadd(sums[i][j], offset), lanes.at(out, (2 * i + j) * vector_bytes))
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, panels, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def add_column_product(
    typingctx: Any, table: Any, row_stride: Any, panels: Any, panel: Any, depth: Any, out: Any
) -> Any:
    """``out[i, :] += sum_k table[k, i] * panel[k, :]`` for MR columns of the table: a tile of input gradients.

    IN
        table : address of the first column; columns lie contiguous
        row_stride : elements from row to row of the table
        panels : packed array, gives the element type
        panel : element of `panels` at which the panel starts
        depth : multiple of 4
    OUT
        out : address of MR x NR numbers, contiguous, added to
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, row_stride, panels, panel, depth, out = arguments
        lanes = Lanes(builder, signature.args[2].dtype)
        start = _data(context, builder, signature.args[2], panels, lanes, panel)
        sums = _accumulate(lanes, table, lanes.itemsize, lanes.bytes_of(row_stride), start, depth, *_one_piece())
        vector_bytes = lanes.count * lanes.itemsize
        for i in range(MR):
            for j in range(2):
                where = lanes.at(out, (2 * i + j) * vector_bytes)
                lanes.store(builder.fadd(lanes.load(where), sums[i][j]), where)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, panels, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def tile_product(
    typingctx: Any,
    tile: Any,
    pieces: Any,
    piece_stride: Any,
    panels: Any,
    panel: Any,
    out: Any,
    out_rows: Any,
    out_stride: Any,
    columns: Any,
    add: Any,
) -> Any:
    """``out[out_rows[i], :columns] (+)= sum_k tile[i, k] * panel[k, :]`` for MR rows: a tile of weight gradients.

    k runs over the NR numbers of a row of the tile, in each of `pieces` tiles.

    IN
        tile : address of the first row of probabilities; rows are NR numbers long and contiguous
        pieces : number of tiles
        piece_stride : elements from tile to tile
        panels : packed array, gives the element type
        panel : element of `panels` at which the panel starts
        out_rows : address of MR int64 row numbers
        out_stride : elements from row to row of the result
        columns : how many of the NR columns exist; the others are not touched
        add : whether to add to what is there
    OUT
        out : address of the result's first row, at the first column of the tile
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tile, pieces, piece_stride, panels, panel, out, out_rows, out_stride, columns, add = arguments
        lanes = Lanes(builder, signature.args[3].dtype)
        start = _data(context, builder, signature.args[3], panels, lanes, panel)
        vector_bytes = lanes.count * lanes.itemsize
        depth = ir.Constant(_INT64, 2 * lanes.count)
        sums = _accumulate(
            lanes, tile, 2 * vector_bytes, lanes.itemsize, start, depth, pieces, lanes.bytes_of(piece_stride)
        )
        masks = [lanes.first_lanes(builder.sub(columns, ir.Constant(_INT64, j * lanes.count))) for j in range(2)]
        keep = builder.icmp_signed("!=", add, ir.Constant(_INT64, 0))
        for i in range(MR):
            where = builder.inttoptr(lanes.at(out_rows, 8 * i), _INT64.as_pointer())
            row = builder.add(out, lanes.bytes_of(builder.mul(builder.load(where), out_stride)))
            for j in range(2):
                at = lanes.at(row, j * vector_bytes)
                slot = lanes.variable(sums[i][j])
                builder.store(sums[i][j], slot)
                with builder.if_then(keep):
                    builder.store(builder.fadd(lanes.load_masked(at, masks[j]), sums[i][j]), slot)
                lanes.store_masked(builder.load(slot), at, masks[j])
        return context.get_dummy_value()

    integers = [_INTP] * 3, [_INTP] * 6
    return types.void(*integers[0], panels, *integers[1]), codegen


def _data(context: Any, builder: Any, array_type: Any, array: Any, lanes: Lanes, element: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.add(builder.ptrtoint(data, _INT64), lanes.bytes_of(element))
