"""Text as a recurrent layer reads it: the words before each position, and where a document starts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.data import EncodedText

__all__ = ["Runs", "runs_to", "stream_words"]

Array = NDArray[Any]


def stream_words(text: EncodedText, positions: Array, last: Array | None) -> tuple[Array, Array]:
    """Return the words that are read to predict those at some positions, and where reading starts anew.

    Parameters
    ----------
    text : EncodedText
        The text.
    positions : int64 array, shape (T, B)
        Each column a stream.
    last : int64 array, shape (B,), or None
        The positions before the first row; None if there are none.

    Returns
    -------
    words : int64 array, shape (T + 1, B)
        ``words[t + 1]`` are the words before ``positions[t]``, ``words[0]`` those before ``words[1]``; any word where
        that is the text's start.
    starts : bool array, shape (T, B)
        True where a document starts, and where a stream does not continue from the position before.
    """
    words = np.empty((len(positions) + 1, positions.shape[1]), np.int64)
    # position -1 is that of the last word, a boundary
    words[0] = text.ids.take(positions[0] - 2, mode="wrap")
    words[1:] = text.ids.take(positions - 1, mode="wrap")
    starts = words[1:] == text.boundary_id
    starts[1:] |= positions[1:] != positions[:-1] + 1
    starts[0] |= True if last is None else positions[0] != last + 1
    return words, starts


class Runs(NamedTuple):
    """What a stream reads to reach some positions: each of their documents, from its start to the last position."""

    first: Array
    """(N,) where the runs begin."""
    ends: Array
    """(N,) lengths of the runs, added up."""
    places: Array
    """(P,) the positions to reach, as places in all runs one after the other."""

    def positions(self, start: int, stop: int) -> Array:
        """Return positions of the text by places in the runs.

        Parameters
        ----------
        start, stop : int
            A range of places.

        Returns
        -------
        int64 array, shape (stop - start,)
            Positions.
        """
        places = np.arange(start, stop)
        run = np.searchsorted(self.ends, places, "right")
        return np.asarray(self.first[run] + places - np.append(0, self.ends)[run])


def runs_to(text: EncodedText, positions: Array) -> Runs:
    """Return what has to be read to reach positions.

    Parameters
    ----------
    text : EncodedText
        The text.
    positions : int64 array, shape (P,)
        Positions, none after a later one.

    Returns
    -------
    Runs
        Documents without a position are left out.
    """
    ends = np.flatnonzero(text.ids == text.boundary_id)
    document = np.searchsorted(ends, positions)
    last = np.ones(len(document), bool)
    last[:-1] = document[1:] != document[:-1]
    documents = document[last]
    first = np.append(0, ends + 1)[documents]
    until = np.cumsum(positions[last] + 1 - first)
    run = np.searchsorted(documents, document)
    return Runs(first, until, positions - first[run] + np.append(0, until)[run])
