"""Micro-kernels: one call computes an MR x NR tile of a matrix product in registers.

The names are those of BLAS, `n` for an operand as it is stored and `t` for a transposed one. The right operand is
always a packed panel, of NR examples or NR features, with one row for each k:

================ ======================= ============================= ==========================
micro-kernel     left operand            result                        used for
================ ======================= ============================= ==========================
`gemm_nt`        rows of the table       overwrites a contiguous tile  logits
`gemm_tn`        the table, transposed   is added to a contiguous tile gradients of the inputs
`gemm_scatter`   rows of probabilities   goes to scattered rows        gradients of the weights
================ ======================= ============================= ==========================

In `gemm_nt` the transposed operand is the right one: a panel holds NR rows of the inputs, stored transposed.

`target` has the sizes MR and NR; NR is two vectors::

                       panel: depth x NR, packed
                       +-----------+-----------+
                       | vector 0  | vector 1  |  k = 0
                       | vector 0  | vector 1  |  k = 1
                       |    ...    |    ...    |
                       +-----------+-----------+
    left operand                 |
    +-----------+      +-----------+-----------+
    | a[0, k]   | ---> | acc[0][0] | acc[0][1] |   each step k: two vector loads,
    | a[1, k]   | ---> | acc[1][0] | acc[1][1] |   MR broadcasts, 2 MR multiply-adds,
    |   ...     |      |    ...    |    ...    |   no store
    +-----------+      +-----------+-----------+

The left operand is not packed. It is read with a row stride and a k stride, so nothing needs to be transposed in
memory. Strides that are known when the code is emitted become immediate offsets. Sums start at zero, and what is
already in memory is added last: chains are shorter and rounding errors smaller.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.target import MR
from fastcands.simd.vector import Lanes

__all__ = ["gemm_nt", "gemm_scatter", "gemm_tn"]

_UNROLL = 4
_INT64 = ir.IntType(64)
_INTP = types.intp


def _accumulate(
    lanes: Lanes,
    left: Any,
    row_stride: Any,
    k_stride: Any,
    panel: Any,
    depth: Any,
    tiles: Any,
    tile_stride: Any,
) -> list[list[Any]]:
    """Emit the loops over k; return the sums, MR lists of two vectors. Strides in bytes, int or LLVM value.

    The left operand may consist of several `tiles`, `tile_stride` apart; k runs over `depth` numbers (a multiple of 4)
    of each. The panel is contiguous along all of k.
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
    tile_at = lanes.variable(left)
    steps = builder.udiv(depth, ir.Constant(_INT64, _UNROLL))
    with cgutils.for_range(builder, tiles):
        left_at = lanes.variable(left)
        builder.store(builder.load(tile_at), left_at)
        with cgutils.for_range(builder, steps):
            a, p = builder.load(left_at), builder.load(panel_at)
            for _ in range(_UNROLL):
                vectors = [lanes.load(lanes.at(p, j * vector_bytes)) for j in range(2)]
                for i in range(MR):
                    factor = lanes.splat(lanes.load_scalar(lanes.at(a, row_offsets[i])))
                    for j in range(2):
                        builder.store(lanes.fma(factor, vectors[j], builder.load(sums[i][j])), sums[i][j])
                a = builder.add(a, k_bytes)
                p = lanes.at(p, 2 * vector_bytes)
            builder.store(a, left_at)
            builder.store(p, panel_at)
        builder.store(builder.add(builder.load(tile_at), tile_stride), tile_at)
    return [[builder.load(slot) for slot in row] for row in sums]


def _one_tile() -> tuple[Any, Any]:
    return ir.Constant(_INT64, 1), ir.Constant(_INT64, 0)


@intrinsic  # type: ignore[untyped-decorator]
def gemm_nt(
    typingctx: Any, table: Any, row_stride: Any, panels: Any, panel: Any, depth: Any, offsets: Any, out: Any
) -> Any:
    """Multiply MR rows of the table by a panel: ``out[i, :] = sum_k table[i, k] * panel[k, :] + offsets[i]``.

    This gives a tile of logits: rows are classes, columns the NR examples of the panel.

    IN
        table : address of the first row; k is contiguous
        row_stride : elements from row to row of the table
        panels : packed array, gives the element type
        panel : element of `panels` at which the panel starts
        depth : multiple of 4
        offsets : address of MR numbers, one for each row
    OUT
        out : address of MR x NR numbers, contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, row_stride, panels, panel, depth, offsets, out = arguments
        lanes = Lanes(builder, signature.args[2].dtype)
        start = _data(context, builder, signature.args[2], panels, lanes, panel)
        sums = _accumulate(lanes, table, lanes.bytes_of(row_stride), lanes.itemsize, start, depth, *_one_tile())
        vector_bytes = lanes.count * lanes.itemsize
        for i in range(MR):
            offset = lanes.splat(lanes.load_scalar(lanes.at(offsets, i * lanes.itemsize)))
            for j in range(2):
                lanes.store(builder.fadd(sums[i][j], offset), lanes.at(out, (2 * i + j) * vector_bytes))
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, panels, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def gemm_tn(typingctx: Any, table: Any, row_stride: Any, panels: Any, panel: Any, depth: Any, out: Any) -> Any:
    """Multiply MR features of the transposed table by a panel: ``out[i, :] += sum_k table[k, i] * panel[k, :]``.

    This adds to a tile of input gradients: k runs over classes, and the panel holds probabilities of NR examples.

    IN
        table : address of the first of MR features, in the first row; they are contiguous
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
        sums = _accumulate(lanes, table, lanes.itemsize, lanes.bytes_of(row_stride), start, depth, *_one_tile())
        vector_bytes = lanes.count * lanes.itemsize
        for i in range(MR):
            for j in range(2):
                where = lanes.at(out, (2 * i + j) * vector_bytes)
                lanes.store(builder.fadd(lanes.load(where), sums[i][j]), where)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, panels, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def gemm_scatter(
    typingctx: Any,
    tile: Any,
    tiles: Any,
    tile_stride: Any,
    panels: Any,
    panel: Any,
    out: Any,
    out_rows: Any,
    out_stride: Any,
    features: Any,
    add: Any,
) -> Any:
    """Multiply MR rows of tiles by a panel: ``out[out_rows[i], :features] (+)= sum_k tile[i, k] * panel[k, :]``.

    This gives weight gradients, which go to scattered rows: row i of the product to row ``out_rows[i]`` of the result.
    The rows of a tile hold probabilities; k runs over the NR examples of a row, in each of several tiles.

    IN
        tile : address of the first row of probabilities; rows are NR numbers long and contiguous
        tiles : number of tiles
        tile_stride : elements from tile to tile
        panels : packed array, gives the element type
        panel : element of `panels` at which the panel starts
        out_rows : address of MR int64 row numbers
        out_stride : elements from row to row of the result
        features : how many of the panel's NR features exist; the others are not written
        add : whether to add to what is there
    OUT
        out : address of the result's first row, at the first feature of the panel
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tile, tiles, tile_stride, panels, panel, out, out_rows, out_stride, features, add = arguments
        lanes = Lanes(builder, signature.args[3].dtype)
        start = _data(context, builder, signature.args[3], panels, lanes, panel)
        vector_bytes = lanes.count * lanes.itemsize
        depth = ir.Constant(_INT64, 2 * lanes.count)
        sums = _accumulate(
            lanes, tile, 2 * vector_bytes, lanes.itemsize, start, depth, tiles, lanes.bytes_of(tile_stride)
        )
        masks = [lanes.first_lanes(builder.sub(features, ir.Constant(_INT64, j * lanes.count))) for j in range(2)]
        is_added = builder.icmp_signed("!=", add, ir.Constant(_INT64, 0))
        for i in range(MR):
            where = builder.inttoptr(lanes.at(out_rows, 8 * i), _INT64.as_pointer())
            row = builder.add(out, lanes.bytes_of(builder.mul(builder.load(where), out_stride)))
            for j in range(2):
                at = lanes.at(row, j * vector_bytes)
                slot = lanes.variable(sums[i][j])
                builder.store(sums[i][j], slot)
                with builder.if_then(is_added):
                    builder.store(builder.fadd(lanes.load_masked(at, masks[j]), sums[i][j]), slot)
                lanes.store_masked(builder.load(slot), at, masks[j])
        return context.get_dummy_value()

    integers = [_INTP] * 3, [_INTP] * 6
    return types.void(*integers[0], panels, *integers[1]), codegen


def _data(context: Any, builder: Any, array_type: Any, array: Any, lanes: Lanes, element: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.add(builder.ptrtoint(data, _INT64), lanes.bytes_of(element))
