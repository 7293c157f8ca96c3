"""A text in streams: every word once an epoch, and each stream goes on where it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.cli.text.streams import Streams, stream_shape
from fastcands.data import EncodedText


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 80), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    text = EncodedText.from_documents([np.full(n, 5, np.int32) for n in lengths], boundary_id=0)
    streams = Streams(text, batch_size, seed)
    taken, chunks = 0, []
    while taken < streams.num_examples:
        chunk = streams.take(epoch, taken, None)
        assert chunk.size <= batch_size
        taken += chunk.size
        chunks.append(chunk)
    positions = np.concatenate(chunks)
    seen = positions.T.ravel()
    assert len(set(seen.tolist())) == len(seen) == streams.num_examples
    assert len(text) - len(seen) < positions.shape[1]
    # within a stream, the next word is the next of the text, but where a document or the text begins
    before, after = positions[:-1], positions[1:]
    jumps = after != before + 1
    starts = (after == 0) | (text.ids[after - 1] == 0)
    assert (starts | ~jumps).all()


def test_epochs_and_seeds_differ() -> None:
    text = EncodedText.from_documents([[1] * n for n in range(1, 40)], boundary_id=0)
    first = Streams(text, 64, 0)
    assert first.take(0, 0, None).tolist() != first.take(1, 0, None).tolist()
    assert first.take(0, 0, None).tolist() != Streams(text, 64, 1).take(0, 0, None).tolist()
    assert first.take(1, 8, None).tolist() == Streams(text, 64, 0).take(1, 8, None).tolist()


def test_the_end_of_a_run() -> None:
    text = EncodedText.from_documents([[1] * 499], boundary_id=0)
    streams = Streams(text, 64, 0)
    assert streams.take(0, 0, None).shape == (16, 4)
    assert streams.take(0, 0, 9).shape == (3, 4)
    assert streams.take(0, 0, 1).shape == (1, 4)
    assert streams.take(0, 496, None).shape == (1, 4)


@pytest.mark.parametrize(
    ("batch_size", "tokens", "shape"),
    [(1024, 10**6, (32, 32)), (512, 10**6, (32, 16)), (100, 10**6, (16, 6)), (1, 9, (1, 1)), (64, 5, (5, 1))],
)
def test_shapes(batch_size: int, tokens: int, shape: tuple[int, int]) -> None:
    assert stream_shape(batch_size, tokens) == shape
