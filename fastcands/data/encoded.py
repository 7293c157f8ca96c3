"""Encoded text: documents as one array of ids, and the contexts a language model predicts from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import check_array
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size

__all__ = ["EncodedText"]


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedText:
    """Documents in a row, each ended by the boundary id.

    Every id is one prediction of a language model, that of an end too.

    Parameters
    ----------
    ids : int32 array, shape (N,)
        Ids of the words. An id equal to `boundary_id` ends a document; the last one does.
    boundary_id : int
        Id of the word that ends documents.

    Attributes
    ----------
    ids, boundary_id
        As given; ``ids[positions]`` are the words to predict at `positions`.

    Raises
    ------
    TypeError
        If `ids` is not int32 or has not one dimension.
    ValueError
        If the last id is not `boundary_id`.

    Examples
    --------
    >>> text = EncodedText.from_documents([[5, 6, 7], [8]], boundary_id=0)
    >>> text.ids
    array([5, 6, 7, 0, 8, 0], dtype=int32)
    >>> text.contexts([0, 2, 3, 5], 2)
    array([[0, 0],
           [5, 6],
           [6, 7],
           [0, 8]])
    """

    ids: NDArray[np.int32]
    boundary_id: int

    def __post_init__(self) -> None:
        """Refuse ids of another type, masked ones, and an open end."""
        check_array(self.ids, "ids")
        if self.ids.dtype != np.int32 or self.ids.ndim != 1:
            raise TypeError(f"ids must be int32 of shape (N,), got {self.ids.dtype} of shape {self.ids.shape}")
        if len(self.ids) and self.ids[-1] != self.boundary_id:
            raise ValueError(f"ids must end with boundary_id = {self.boundary_id}, got {self.ids[-1]}")

    @classmethod
    def from_documents(cls, documents: Iterable[object], boundary_id: int) -> EncodedText:
        """Join documents, each followed by the boundary id; documents without words are left out.

        Parameters
        ----------
        documents : iterable of integer arrays, shape (n,)
            The ids of each document. The boundary is not added to a document that ends with it.
        boundary_id : int
            Id of the word that ends documents.

        Returns
        -------
        EncodedText
            The text.

        Raises
        ------
        ValueError
            If an id is negative or does not fit into int32.
        """
        boundary_id = as_size(boundary_id, "boundary_id", minimum=0)
        end = np.array([boundary_id], np.int32)
        parts: list[NDArray[np.int32]] = []
        for document in documents:
            if type(document) is np.ndarray and document.dtype == np.int32:
                words = document  # a copy as int64 would double the memory
            else:
                checked = as_class_ids(document, "documents", num_classes=2**31, ndim=1, limit_name="2**31")
                words = checked.astype(np.int32)
            if words.size:
                parts.append(words)
                if words[-1] != boundary_id:
                    parts.append(end)
        return cls(np.concatenate(parts) if parts else np.empty(0, np.int32), boundary_id)

    def __len__(self) -> int:
        """Return the number of predicted words, boundaries included."""
        return len(self.ids)

    @property
    def num_documents(self) -> int:
        """Number of documents."""
        return int(np.count_nonzero(self.ids == self.boundary_id))

    def check(self, num_classes: int) -> None:
        """Refuse ids that no vocabulary of `num_classes` words holds.

        Parameters
        ----------
        num_classes : int
            Size of the vocabulary.

        Raises
        ------
        ValueError
            If an id or `boundary_id` is outside ``[0, num_classes)``.
        """
        num_classes = as_size(num_classes, "num_classes")
        as_class_ids(self.ids, "ids", num_classes=num_classes)
        as_class_ids(self.boundary_id, "boundary_id", num_classes=num_classes)

    def counts(self, num_classes: int) -> NDArray[np.int64]:
        """Count how often each id is predicted.

        Parameters
        ----------
        num_classes : int
            Size of the vocabulary.

        Returns
        -------
        int64 array, shape (num_classes,)
            Counts by id.

        Raises
        ------
        ValueError
            If an id is outside ``[0, num_classes)``.
        """
        self.check(num_classes)
        return np.bincount(self.ids, minlength=num_classes).astype(np.int64, copy=False)

    def contexts(self, positions: object, n: int) -> NDArray[np.int64]:
        """Return the `n` ids before each position, the oldest first, padded with the boundary id.

        No context reaches over the start of its document:
        ``contexts[b, k]`` is ``ids[positions[b] - n + k]``, or the boundary id when a document's end stands
        there or between there and the position.

        Parameters
        ----------
        positions : integer array, shape (B,)
            Positions in ``[0, len(text))``.
        n : int
            Length of the contexts, at least 1.

        Returns
        -------
        int64 array, shape (B, n)
            The contexts.

        Raises
        ------
        ValueError
            If a position is out of range or `n` below 1.
        """
        n = as_size(n, "n")
        at = as_class_ids(positions, "positions", num_classes=len(self), ndim=1, limit_name="len(text)")
        # One row a distance: each take is quick. A position before the text's start wraps round to its end,
        # a boundary or beyond one on the way back.
        words = np.empty((n, len(at)), np.int32)
        for k in range(n):
            self.ids.take(at - (n - k), mode="wrap", out=words[k])
        ends = words == self.boundary_id
        crossing = np.flatnonzero(ends.any(axis=0))
        if len(crossing):
            after_an_end = np.logical_or.accumulate(ends[::-1, crossing], axis=0)[::-1]
            words[:, crossing] = np.where(after_an_end, self.boundary_id, words[:, crossing])
        return words.T.astype(np.int64, order="C")
