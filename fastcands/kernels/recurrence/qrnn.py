"""The recurrence of a quasi-recurrent layer, forward and backward.

    z, f, o = tanh(Z + bz), sigmoid(F + bf), sigmoid(O + bo)
    c[t] = f c[t - 1] + (1 - f) z        c[t - 1] = 0 where a document starts
    h[t] = o c[t]

Reference: Bradbury, Merity, Xiong, Socher 2017, "Quasi-Recurrent Neural Networks", ICLR, section 2 (fo-pooling).

Columns do not depend on each other. So a worker has a run of the B x H columns, in blocks, and goes through time with
all of them: each array is read and written once and in order, and one long stream (B = 1) has work for several threads
too. Biases are added here and their gradient is summed here, a pass less each.

For T = B = 32 and H = 256, float32 with AVX-512, one thread: 0.39 ms forward and 0.22 backward, 0.48 and 0.28 with
dropout. Rejected: a plain loop with ``np.exp``, which calls the exponential for each number (2.3 and 0.40 ms); NumPy
(2.1 ms forward); one block through all times after the other (0.51 and 0.26), or one stream after the other (0.43 and
0.23), which read rows far apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.recurrence.dropout import drop_row
from fastcands.kernels.recurrence.gates import gate_gradients, gates
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.vector import address

__all__ = ["recur", "recur_backward"]

_BLOCK = 64
"""Columns that belong to one worker: whole cache lines, and four of them in a layer of 256."""


@kernel
def _columns(worker: int, num_threads: int, num_rows: int, width: int) -> Any:
    """Return a worker's share: its first row and column, its last row and the column where that ends.

    IN
        worker, num_threads : int64
        num_rows, width : B and H
    """
    blocks = (width + _BLOCK - 1) // _BLOCK
    first = worker * num_rows * blocks // num_threads
    last = (worker + 1) * num_rows * blocks // num_threads
    if first == last:
        return 0, 0, -1, 0
    end = (last - 1) % blocks + 1
    return first // blocks, first % blocks * _BLOCK, (last - 1) // blocks, min(width, end * _BLOCK)


@kernel
def _recur_share(
    worker: int, num_threads: int, sums: Any, biases: Any, starts: Any, state: Any, mask: Any, cells: Any,
    outputs: Any, offset: int,
) -> None:  # fmt: skip
    """Compute the columns of one worker; the arguments of `recur`."""
    length, num_rows = starts.shape
    width, stride = cells.shape[1], outputs.shape[1]
    nothing = np.zeros(width, sums.dtype)
    b_first, j_first, b_last, j_end = _columns(worker, num_threads, num_rows, width)
    mode = flush_denormals()
    for t in range(length):
        for b in range(b_first, b_last + 1):
            first = j_first if b == b_first else 0
            last = j_end if b == b_last else width
            row = t * num_rows + b
            if starts[t, b]:
                previous = address(nothing, first)
            elif t == 0:
                previous = address(state, b * width + first)
            else:
                previous = address(cells, (row - num_rows) * width + first)
            gates(
                sums, address(sums, 3 * row * width + first), address(biases, first), width, previous,
                address(cells, row * width + first), address(outputs, row * stride + offset + first), last - first,
            )  # fmt: skip
            if mask.threshold:
                drop_row(outputs, row, offset, mask, row, first, last)
    restore_denormals(mode)


@kernel
def _recur_backward_share(
    worker: int, num_threads: int, gates_: Any, starts: Any, state: Any, mask: Any, cells: Any, d_outputs: Any,
    offset: int, d_biases: Any, carried: Any,
) -> None:  # fmt: skip
    """Compute the gradients of one worker's columns; the arguments of `recur_backward`."""
    length, num_rows = starts.shape
    width, stride = cells.shape[1], d_outputs.shape[1]
    nothing = np.zeros(width, gates_.dtype)
    b_first, j_first, b_last, j_end = _columns(worker, num_threads, num_rows, width)
    mode = flush_denormals()
    for b in range(b_first, b_last + 1):
        for j in range(j_first if b == b_first else 0, j_end if b == b_last else width):
            carried[b, j] = d_biases[b, j] = d_biases[b, width + j] = d_biases[b, 2 * width + j] = 0
    for t in range(length - 1, -1, -1):
        for b in range(b_first, b_last + 1):
            first = j_first if b == b_first else 0
            last = j_end if b == b_last else width
            row = t * num_rows + b
            if starts[t, b]:
                previous = address(nothing, first)
            elif t == 0:
                previous = address(state, b * width + first)
            else:
                previous = address(cells, (row - num_rows) * width + first)
            if mask.threshold:
                drop_row(d_outputs, row, offset, mask, row, first, last)
            gate_gradients(
                gates_, address(gates_, 3 * row * width + first), address(d_biases, 3 * b * width + first), width,
                previous, address(cells, row * width + first), address(d_outputs, row * stride + offset + first),
                address(carried, b * width + first), last - first,
            )  # fmt: skip
            if starts[t, b]:
                for j in range(first, last):
                    carried[b, j] = 0
    restore_denormals(mode)


@parallel_kernel
def recur(
    sums: Any, biases: Any, starts: Any, state: Any, mask: Any, cells: Any, outputs: Any, offset: int, num_threads: int
) -> None:
    """Compute gates, cells and hidden values; see the top of the file.

    Parallel over blocks of the B x H columns. Exponentials are vector code, which also adds the biases.

    IN
        biases : (3 H,) of the dtype of sums
        starts : (T, B) bool, where a document starts
        state : (B, H) of the dtype of sums, the cells before the first time
        mask : DropoutMask of the hidden values, whose row t B + b is that of (t, b)
        offset : column of `outputs` where h begins
        num_threads : int
    IN, OUT
        sums : (T B, 3 H) float32 or float64: Z, F and O become z, f and o
    OUT
        cells : (T B, H) of the dtype of sums
        outputs : (T B, at least offset + H) of the dtype of sums; h with dropout, the other columns stay
    """
    for index in prange(num_threads):
        _recur_share(np.int64(index), num_threads, sums, biases, starts, state, mask, cells, outputs, offset)


@parallel_kernel
def recur_backward(
    gates: Any, starts: Any, state: Any, mask: Any, cells: Any, d_outputs: Any, offset: int, d_biases: Any,
    carried: Any, num_threads: int,
) -> None:  # fmt: skip
    """Compute the gradients of what `recur` was given, of all but the state.

    No gradient flows over a document's start or into the state: back-propagation through T times.

    Parallel over blocks of the B x H columns; one worker computes each sum over time.

    IN
        starts, state, mask, cells : as in `recur`
        offset : column of `d_outputs` where the gradient of h begins
        num_threads : int
    IN, OUT
        gates : (T B, 3 H) float32 or float64: z, f and o become the gradient of the sums
        d_outputs : (T B, at least offset + H) of the dtype of gates; in these columns it is multiplied by the mask
    OUT
        d_biases : (B, 3 H) of the dtype of gates, the gradient of the biases in parts, to be summed over B
    SCRATCH
        carried : (B, H) of the dtype of gates
    """
    for index in prange(num_threads):
        _recur_backward_share(
            np.int64(index), num_threads, gates, starts, state, mask, cells, d_outputs, offset, d_biases, carried
        )
