"""Reading points in the format of the Extreme Classification Repository: a piece at a time, every line checked."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from fastcands.data.extreme import ExtremeData
from fastcands.kernels.text.point_lines import (
    BAD_FEATURE,
    BAD_LABEL,
    BAD_PAIR,
    REPEATED_FEATURE,
    REPEATED_LABEL,
    WELL,
)
from fastcands.kernels.text.point_lines import (
    parse_points as parse_lines,
)

__all__ = ["parse_points", "read_extreme"]

_CHUNK = 1 << 22  # bytes read at once
_LONGEST_LINE = 1 << 28
_LONGEST_HEADER = 256
_LARGEST = 2**31 - 1  # ids are int32
_SHOWN = 40  # characters of a bad line in a message
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,18})[ \t]+(\d{1,18})[ \t\r]*")
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TOO_LARGE = float(np.finfo(np.float32).max) * (1 + 2.0**-25)  # rounded to float32, infinite


class _Growing:
    """An array that is appended to in place; memory it does not use yet is an eighth of it at most."""

    def __init__(self, dtype: Any) -> None:
        self._array = np.empty(0, dtype)
        self.size = 0

    def append(self, values: NDArray[Any]) -> None:
        needed = self.size + len(values)
        if needed > len(self._array):
            self._array.resize(needed + self.size // 8, refcheck=False)
        self._array[self.size : needed] = values
        self.size = needed

    def finish(self) -> NDArray[Any]:
        self._array.resize(self.size, refcheck=False)
        return self._array


class _Reader:
    """Reads one file; says in which of its lines something is wrong."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._points = 0
        self._lines = 0  # before the piece at hand
        self._label_ends, self._feature_ends = _Growing(np.int64), _Growing(np.int64)
        self._labels, self._features, self._values = _Growing(np.int32), _Growing(np.int32), _Growing(np.float32)

    def _refuse(self, line: int, what: str, text: bytes | None = None) -> NoReturn:
        shown = ""
        if text is not None:
            cut = text.decode("utf-8", "replace")
            shown = f", got {cut[:_SHOWN] + '…' if len(cut) > _SHOWN else cut!r}"
        raise ValueError(f"{self._path}, line {line}: {what}{shown}")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with open(self._path, "rb") as file:
            if file.peek(2)[:2] != _GZIP:
                yield file
                return
            try:
                with gzip.open(file) as unpacked:
                    yield cast("IO[bytes]", unpacked)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise ValueError(f"{self._path}: damaged gzip file ({error})") from None

    def _chunks(self, file: IO[bytes]) -> Iterator[bytes]:
        """Yield the file in pieces of complete lines, the last line with its newline."""
        rest = b""
        while block := file.read(_CHUNK):
            end = block.rfind(b"\n") + 1
            if end:
                yield rest + block[:end]
                rest = block[end:]
            else:
                rest += block
                if len(rest) > _LONGEST_LINE:
                    self._refuse(self._lines + 1, f"longer than {_LONGEST_LINE:,} bytes")
        if rest:
            yield rest + b"\n"

    def _header(self, file: IO[bytes]) -> tuple[int, int, int]:
        line = file.readline(_LONGEST_HEADER).removeprefix(_BOM)
        match = _HEADER.fullmatch(line.rstrip(b"\n"))
        if match is None:
            self._refuse(1, "must be the header, three integers: points, features and labels", line.rstrip(b"\r\n"))
        points, features, labels = map(int, match.groups())
        for name, number in (("features", features), ("labels", labels)):
            if not 1 <= number <= _LARGEST:
                self._refuse(1, f"the number of {name} must be from 1 to {_LARGEST}, got {number}")
        self._lines += 1
        return points, features, labels

    def _resolve(self, chunk: bytes, difficult: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Read the values that the kernel left over."""
        for at, start, stop in difficult.tolist():
            text = chunk[start:stop]
            number = float(text) if _DECIMAL.fullmatch(text) else math.nan
            if not abs(number) < _TOO_LARGE:
                self._refuse(self._line_of(chunk, start), "a feature's value must be a finite float32 number", text)
            values[at] = number

    def _line_of(self, chunk: bytes, position: int) -> int:
        return self._lines + chunk.count(b"\n", 0, position) + 1

    def _complain(self, fault: NDArray[np.int64], chunk: bytes, header: tuple[int, int, int]) -> NoReturn:
        problem, start, stop, repeated = fault[:4].tolist()
        line = self._line_of(chunk, start)
        points, features, labels = header
        text = chunk[start:stop]
        if problem == BAD_LABEL:
            self._refuse(line, f"a label must be an integer in [0, {labels})", text)
        if problem == BAD_FEATURE:
            self._refuse(line, f"a feature must be an integer in [0, {features})", text.split(b":")[0])
        if problem == BAD_PAIR:
            self._refuse(line, "behind the labels, feature:value is expected", text)
        if problem == REPEATED_LABEL:
            self._refuse(line, f"label {repeated} comes more than once")
        if problem == REPEATED_FEATURE:
            self._refuse(line, f"feature {repeated} comes more than once")
        self._refuse(line, f"more points than the {points} of the header")

    def _add(self, chunk: bytes, header: tuple[int, int, int]) -> None:
        lines = chunk.count(b"\n")
        ends = np.empty((2, lines), np.int64)
        labels = np.empty(len(chunk) // 2 + 1, np.int32)
        most_pairs = len(chunk) // 3 + 1  # 'f:' with a value missing is among the difficult ones
        features, values = np.empty(most_pairs, np.int32), np.empty(most_pairs, np.float32)
        difficult = np.empty((most_pairs, 3), np.int64)  # memory that is not touched is not used
        fault = np.empty(5, np.int64)
        text = np.frombuffer(chunk, np.uint8)
        points, num_features, num_labels = header
        added = parse_lines(
            text, num_features, num_labels, points - self._points, ends[0], labels, ends[1], features, values,
            difficult, fault,
        )  # fmt: skip
        self._resolve(chunk, difficult[: fault[4]], values)
        if fault[0] != WELL:
            self._complain(fault, chunk, header)
        for counts, ids, chunk_ends in (
            (self._label_ends, self._labels, ends[0, :added]),
            (self._feature_ends, self._features, ends[1, :added]),
        ):
            counts.append(chunk_ends + ids.size)
        num_pairs = int(ends[1, added - 1]) if added else 0
        self._labels.append(labels[: int(ends[0, added - 1]) if added else 0])
        self._features.append(features[:num_pairs])
        self._values.append(values[:num_pairs])
        self._points += added
        self._lines += lines

    def read_file(self) -> ExtremeData:
        """Read the file from its start to its end."""
        with self._opened() as file:
            return self.read(file)

    def read(self, file: IO[bytes], first_line: int = 1) -> ExtremeData:
        """Read an open file; `first_line` is the number of its header."""
        self._lines = first_line - 1
        self._label_ends.append(np.zeros(1, np.int64))
        self._feature_ends.append(np.zeros(1, np.int64))
        header = self._header(file)
        for chunk in self._chunks(file):
            self._add(chunk, header)
        if self._points < header[0]:
            self._refuse(self._lines, f"the file ends behind {self._points} of the {header[0]} points of its header")
        parts = (self._label_ends, self._labels, self._feature_ends, self._features, self._values)
        return ExtremeData(header[1], header[2], *(part.finish() for part in parts))


def parse_points(text: str, num_features: int, num_labels: int, name: str = "text") -> ExtremeData:
    """Read points from lines without a header.

    Parameters
    ----------
    text : str
        A line a point, as in a file.
    num_features, num_labels : int
        F and V.
    name : str, default "text"
        What messages call the text.

    Returns
    -------
    ExtremeData
        The points.

    Raises
    ------
    ValueError
        As in `read_extreme`.

    Examples
    --------
    >>> parse_points("3 1:2 0:1", num_features=5, num_labels=9).features.tolist()
    [1, 0]
    """
    lines = text.splitlines() or [""]
    content = f"{len(lines)} {num_features} {num_labels}\n" + "\n".join(lines) + "\n"
    return _Reader(name).read(io.BytesIO(content.encode()), first_line=0)


def read_extreme(path: str | os.PathLike[str]) -> ExtremeData:
    r"""Read a file in the format of the Extreme Classification Repository.

    In pieces of a few megabytes, so memory is little more than the result: 4 bytes a label, 8 a feature, 16 a point.
    Every line is checked. Blanks and tabs separate; carriage returns before line ends and a byte order mark are
    passed over. An empty line is a point without labels and features; empty lines behind the last point are none.

    Parameters
    ----------
    path : str or path
        The file; unpacked when its first bytes are those of gzip.

    Returns
    -------
    ExtremeData
        Its points; ids are in the order of the file.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the header is missing or does not fit, an id is out of range or repeated in a line, a value is not a finite
        float32, or anything else stands in the file. The message has the file and the line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.txt"
    >>> _ = path.write_text("2 9 5\n4,1 8:0.5\n 0:3 3:4\n")
    >>> data = read_extreme(path)
    >>> data.labels.tolist(), data.features.tolist(), data.values.tolist()
    ([4, 1], [8, 0, 3], [0.5, 3.0, 4.0])
    """
    return _Reader(path).read_file()
