"""What losses give and optimizers take: gradients of which only some rows of a table are not zero."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.table.merge_rows import merge_rows
from fastcands.threads import get_num_threads
from fastcands.validation.arrays import as_array
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size
from fastcands.validation.tables import check_row_pairs

__all__ = ["Gradients", "RowGradient"]


class RowGradient(NamedTuple):
    """Gradient of a table of which only some rows were used.

    Attributes
    ----------
    ids : int64 array, shape (U,)
        Rows of the table, sorted, each once.
    rows : array, shape (U, D) or (U,)
        The gradient of each of those rows; contributions to one row are already summed.
    num_rows : int
        Rows of the whole table.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> g = fc.RowGradient.from_pairs([2, 0, 2], np.ones((3, 2), np.float32), num_rows=4)
    >>> g.ids.tolist(), g.rows.tolist()
    ([0, 2], [[1.0, 1.0], [2.0, 2.0]])
    >>> g.to_dense().sum(axis=1).tolist()
    [2.0, 0.0, 4.0, 0.0]
    """

    ids: NDArray[np.int64]
    rows: NDArray[Any]
    num_rows: int

    def to_dense(self) -> NDArray[Any]:
        """Return the gradient as an array of the table's shape, zero where no row was used.

        Returns
        -------
        array, shape (num_rows, D) or (num_rows,)
            A new array.
        """
        dense = np.zeros((self.num_rows, *self.rows.shape[1:]), self.rows.dtype)
        dense[self.ids] = self.rows
        return dense

    @classmethod
    @own_error_state
    def from_pairs(cls, ids: Any, rows: Any, num_rows: int) -> RowGradient:
        """Sum the rows that belong to the same id, in the order in which they come.

        The same as ``dense = np.zeros((num_rows, D)); np.add.at(dense, ids, rows)`` without the dense array.
        This is the backward pass of ``table[ids]``.

        Parameters
        ----------
        ids : integer array, shape (N,)
            Each in [0, num_rows), in any order, repeated or not.
        rows : float32 or float64 array, shape (N, D) or (N,)
            One contribution for each id.
        num_rows : int
            Rows of the table.

        Returns
        -------
        RowGradient
            Sorted, unique ids and their sums. The same bits for any number of threads.

        Raises
        ------
        TypeError
            If `ids` are not integers or `rows` are neither float32 nor float64.
        ValueError
            If the lengths differ or an id is outside [0, num_rows).
        """
        num_rows = as_size(num_rows, "num_rows")
        ids_ = as_class_ids(ids, "ids", num_classes=num_rows, ndim=1, limit_name="num_rows")
        rows_ = as_array(rows, "rows")
        check_row_pairs(ids_, rows_, rows.dtype if isinstance(rows, np.ndarray) else rows_.dtype)
        flat = np.ascontiguousarray(rows_ if rows_.ndim == 2 else rows_[:, None])
        order = np.argsort(ids_, kind="stable")
        sorted_ids = ids_[order]
        starts = np.flatnonzero(np.r_[True, sorted_ids[1:] != sorted_ids[:-1]]) if len(ids_) else np.zeros(0, np.int64)
        merged = np.empty((len(starts), flat.shape[1]), flat.dtype)
        merge_rows(flat, order, np.append(starts, len(ids_)), merged, get_num_threads())
        return cls(sorted_ids[starts], merged if rows_.ndim == 2 else merged[:, 0], num_rows)


class Gradients(NamedTuple):
    """Gradients of a loss with respect to what it was computed from.

    Attributes
    ----------
    inputs : array, shape (B, D)
        Gradient of the inputs.
    weights : RowGradient or list of RowGradient
        Gradient of the class weights, one for each shard where they came as a list; in their dtype, or float32 where
        that is bfloat16.
    biases : RowGradient, list of RowGradient, or None
        Gradient of the class biases; None where there were none.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, inputs = np.zeros((6, 2), np.float32), np.ones((1, 2), np.float32)
    >>> loss, gradients = fc.SoftmaxLoss().value_and_grad(weights, None, [0], inputs)
    >>> gradients.weights.ids.tolist(), gradients.biases
    ([0, 1, 2, 3, 4, 5], None)
    """

    inputs: NDArray[Any]
    weights: RowGradient | list[RowGradient]
    biases: RowGradient | list[RowGradient] | None
