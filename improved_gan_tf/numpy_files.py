"""The one function that reads .npy and .npz files: nothing is decompressed before it was looked at.

A member's header says how many numbers of which kind follow. Whether that fits the member's size,
the file's size and the limits (`improved_gan_tf.limits`) is known before a byte is decompressed or
memory is taken. Pickles are never read.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.errors import UserError

_PIECE = 1 << 20  # bytes read at a time
_KINDS = "biufc"  # of numbers
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those that NumPy writes
_MAGIC = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class DamagedFile(UserError):
    """A file that is no .npy or .npz file of numbers; its message is the reason alone."""


class Header(NamedTuple):
    """What a file or member says about its array: shape, type, order of storage, bytes before."""

    shape: tuple[int, ...]
    dtype: np.dtype
    by_column: bool
    start: int

    @property
    def bytes(self) -> int:
        """The bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_regular(path: str | os.PathLike) -> None:
    """Raises `DamagedFile` where a path is no file: to open a named pipe would wait for ever."""
    if not os.path.isfile(path):
        raise DamagedFile("not a file")


def read_array(path: str | os.PathLike) -> np.ndarray:
    """The array of numbers in a .npy file.

    Raises:
        DamagedFile: It is no such file; the message is the reason alone.
        UserError: The array is above `limits.BYTES`.
    """
    check_regular(path)
    with _refusing(), open(path, "rb") as stream:
        header = _header(stream, os.path.getsize(path))
        _check_bytes(path, header.bytes)
        return _numbers(stream, header)


def map_array(path: str | os.PathLike) -> np.ndarray:
    """The array of a .npy file, which stays on the disk. Raises `DamagedFile` as `read_array`."""
    check_regular(path)
    with _refusing():
        with open(path, "rb") as stream:
            header = _header(stream, os.path.getsize(path))
        order: Any = "F" if header.by_column else "C"
        if header.bytes == 0:
            return np.zeros(header.shape, header.dtype)
        return np.memmap(path, header.dtype, "r", header.start, header.shape, order)


def read_arrays(path: str | os.PathLike, names: Collection[str]) -> dict[str, np.ndarray]:
    """Those arrays of a .npz file that have one of `names`; other members are not looked at.

    Raises:
        DamagedFile: It is no such file, or one of these arrays cannot be read.
        UserError: The arrays together are above `limits.BYTES`.
    """
    with NpzFile(path) as archive:
        wanted = [name for name in names if name in archive.names]
        headers = {name: archive.header(name) for name in wanted}
        _check_bytes(path, sum(header.bytes for header in headers.values()))
        return {name: archive.read(name) for name in wanted}


class NpzFile:
    """An open .npz file; `names` are its arrays. Raises as `read_arrays`."""

    def __init__(self, path: str | os.PathLike):
        check_regular(path)
        self._path = Path(path)
        self._size = os.path.getsize(path)
        if excess := limits.MEMBERS.excess(directory_bytes(path) // 46):
            raise UserError(f"{path} announces {excess}")
        with _refusing():
            self._archive = zipfile.ZipFile(path)
        members = self._archive.namelist()
        self.names = tuple(n.removesuffix(".npy") for n in members if n.endswith(".npy"))

    def __enter__(self) -> NpzFile:
        return self

    def __exit__(self, *exception: Any) -> None:
        self._archive.close()

    def header(self, name: str) -> Header:
        """What the array `name` announces, checked against the archive."""
        with self.open(name) as (_, header):
            return header

    def read(self, name: str) -> np.ndarray:
        """The array `name`, whole."""
        with self.open(name) as (stream, header), _refusing(name):
            return _numbers(stream, header)

    def parts(self, name: str, step: int) -> Iterator[np.ndarray]:
        """The array `name`, which is stored row by row, in parts of `step` rows."""
        with self.open(name) as (stream, header):
            for start in range(0, header.shape[0], step):
                shape = (min(step, header.shape[0] - start), *header.shape[1:])
                with _refusing(name):
                    part = _numbers(stream, header._replace(shape=shape))
                yield part

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[BinaryIO, Header]]:
        """The stream of an array's numbers and its header; not to be kept beyond the block."""
        with _refusing(name):
            member = self._archive.getinfo(f"{name}.npy")
            if member.flag_bits & 0x1:
                raise DamagedFile("it is encrypted")
            if member.compress_type not in _METHODS:
                raise DamagedFile(f"compressed by the unknown method {member.compress_type}")
            if member.compress_size > self._size:
                raise DamagedFile("it is larger than the file")
            if excess := limits.expansion_excess(member.compress_size, member.file_size):
                raise UserError(f"{self._path}: {name} announces {excess}")
            stream: Any = self._archive.open(member)
        with stream:
            with _refusing(name):
                header = _header(stream, member.file_size)
                if header.start + header.bytes < member.file_size:
                    raise DamagedFile("it goes on behind its last number")
            yield stream, header


def directory_bytes(path: str | os.PathLike) -> int:
    """The size of a zip archive's directory, of which each member takes 46 bytes and its name.

    Python's zipfile reads all of it at once; 0 where there is none.
    """
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16) - 22 - 20))
        tail = stream.read()
        place = tail.rfind(b"PK\5\6")
        if place < 0 or place + 22 > len(tail):
            return 0
        (found,) = struct.unpack_from("<I", tail, place + 12)
        if found == 0xFFFFFFFF and tail[place - 20 : place - 16] == b"PK\6\7" and place >= 20:
            (offset,) = struct.unpack_from("<Q", tail, place - 12)
            if offset < size:
                stream.seek(offset)
                end = stream.read(48)
                if len(end) == 48:
                    (found,) = struct.unpack_from("<Q", end, 40)
    return min(found, size)


@contextmanager
def _refusing(name: str = "") -> Iterator[None]:
    """Whatever zipfile, its decompressors and NumPy raise becomes a `DamagedFile`."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(
            f"{name or 'the array'} does not fit into memory; make it smaller, or use picture "
            f"files or TFRecord files, which are read in parts"
        ) from None
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise DamagedFile(f"{name}: {reason}" if name else reason) from error


def _check_bytes(path: str | os.PathLike, announced: int) -> None:
    if excess := limits.BYTES.excess(announced):
        raise UserError(f"{path} announces {excess}")


def _header(stream: Any, size: int) -> Header:
    """The header at the beginning of a stream of `size` bytes."""
    version = np.lib.format.read_magic(stream)
    if version not in _MAGIC:
        raise DamagedFile(f"version {version} of the format, whose fields are no numbers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old names of types
        try:
            shape, by_column, dtype = _MAGIC[version](stream)
        except (MemoryError, RecursionError) as error:  # Python's parser, on nested brackets
            raise DamagedFile("its header cannot be parsed") from error
    # NumPy cannot compute with such a shape even where another of its numbers is 0.
    absurd = math.prod(n for n in shape if n) >= 2**58
    if any(isinstance(n, bool) or n < 0 for n in shape) or len(shape) > 32 or absurd:
        raise DamagedFile(f"shape {str(shape)[:80]}")
    if dtype.kind not in _KINDS:
        raise DamagedFile(f"values of type {str(dtype)[:40]}; expected numbers")
    header = Header(tuple(map(int, shape)), dtype, bool(by_column), stream.tell())
    if header.start + header.bytes > size:
        raise DamagedFile("it ends before its last number")
    return header


def _numbers(stream: Any, header: Header) -> np.ndarray:
    """The numbers that follow a header; memory is taken as they come."""
    count = math.prod(header.shape)
    flat = np.empty(count, header.dtype)
    room = flat.view(np.uint8)
    done = 0
    while done < len(room):
        piece = stream.read(min(_PIECE, len(room) - done))
        if not piece:
            raise DamagedFile("it ends before its last number")
        room[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)  # at a member's end zipfile compares its checksum
    return flat.reshape(header.shape, order="F" if header.by_column else "C")
