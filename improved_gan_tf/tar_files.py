"""Tar archives, compressed or not, read with limits on what they become in memory and in time."""

import bz2
import gzip
import lzma
import os
import tarfile
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
        if size > self._largest:
            raise tarfile.ReadError(f"an entry of {size} bytes")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, position: int) -> int:
        self._check(position)
        return self._stream.seek(position)
