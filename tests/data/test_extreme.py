"""Files of the Extreme Classification Repository: read right, or refused with the line that is wrong."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcands.data import ExtremeData, extreme_file, parse_points, read_extreme

Point = tuple[list[int], dict[int, float]]


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "points.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def points_of(data: ExtremeData) -> list[Point]:
    points = []
    for i in range(len(data)):
        features = slice(data.feature_starts[i], data.feature_starts[i + 1])
        pairs = zip(data.features[features].tolist(), data.values[features].tolist(), strict=True)
        points.append((data.labels[data.label_starts[i] : data.label_starts[i + 1]].tolist(), dict(pairs)))
    return points


def read(folder: Path, content: str | bytes) -> list[Point]:
    return points_of(read_extreme(write(folder, content)))


GOOD = [([4, 1], {8: 0.5}), ([], {0: 3.0, 3: -4.0}), ([0], {}), ([], {})]


@pytest.mark.parametrize(
    "content",
    [
        "4 9 5\n4,1 8:0.5\n 0:3 3:-4\n0\n\n",
        "4 9 5\n4,1 8:0.5\n0:3 3:-4\n0 \n ",  # no blank where the labels lack, no newline at the end
        "4 9 5\n4,1 8:0.5\n0:3 3:-4\n0\n\n\n\n",  # empty lines behind the last point
        "4 9 5\r\n4,1 8:.5\r\n 0:3 3:-4\r\n0\r\n\r\n",
        "\ufeff4\t9  5 \n4,1\t8:5e-1 \n\t0:+3.0   3:-4.\n 0\n\t\n",
        "4 9 5\n4,1 8:0.5\n 3:-4 0:3\n0\n\n",  # features in another order
        gzip.compress(b"4 9 5\n4,1 8:0.5\n 0:3 3:-4\n0\n\n"),
    ],
)
def test_ways_to_write_the_same_points(tmp_path: Path, content: str | bytes) -> None:
    data = read_extreme(write(tmp_path, content))
    assert (data.num_features, data.num_labels, len(data)) == (9, 5, 4)
    assert points_of(data) == GOOD
    kinds = [data.label_starts.dtype, data.labels.dtype, data.feature_starts.dtype, data.features.dtype]
    assert kinds == [np.int64, np.int32, np.int64, np.int32]
    assert data.values.dtype == np.float32


REFUSED = {
    "nothing": ("", 1, "must be the header, three integers: points, features and labels, got ''"),
    "no header": ("1,2 3:4\n", 1, "must be the header, three integers: points, features and labels, got '1,2 3:4'"),
    "two numbers": ("2 9\n", 1, "must be the header"),
    "four numbers": ("2 9 5 1\n", 1, "must be the header"),
    "header with a fraction": ("2 9.0 5\n", 1, "must be the header"),
    "negative header": ("2 9 -5\n", 1, "must be the header"),
    "binary": (b"\x00\xff" * 500_000, 1, "must be the header"),
    "no features": ("1 0 5\n1\n", 1, "the number of features must be from 1 to 2147483647, got 0"),
    "no labels": ("1 1 0\n1\n", 1, "the number of labels must be from 1 to 2147483647, got 0"),
    "too many labels": ("1 1 2147483648\n1\n", 1, "the number of labels must be from 1 to 2147483647"),
    "too few points": ("3 9 5\n1 1:1\n2 1:1\n", 3, "the file ends behind 2 of the 3 points of its header"),
    "no points": ("3 9 5\n", 1, "the file ends behind 0 of the 3 points of its header"),
    "too many points": ("1 9 5\n1 1:1\n\n2 1:1\n", 4, "more points than the 1 of the header"),
    "label too large": ("2 9 5\n1 1:1\n4,5 1:1\n", 3, "a label must be an integer in [0, 5), got '5'"),
    "huge label": ("1 9 5\n99999999999999999999 1:1\n", 2, "got '99999999999999999999'"),
    "negative label": ("1 9 5\n-1 1:1\n", 2, "a label must be an integer in [0, 5), got '-1'"),
    "label with a fraction": ("1 9 5\n1.0 1:1\n", 2, "a label must be an integer in [0, 5), got '1.0'"),
    "label of letters": ("1 9 5\n1,x,2 1:1\n", 2, "got 'x,2'"),
    "no label behind the comma": ("1 9 5\n1, 1:1\n", 2, "a label must be an integer in [0, 5), got ''"),
    "no label before the comma": ("1 9 5\n,1 1:1\n", 2, "a label must be an integer in [0, 5), got ',1'"),
    "pair behind the comma": ("1 9 5\n1,1:1\n", 2, "a label must be an integer in [0, 5), got '1:1'"),
    "repeated label": ("1 9 5\n1,3,2,3 1:1\n", 2, "label 3 comes more than once"),
    "repeated label side by side": ("1 9 5\n1,1\n", 2, "label 1 comes more than once"),
    "feature too large": ("1 9 5\n1 1:1 9:1\n", 2, "a feature must be an integer in [0, 9), got '9'"),
    "huge feature": ("1 9 5\n1 18446744073709551617:1\n", 2, "got '18446744073709551617'"),
    "no feature": ("1 9 5\n1 :1\n", 2, "a feature must be an integer in [0, 9), got ''"),
    "feature of letters": ("1 9 5\n1 1:1 a:1\n", 2, "behind the labels, feature:value is expected, got 'a:1'"),
    "negative feature": ("1 9 5\n1 -1:1\n", 2, "behind the labels, feature:value is expected, got '-1:1'"),
    "labels twice": ("1 9 5\n1 2 3:4\n", 2, "behind the labels, feature:value is expected, got '2'"),
    "label at the end": ("1 9 5\n1 3:4 2\n", 2, "behind the labels, feature:value is expected, got '2'"),
    "repeated feature": ("1 9 5\n1 3:4 2:1 3:4\n", 2, "feature 3 comes more than once"),
    "no value": ("1 9 5\n1 3: 2:1\n", 2, "a feature's value must be a finite float32 number, got ''"),
    "value of letters": ("1 9 5\n1 3:x\n", 2, "a feature's value must be a finite float32 number, got 'x'"),
    "two values": ("1 9 5\n1 3:1:2\n", 2, "a feature's value must be a finite float32 number, got '1:2'"),
    "not a number": ("1 9 5\n1 3:nan\n", 2, "a feature's value must be a finite float32 number, got 'nan'"),
    "infinite": ("1 9 5\n1 3:-inf\n", 2, "a feature's value must be a finite float32 number, got '-inf'"),
    "infinite as float32": ("1 9 5\n1 3:1e39\n", 2, "a feature's value must be a finite float32 number, got '1e39'"),
    "long text": ("1 9 5\n" + "z" * 99, 2, "got '" + "z" * 40 + "…'"),
    "no utf-8": (b"1 9 5\n1 \xff:1\n", 2, "behind the labels, feature:value is expected, got '\ufffd:1'"),
    "zero byte": (b"1 9 5\n1\x00 1:1\n", 2, "a label must be an integer in [0, 5), got '1\\x00'"),
    # the first bad line is named, though the kernel leaves its value to be read later
    "two bad lines": ("2 9 5\n1 1:nan\n9 1:1\n", 2, "a feature's value must be a finite float32 number, got 'nan'"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused(tmp_path: Path, case: str) -> None:
    content, line, message = REFUSED[case]
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=r".") as caught:
        read_extreme(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert message in str(caught.value)


def test_damaged_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(b"1000 9 5\n" + b"4,1 8:0.5\n" * 1000)
    for damaged in (whole[:-9], whole[:30], whole[:-4] + b"\0\0\0\0"):
        with pytest.raises(ValueError, match=r"points.txt: damaged gzip file \("):
            read(tmp_path, damaged)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_extreme(tmp_path / "none.txt")


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 22])
def test_pieces_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Wherever a piece ends: in a number, at a line's end, in the last line."""
    monkeypatch.setattr(extreme_file, "_CHUNK", chunk)
    assert read(tmp_path, "4 9 5\n4,1 8:0.5\n 0:3 3:-4\n0\n\n") == GOOD
    with pytest.raises(ValueError, match=r"line 4: label 3 comes more than once"):
        read(tmp_path, "4 9 5\n4,1 8:0.5\n 0:3 3:-4\n3,0,3\n\n")
    with pytest.raises(ValueError, match=r"line 6: more points than the 4"):
        read(tmp_path, "4 9 5\n4,1 8:0.5\n 0:3 3:-4\n0\n\n1")


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extreme_file, "_CHUNK", 16)
    monkeypatch.setattr(extreme_file, "_LONGEST_LINE", 100)
    with pytest.raises(ValueError, match=r"line 3: longer than 100 bytes"):
        read(tmp_path, "9 9 5\n1 1:1\n" + "1" * 200)


@pytest.mark.parametrize("text", ["0.1", "1e-45", "1e-46", "3.4028235e38", "16777217", "0.333333333333333333333", "-0"])
def test_values_are_the_nearest_float32(tmp_path: Path, text: str) -> None:
    value = read_extreme(write(tmp_path, f"1 1 1\n 0:{text}\n")).values[0]
    assert value.tobytes() == np.float32(float(text)).tobytes()


POINTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, 4), unique=True),
        st.dictionaries(st.integers(0, 8), st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=6),
    ),
    max_size=20,
)


@given(POINTS, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, points: list[Point], chunk: int) -> None:
    lines = [f"{len(points)} 9 5"]
    for labels, features in points:
        lines.append(" ".join([",".join(map(str, labels)), *(f"{f}:{v!r}" for f, v in features.items())]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extreme_file, "_CHUNK", chunk)
        assert read(tmp_path_factory.mktemp("points"), "\n".join(lines) + "\n") == points


def test_taking_points(tmp_path: Path) -> None:
    data = read_extreme(write(tmp_path, "4 9 5\n4,1 8:0.5\n 0:3 3:-4\n0\n\n"))
    chosen = [2, 0, 0, 3, 1]
    taken = data.take(np.array(chosen))
    assert points_of(taken) == [GOOD[i] for i in chosen]
    assert points_of(data.take(np.zeros(0, int))) == []
    assert data.labelled().tolist() == [0, 2]
    assert data.label_counts().tolist() == [1, 1, 0, 0, 1]
    assert data.padded_labels(np.array([2, 1, 0])).tolist() == [[0, -1], [-1, -1], [4, 1]]
    assert data.padded_labels(np.array([1])).tolist() == [[-1]]


def test_memory_is_little_more_than_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extreme_file, "_CHUNK", 1 << 14)
    (small := tmp_path / "small").mkdir()
    path = write(tmp_path, "60000 1000 1000\n" + "17,3 5:0.25 77:0.5 999:1\n" * 60_000)
    read_extreme(write(small, "1 9 5\n1\n"))  # compiles
    tracemalloc.start()
    data = read_extreme(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    arrays = (data.label_starts, data.labels, data.feature_starts, data.features, data.values)
    assert peak < 1.3 * sum(array.nbytes for array in arrays) + 2_000_000


def test_points_without_a_header() -> None:
    data = parse_points("4,1 8:0.5\n 0:3 3:-4\n0\n\n", 9, 5)
    assert points_of(data) == GOOD
    assert points_of(parse_points("", 9, 5)) == [([], {})]
    with pytest.raises(ValueError, match=r"^this, line 2: a label must be an integer in \[0, 5\), got '5'$"):
        parse_points("1\n5", 9, 5, "this")
