"""Tile functions on NumPy arrays."""

from fastcands.jit import kernel
from fastcands.kernels.epilogues.call import call

_ORDER = ("copies", "shifts", "scale", "tile_max", "tile_sum", "row_sums")


@kernel
def _call(function, tile, rows, copies, shifts, scale, tile_max, tile_sum, row_sums):
    call(function, (tile, rows, copies, shifts, scale, tile_max, tile_sum, row_sums))


def run_tile(epilogue, part, tile, **arrays):
    """Call a tile function in place; arrays that it does not use may be left out."""
    dtype = tile.dtype
    assert all(array.dtype == dtype and array.flags.c_contiguous for array in (tile, *arrays.values()))
    addresses = [arrays[name].ctypes.data if name in arrays else 0 for name in _ORDER]
    _call(epilogue.tile_function(part, dtype), tile.ctypes.data, len(tile), *addresses)
