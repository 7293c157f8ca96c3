from __future__ import annotations

import codecs
import gzip
import os
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.data import ReadReport, read_text, reading


def write(folder: Path, *names: str, content: bytes) -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return paths


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"plain text",
        lambda b: b[:-6] + bytes(6),
        lambda b: b[:9] + b"\xff" * 40,
    ],
)
def test_damaged_gzip_files(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(os.urandom(100_000).hex().encode())))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: damaged gzip file \(.*\)$"):
        list(read_text(path, ReadReport()))


def decoded(content: bytes) -> tuple[str, int]:
    """Text, and number of bytes replaced in it, by a handler that sees each of them."""
    replaced = 0

    def handler(error: UnicodeError) -> tuple[str, int]:
        nonlocal replaced
        assert isinstance(error, UnicodeDecodeError)
        replaced += error.end - error.start
        return "\ufffd" * (error.end - error.start), error.end

    codecs.register_error("tests.count", handler)
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="tests.count")
    return text.replace("\r\n", "\n").replace("\r", "\n"), replaced


@pytest.mark.parametrize("name", ["a.txt", "a.gz"])
@given(
    content=st.binary()
    | st.text().map(lambda text: text.encode(errors="surrogatepass"))
    | st.text(st.sampled_from("a \r\né")).map(str.encode)
    | st.binary().map(lambda b: codecs.BOM_UTF8 + b)
)
def test_text_is_that_of_the_file(tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes) -> None:
    [path] = write(tmp_path_factory.getbasetemp(), name, content=content)
    report = ReadReport()
    text, replaced = decoded(content)
    assert "".join(read_text(path, report)) == text
    assert report == ReadReport(1, len(text), replaced, int(replaced > 0), len(text.encode()))


def test_reports_add_up(tmp_path: Path) -> None:
    report = ReadReport()
    for path in [*write(tmp_path, "a", content=b"a\xff\xfe"), *write(tmp_path, "b", "c", content=b"bc")]:
        list(read_text(path, report))
    assert report == ReadReport(files=3, characters=7, undecodable_bytes=2, undecodable_files=1, bytes=11)


@given(
    text=st.text(st.sampled_from("ab \n"), max_size=60),
    piece=st.integers(1, 9),
    longest=st.integers(1, 20),
)
def test_pieces_are_cut_at_white_space(
    tmp_path_factory: pytest.TempPathFactory, text: str, piece: int, longest: int
) -> None:
    [path] = write(tmp_path_factory.getbasetemp(), "pieces.txt", content=text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_PIECE", piece)
        patch.setattr(reading, "_LONGEST_PIECE", longest)
        pieces = list(read_text(path, ReadReport()))
    assert "".join(pieces) == text
    assert all(pieces)
    for cut in pieces[:-1]:
        assert cut[-1].isspace() or len(cut) >= longest
        assert len(cut) < max(longest, piece) + piece


@pytest.mark.parametrize("space", [b"\n", b" "])
def test_reading_takes_the_memory_of_a_piece(tmp_path: Path, space: bytes) -> None:
    size = 1 << 26
    [path] = write(tmp_path, "large.gz", content=(b"0123456789abcde" + space) * (size // 16))
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in read_text(path, ReadReport()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == size
    assert peak < size // 8
