"""Tar archives, compressed or not, read with limits on what they become in memory and in time."""

import bz2
import gzip
import itertools
import lzma
import os
import tarfile
from collections.abc import Iterator
from typing import Any

from improved_gan_tf import limits
from improved_gan_tf.errors import UserError

_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def open_tar(path: str | os.PathLike, largest: int) -> tarfile.TarFile:
    """Opens a tar archive for reading from its beginning to its end.

    Reading raises a UserError where the compressed data become more than the limits allow, and
    `tarfile.ReadError` where an entry, of which headers are some, has more than `largest` bytes
    that would be read at once. What else may be raised are the errors of damaged files: OSError,
    EOFError, ValueError, `tarfile.TarError`, `zlib.error`, `lzma.LZMAError`.
    """
    with open(path, "rb") as file:
        start = file.read(6)
    opener: Any = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), open)
    stream: Any = opener(path, "rb")
    try:
        bounded: Any = _Bounded(stream, path, largest)
        return tarfile.open(fileobj=bounded, mode="r:")
    except BaseException:
        stream.close()
        raise


def read_members(archive: tarfile.TarFile, path: str | os.PathLike) -> Iterator[tarfile.TarInfo]:
    """Yields the members of an archive from `open_tar`, of which none is kept, in order.

    Raises as reading from it does: a `tarfile.ReadError` too where a member leads back into the
    archive, which would not end, and a UserError where there are more than the limits allow.
    """
    last = -1
    for number in itertools.count(1):
        member = archive.next()
        if member is None:
            return
        if member.size < 0 or member.offset <= last:
            raise tarfile.ReadError(f"a member of {member.size} bytes")
        if excess := limits.MEMBERS.excess(number):
            raise UserError(f"{path} has {excess}")
        last = member.offset
        yield member
        archive.members = []  # type: ignore[attr-defined]  # otherwise it keeps them all


class _Bounded:
    """A stream of decompressed bytes that counts them."""

    def __init__(self, stream: Any, path: str | os.PathLike, largest: int):
        self._stream, self._path, self._largest = stream, path, largest
        self._size = os.path.getsize(path)
        self.tell, self.close = stream.tell, stream.close

    def _check(self, position: int) -> None:
        if excess := limits.expansion_excess(self._size, position):
            raise UserError(f"{self._path} becomes {excess}")

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self._largest:  # a negative one would be all that follows
            raise tarfile.ReadError(f"an entry of {size} bytes")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)
