"""Weights read from a file: every rule of the format, and what is wrong in it by its line."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.distributions import vocabulary_file
from fastcands.distributions.vocabulary_file import read_vocabulary


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vocabulary.txt"


def read(path, content, num_weights=None, num_shards=1, shard=0):
    path.write_bytes(content)
    room = 20 if num_weights is None else num_weights
    weights, found = read_vocabulary(path, room, num_shards, shard)
    assert num_weights is None or found == num_weights
    return weights[:found].tolist()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"1", [1.0]),
        (b"1\n", [1.0]),
        (b"the,1\nof,2", [1.0, 2.0]),
        (b"a,b,c,7\n", [7.0]),
        (b',1\n"x, y",2\n', [1.0, 2.0]),
        (b"a,1\r\nb,2\r\n", [1.0, 2.0]),
        (b"a,1\n\n\r\nb,2\n\n", [1.0, 2.0]),
        (b"a,1\r2\n", [12.0]),
        (b"a,\r3\r\n", [3.0]),
        (b"a, 1\nb,\t2 \nc,3\t\r\n", [1.0, 2.0, 3.0]),
        (b"1e3\n2.5E-1\n+4\n.5\n5.\n1E+2", [1000.0, 0.25, 4.0, 0.5, 5.0, 100.0]),
        (b"0x10\n0x1p-2\n0X.8\n", [16.0, 0.25, 0.5]),
        (b"0\n-0\n0.0e5\n", [0.0, 0.0, 0.0]),
        (b"123456789012345678901234567890\n", [np.float32(1.2345678901234568e29)]),
        (b"0.000000000000000000000000001\n1e-60\n1e-300", [np.float32(1e-27), 0.0, 0.0]),
        (b"\xef\xbb\xbf5\n6\n", [5.0, 6.0]),
        (b"\xef\xbb\xbfa,5\n", [5.0]),
        (b"\xff\xfe\x00,1\n", [1.0]),
        (b"3.4028235e38\n", [np.finfo(np.float32).max]),
        (b"16777217\n33554435", [16777216.0, 33554436.0]),
    ],
)
def test_rules(path, content, expected):
    assert read(path, content) == expected


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_pieces_of_any_size(path, monkeypatch, chunk):
    monkeypatch.setattr(vocabulary_file, "_CHUNK", chunk)
    content = b"".join(b"word%d,%d.5\n" % (i, i) for i in range(50)) + b"last,99"
    assert read(path, content, 51) == [i + 0.5 for i in range(50)] + [99.0]


@pytest.mark.parametrize("room", [1, 2, 3])
def test_many_numbers_that_need_care(path, monkeypatch, room):
    """More of them than the kernel may leave over at a time."""
    monkeypatch.setattr(vocabulary_file, "_DIFFICULT", room)
    assert read(path, b"0x1\n2\n0x3\n0x4\n5\n0x6\n", 6) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_gzip(path):
    assert read(path, gzip.compress(b"a,1\nb,2\n")) == [1.0, 2.0]


@pytest.mark.parametrize(
    ("num_shards", "shard", "expected"), [(2, 0, [0, 2, 4]), (2, 1, [1, 3]), (3, 2, [2]), (7, 6, [])]
)
def test_shards_count_lines_that_are_not_empty(path, num_shards, shard, expected):
    content = b"0\n\n1\n2\r\n\r\n3\n4"
    assert read(path, content, num_shards=num_shards, shard=shard) == expected


def test_lines_of_other_shards_are_not_looked_at(path):
    assert read(path, b"1\nnonsense\n2\n", num_shards=2) == [1.0, 2.0]


def test_more_lines_than_asked_for_are_counted(path):
    path.write_bytes(b"1\n2\n3\nnonsense\n5\n")
    weights, found = read_vocabulary(path, 3, 1, 0)
    assert weights.tolist() == [1.0, 2.0, 3.0]
    assert found == 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"x", r"line 4 must end in a number, got 'x' after its last comma"),
        (b"x,", r"line 4 must end in a number, got '' after its last comma"),
        (b"x,1,", r"line 4 must end in a number, got ''"),
        (b" ", r"line 4 must end in a number, got ' '"),
        (b"1_000", "got '1_000'"),
        (b"1e", "got '1e'"),
        (b"1e5x", "got '1e5x'"),
        (b"1.2.3", "got '1.2.3'"),
        (b"0x", "got '0x'"),
        (b"--1", "got '--1'"),
        (b".", "got '.'"),
        (b"1 2", "got '1 2'"),
        ("x,\u0661".encode(), "line 4 must end in a number"),
        (b"x,-1", r"line 4 must have a weight that is finite and not negative, got '-1'"),
        (b"x,nan", "line 4 must have a weight that is finite and not negative, got 'nan'"),
        (b"x,inf", "line 4 must have a weight that is finite and not negative, got 'inf'"),
        (b"x,-Infinity", "got '-Infinity'"),
        (b"x,1e39", "line 4 must have a weight that is finite and not negative, got '1e39'"),
        (b"x,1e999", "got '1e999'"),
    ],
)
def test_bad_lines(path, line, message):
    with pytest.raises(ValueError, match=message) as raised:
        read(path, b"a,1\n\nb,2\n" + line + b"\nc,3\n")
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
        read_vocabulary(tmp_path / "nowhere.txt", 1, 1, 0)


@given(
    st.lists(st.floats(0, 2.0**127, width=32), min_size=1, max_size=30), st.sampled_from(["r", ".3g", ".17e", ".9f"])
)
def test_numbers_are_rounded_once(tmp_path_factory, numbers, style):
    texts = [repr(x) if style == "r" else format(x, style) for x in numbers]
    path = tmp_path_factory.getbasetemp() / "numbers.txt"
    got = read(path, "\n".join(texts).encode(), len(texts))
    assert got == [float(np.float32(text)) for text in texts]


def test_ten_million_lines(path):
    """Time and memory of a large file are those of a few bytes a line."""
    block = b"".join(b"%d\n" % (i % 1000) for i in range(100000))
    path.write_bytes(block * 100)
    weights, found = read_vocabulary(path, 10**7, 1, 0)
    assert found == 10**7
    np.testing.assert_array_equal(weights[-1000:], np.arange(1000))
    assert weights.sum(dtype=np.float64) == 10**4 * 499500
