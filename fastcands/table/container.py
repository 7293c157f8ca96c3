"""The file a table is saved in: an uncompressed zip of ``.npy`` arrays, as `numpy.savez` writes, and a manifest.

`numpy.load` reads it. Three things are added: array data starts at multiples of 64 bytes, so that it can be mapped into
memory; ``manifest.json``, the last member, says what the arrays are; and the archive's comment, the file's last bytes,
says whether the file is complete. The zip's own CRC-32 of each member is the checksum of arrays and manifest.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Container", "write_container"]

_FORMAT = 1
_ALIGNMENT = 64
_CHUNK = 16 << 20
_MANIFEST = "manifest.json"
_COMPLETE = b"fastcands table: complete"
_CHANGING = b"fastcands table: changing"
_HEADER = struct.Struct("<4s22xHH")
"""The parts of a member's header that are used: signature, length of the name, length of the extra fields."""


def _npy_header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Return what precedes the data of a C-ordered array in an ``.npy`` file; a multiple of 64 bytes."""
    text = f"{{'descr': {np.lib.format.dtype_to_descr(dtype)!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    length = -(-(len(text) + 11) // _ALIGNMENT) * _ALIGNMENT - 10
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length) + text.ljust(length - 1).encode("latin1") + b"\n"


def _member(name: str, position: int) -> zipfile.ZipInfo:
    """Return a member whose data will start at a multiple of 64 when its header starts at `position`."""
    member = zipfile.ZipInfo(name)  # dated 1980: the same table gives the same bytes
    fixed = 30 + len(name.encode()) + 20 + 4  # header, name, the sizes of large files, the head of the extra field
    padding = -(position + fixed + 2) % _ALIGNMENT
    member.extra = struct.pack("<HHH", 0xA11E, 2 + padding, _ALIGNMENT) + bytes(padding)
    return member


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of bfloat16, which the format does not know, as its bits."""
    return array.view(np.uint16) if array.dtype.name == "bfloat16" else array


def write_container(file: IO[bytes], manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays and a manifest (of JSON values) to a new binary file that can seek."""
    described = {name: {"shape": array.shape, "dtype": array.dtype.name} for name, array in arrays.items()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(_member(f"{name}.npy", file.tell()), "w", force_zip64=True) as data:
                stored = _stored(array)
                data.write(_npy_header(stored.shape, stored.dtype))
                step = max(1, _CHUNK // max(1, stored.nbytes // max(1, len(stored))))
                for start in range(0, len(stored), step):
                    data.write(np.ascontiguousarray(stored[start : start + step]).data.cast("B"))
        _write_manifest(archive, {"format": _FORMAT, **manifest, "arrays": described})
        archive.comment = _COMPLETE


def _write_manifest(archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> None:
    """Write the manifest as the archive's last member."""
    archive.writestr(zipfile.ZipInfo(_MANIFEST), json.dumps(manifest, indent=1))


class Container:
    """A saved file, opened.

    Parameters
    ----------
    path : Path
        The file.
    writable : bool
        Whether its arrays will be changed in place.
    unfinished : bool
        Whether a file is accepted whose changes in place were not completed.
    """

    def __init__(self, path: Path, *, writable: bool = False, unfinished: bool = False) -> None:
        self.path, self.writable = path, writable
        self.file = path.open("r+b" if writable else "rb")
        try:
            self._open(unfinished)
        except BaseException:
            self.file.close()
            raise

    def _open(self, unfinished: bool) -> None:
        try:
            self.archive = zipfile.ZipFile(self.file)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            self.file.seek(0)
            ours = b"weights.npy" in self.file.read(64)
            why = "is truncated or damaged" if ours else "is no table saved by fastcands"
            raise ValueError(f"{self.path}: {why} ({error})") from None
        if self.archive.comment not in (_COMPLETE, _CHANGING):
            raise ValueError(f"{self.path}: is no table saved by fastcands")
        if self.archive.comment == _CHANGING and not unfinished:
            raise ValueError(
                f"{self.path}: is being trained in place, or was when its process ended, so that rows may be of "
                "different steps: load a copy made by save(), or take it as it is with verify=False"
            )
        try:
            self.manifest: dict[str, Any] = json.loads(self.archive.read(_MANIFEST))
            version = self.manifest["format"]
            self._members = {name: self.archive.getinfo(f"{name}.npy") for name in self.manifest["arrays"]}
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, EOFError) as error:
            raise ValueError(f"{self.path}: is damaged: its manifest cannot be read ({error})") from None
        if version != _FORMAT:
            raise ValueError(f"{self.path}: has format {version}, this version of fastcands reads format {_FORMAT}")

    def close(self) -> None:
        """Close the file; arrays mapped from it stay valid."""
        self.file.close()

    def _place(self, name: str) -> tuple[int, NDArray[Any]]:
        """Return where an array's data starts, and an array with its shape and dtype that takes no memory."""
        member, described = self._members[name], self.manifest["arrays"][name]
        self.file.seek(member.header_offset)
        signature, name_length, extra_length = _HEADER.unpack(self.file.read(_HEADER.size))
        dtype = np.dtype(np.uint16 if described["dtype"] == "bfloat16" else described["dtype"])
        like = np.broadcast_to(np.zeros((), dtype), tuple(described["shape"]))
        header = _npy_header(like.shape, dtype)
        start = member.header_offset + _HEADER.size + name_length + extra_length
        self.file.seek(start)
        if (
            signature != b"PK\x03\x04"
            or self.file.read(len(header)) != header
            or member.file_size != len(header) + like.size * dtype.itemsize
        ):
            raise ValueError(f"{self.path}: is damaged: {name} is not where it should be")
        return start + len(header), like

    def _as_named(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if self.manifest["arrays"][name]["dtype"] != "bfloat16":
            return array
        try:
            from ml_dtypes import bfloat16
        except ImportError:
            raise ImportError(f"{self.path}: holds bfloat16, which needs the package ml_dtypes") from None
        return array.view(bfloat16)

    def checksum(self, name: str, into: NDArray[Any] | None = None) -> int:
        """Return the CRC-32 of an array's member in the file, and read the data into an array if one is given."""
        start, like = self._place(name)
        header = _npy_header(like.shape, like.dtype)
        total, left = zlib.crc32(header), like.size * like.dtype.itemsize
        self.file.seek(start)
        view = None if into is None else into.reshape(-1).view(np.uint8).data
        buffer = memoryview(bytearray(min(_CHUNK, left))) if view is None else view
        done = 0
        while done < left:
            piece = buffer[done : done + _CHUNK] if view is not None else buffer[: min(_CHUNK, left - done)]
            if self.file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
                raise ValueError(f"{self.path}: is truncated: {name} is not all there")
            total = zlib.crc32(piece, total)
            done += len(piece)
        return total

    def check(self, name: str, into: NDArray[Any] | None = None) -> None:
        """Raise ValueError if an array's checksum is not that of its data."""
        if self.checksum(name, into) != self._members[name].CRC:
            raise ValueError(f"{self.path}: is damaged: the checksum of {name} does not match")

    def read(self, name: str, verify: bool) -> NDArray[Any]:
        """Return an array, read into memory."""
        like = self._place(name)[1]
        array = np.empty(like.shape, like.dtype)
        if verify:
            self.check(name, array)
        else:
            self.checksum(name, array)
        return self._as_named(name, array)

    def map(self) -> tuple[mmap.mmap, dict[str, NDArray[Any]]]:
        """Return the arrays mapped from the file, and the mapping."""
        length = self.archive.getinfo(_MANIFEST).header_offset
        access = mmap.ACCESS_WRITE if self.writable else mmap.ACCESS_READ
        memory = mmap.mmap(self.file.fileno(), length, access=access)
        arrays = {}
        for name in self._members:
            start, like = self._place(name)
            if start + like.size * like.dtype.itemsize > length:
                raise ValueError(f"{self.path}: is damaged: {name} is not all there")
            arrays[name] = self._as_named(name, np.ndarray(like.shape, like.dtype, memory, start))
        return memory, arrays

    def mark(self, *, complete: bool) -> None:
        """Write whether the file is complete, and wait until that is on disk."""
        comment = _COMPLETE if complete else _CHANGING
        self.file.seek(-len(comment), 2)
        self.file.write(comment)
        _sync(self.file)

    def rewrite(self, manifest: Mapping[str, Any]) -> None:
        """Write new checksums of all arrays, and the manifest; the file is marked as changing before and after."""
        last = self.archive.getinfo(_MANIFEST)
        for name, member in self._members.items():
            member.CRC = self.checksum(name)
            self.file.seek(member.header_offset + 14)
            self.file.write(struct.pack("<I", member.CRC))
        self.file.seek(last.header_offset)
        self.file.truncate()
        with zipfile.ZipFile(self.file, "w") as archive:
            # as zipfile's append mode does, but without reading the members, which stay unchanged
            archive.start_dir = last.header_offset
            for member in self._members.values():
                archive.filelist.append(member)
                archive.NameToInfo[member.filename] = member
            _write_manifest(archive, {"format": _FORMAT, **manifest, "arrays": self.manifest["arrays"]})
            archive.comment = _CHANGING
        _sync(self.file)
        self.archive = zipfile.ZipFile(self.file)


def _sync(file: IO[bytes]) -> None:
    """Wait until what was written is on disk."""
    file.flush()
    os.fsync(file.fileno())
