"""A text as parallel streams, read from front to back in chunks: batches for a model that carries a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcands.data import EncodedText

__all__ = ["Streams", "stream_shape"]

_LARGE_BATCH, _LONG, _SHORT = 512, 32, 16


def stream_shape(batch_size: int, tokens: int) -> tuple[int, int]:
    """Return words of a chunk and streams for a batch: 32 words of each stream in batches from 512, else 16.

    Parameters
    ----------
    batch_size : int
        Words of a step.
    tokens : int
        Of the text: no stream is shorter than a chunk, as far as possible.

    Returns
    -------
    steps, streams : int
        Their product is at most `batch_size`.

    Examples
    --------
    >>> stream_shape(1024, 10**6), stream_shape(128, 10**6), stream_shape(3, 10**6)
    ((32, 32), (16, 8), (3, 1))
    """
    steps = min(_LONG if batch_size >= _LARGE_BATCH else _SHORT, batch_size, tokens)
    return steps, max(1, min(batch_size // steps, tokens // steps))


class Streams:
    """Positions of a text in chunks of streams; documents in another random order in each epoch.

    The documents of an epoch, one after the other from a random place on, are cut into streams of one length. Fewer
    words than there are streams are left out, others in each epoch.

    Parameters
    ----------
    text : EncodedText
        Not empty.
    batch_size : int
        Most words of a step.
    seed : int
        Of the orders.

    Examples
    --------
    >>> text = EncodedText.from_documents([[5, 6, 7], [8, 9], [5]], boundary_id=0)
    >>> streams = Streams(text, batch_size=4, seed=0)
    >>> streams.take(0, 0, None).T.tolist()
    [[5, 6, 0, 1]]
    >>> streams.take(0, 4, None).T.tolist()
    [[2, 3, 7, 8]]
    """

    def __init__(self, text: EncodedText, batch_size: int, seed: int) -> None:
        self._text, self._seed = text, seed
        self._steps, self._streams = stream_shape(batch_size, len(text))
        self._length = len(text) // self._streams
        self._order: tuple[int, NDArray[np.int32]] | None = None

    @property
    def num_examples(self) -> int:
        """Words of an epoch."""
        return self._length * self._streams

    def _positions(self, epoch: int) -> NDArray[np.int32]:
        """Return the positions of an epoch in their order, shape (num_examples,)."""
        if self._order is None or self._order[0] != epoch:
            generator = np.random.default_rng([self._seed, 2, epoch])
            ends = np.flatnonzero(self._text.ids == self._text.boundary_id) + 1
            starts = np.concatenate(([0], ends[:-1]))
            order = generator.permutation(len(ends))
            lengths = (ends - starts)[order]
            # within a document positions rise by one; where one begins, they jump to its start
            jumps = np.ones(len(self._text), np.int32)
            jumps[0] = starts[order[0]]
            begins = np.cumsum(lengths)[:-1]
            jumps[begins] = starts[order[1:]] - (ends[order[:-1]] - 1)
            positions = np.roll(np.cumsum(jumps, dtype=np.int32), -int(generator.integers(len(jumps))))
            self._order = epoch, positions[: self.num_examples]
        return self._order[1]

    def take(self, epoch: int, position: int, most: int | None) -> NDArray[np.int32]:
        """Return the next chunk.

        Parameters
        ----------
        epoch : int
            From 0.
        position : int
            Words of the epoch that have been taken, a multiple of the streams.
        most : int or None
            Words that may still be taken; the last chunk has at least one of each stream.

        Returns
        -------
        int32 array, shape (T, B)
            Positions in the text; each column goes on where it ended in the chunk before.
        """
        rows = self._positions(epoch).reshape(self._streams, self._length)
        first = position // self._streams
        steps = self._steps if most is None else min(self._steps, max(1, -(-most // self._streams)))
        return np.ascontiguousarray(rows[:, first : first + steps].T)
