"""Picture files as `Images`: in folders and archives, decoded ahead by threads, in order.

Files of a folder are sorted by path; those of an archive keep its order. Archives are read in place
and never unpacked. One that is damaged is an error, never a silent end.
"""

from __future__ import annotations

import collections
import concurrent.futures
import io
import lzma
import os
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.data.pictures import SUFFIXES, Unreadable, decode, is_picture
from improved_gan_tf.data.source import Images
from improved_gan_tf.errors import UserError
from improved_gan_tf.numpy_files import directory_bytes
from improved_gan_tf.tar_files import open_tar, read_members

_AHEAD = 4  # pictures in flight per worker
_BYTES_AHEAD = 1 << 26  # of archives' members in flight
_PIXELS_AHEAD = 64_000_000  # of pictures being decoded or waiting, besides the next one
_DAMAGE = (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error,
           lzma.LZMAError)  # fmt: skip


Load = Callable[[Callable[[int], None]], np.ndarray]


class _Admission:
    """Bounds the pixels in memory. The next picture in order is always let in, so none waits on.

    Pictures are numbered in their order; `turn` is the number of the one that is taken next.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pixels: dict[int, int] = {}
        self._turn = 0
        self._closed = False

    def enter(self, number: int, pixels: int) -> None:
        """Waits until the picture may be decoded."""

        def may():
            fits = sum(self._pixels.values()) + pixels <= _PIXELS_AHEAD
            return fits or number == self._turn or self._closed

        with self._changed:
            self._changed.wait_for(may)
            self._pixels[number] = pixels

    def leave(self, number: int) -> None:
        """The picture was taken; its successor's turn has come."""
        with self._changed:
            self._pixels.pop(number, None)
            self._turn = number + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class PictureImages(Images):
    """Pictures in files of any kind, of which `count` are readable or not.

    `items` returns (name, bytes, load) of each picture, in order: the memory that it takes until it
    is decoded, and the function that decodes it, in one of several threads. `load` is given a
    function to be called with the number of pixels first, which may wait: of large pictures only
    a few are in memory at a time. With `skip`, pictures that cannot be read are left out and named
    in `skipped`.
    """

    def __init__(
        self,
        name: str,
        count: int,
        items: Callable[[], Iterable[tuple[str, int, Load]]],
        skip: bool = False,
    ):
        super().__init__(name, count)
        self._items, self._skip = items, skip
        if not count:
            known = ", ".join(sorted(SUFFIXES))
            raise UserError(f"{name} holds no pictures; expected files that end in {known}")

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        self.skipped.clear()
        items, admission = iter(enumerate(self._items())), _Admission()
        running: collections.deque = collections.deque()
        ahead = 0  # bytes

        def prepared(number, load):
            return prepare(load(partial(admission.enter, number)))

        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    while len(running) < workers * _AHEAD and ahead < _BYTES_AHEAD:
                        number, (name, size, load) = next(items, (0, ("", 0, None)))
                        if load is None:
                            break
                        ahead += size
                        running.append((name, size, pool.submit(prepared, number, load), number))
                    if not running:
                        return
                    name, size, future, number = running.popleft()
                    try:
                        image = future.result()
                    except Unreadable as error:
                        if not self._skip:
                            raise unreadable(name, error) from error
                        self.skipped.append(name)
                        continue
                    finally:
                        ahead -= size
                        del future
                        admission.leave(number)
                    yield image
                    del image  # before more are decoded
            finally:
                admission.close()
                for _, _, future, _ in running:
                    future.cancel()

    def names(self) -> Iterator[str]:
        return (name for name, *_ in self._items())


def unreadable(name: str, reason: Exception | str) -> UserError:
    """The error for a picture that cannot be read."""
    return UserError(
        f"{name} cannot be read as a picture ({reason}); replace or remove it (skip_unreadable, "
        f"and --skip-unreadable where a command has it, leave such pictures out)"
    )


def picture_files(name: str, paths: Sequence[str], skip: bool = False) -> PictureImages:
    """The pictures in a list of files."""
    return PictureImages(
        name, len(paths), lambda: ((p, 0, partial(decode, p)) for p in paths), skip
    )


def open_pictures(path: Path, skip: bool = False) -> PictureImages | None:
    """The pictures in a folder with its sub-folders, a .zip or a tar archive; None for other files.

    Links to folders are not followed.

    Raises:
        UserError: No picture; a damaged archive, or one that names files outside its folder.
    """
    if path.is_dir():
        found = (os.path.join(folder, file) for folder, _, names in os.walk(path) for file in names)
        inside = sorted(file for file in found if is_picture(os.path.relpath(file, path)))
        return picture_files(str(path), inside, skip)
    members: Callable[[Path], Iterator[Any]] | None = None
    if path.is_file():  # to open a named pipe would wait for ever
        try:
            if zipfile.is_zipfile(path):
                members = _zip_members
            else:
                open_tar(path, _largest()).close()
                members = _tar_members
        except UserError:
            raise
        except _DAMAGE:
            pass
    if members is None:
        if path.suffix in (".zip", ".tgz", ".txz") or ".tar" in path.suffixes:
            raise _damaged(path, "neither a zip nor a tar archive")
        return None

    def items():
        for name, size, read in _pictures(path, members):
            try:
                if size > _largest():
                    raise Unreadable(f"{size:,} bytes; {limits.PIXELS.variable} allows for more")
                load = partial(decode, io.BytesIO(read()))
            except Unreadable as error:
                load = partial(_raise, error)
            except UserError:
                raise
            except _DAMAGE as error:
                raise _damaged(path, error) from error
            yield f"{path}/{name}", size, load

    count = sum(1 for _ in _pictures(path, members))
    return PictureImages(str(path), count, items, skip)


def _pictures(path, members):
    """(name, bytes, function that reads it) of each picture of an archive."""
    try:
        for names, is_file, size, read in members(path):
            for name in names:
                parts = PurePosixPath(name.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts or name[1:2] == ":":
                    raise UserError(
                        f"{path} would unpack outside its folder ({name!r}); it is not read: make "
                        f"the archive again with plain relative names"
                    )
            if is_file and is_picture(names[0]):
                yield names[0], size, read
    except UserError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _largest():
    """The bytes of a picture's file: what the largest picture takes that is not compressed."""
    return 4 * limits.PIXELS.value + (1 << 20)


def _zip_members(path):
    if excess := limits.MEMBERS.excess(directory_bytes(path) // 46):
        raise UserError(f"{path} announces {excess}")

    def read(member):
        try:
            return archive.read(member)
        except Exception as error:  # its decompressors raise many kinds; the others may be whole
            raise Unreadable(f"damaged: {error}") from error

    with zipfile.ZipFile(path) as archive:
        announced, size = 0, os.path.getsize(path)
        for member in archive.infolist():
            if not member.filename:
                raise zipfile.BadZipFile("a member without a name")
            announced += member.file_size
            if excess := limits.expansion_excess(size, announced):
                raise UserError(f"{path} announces {excess}")
            yield [member.filename], not member.is_dir(), member.file_size, partial(read, member)


def _tar_members(path):
    with open_tar(path, _largest()) as archive:
        for member in read_members(archive, path):
            names = [member.name]
            if member.issym() or member.islnk():
                names.append(member.linkname)
            yield names, member.isfile(), member.size, partial(_tar_read, archive, member)
        # It takes anything that is no entry for the end. The end is zeros, up to that of the file.
        archive.fileobj.seek(archive.offset)
        length = 0
        while block := archive.fileobj.read(1 << 20):
            length += len(block)
            if block.count(0) != len(block):
                raise tarfile.ReadError("a damaged entry, or data after the end")
        if length < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it breaks off before its end")


def _tar_read(archive, member):
    return archive.extractfile(member).read()


def _raise(error, admit):
    raise error


def _damaged(path, error):
    reason = " ".join(str(error).split())[:120]
    return UserError(f"{path} is a damaged archive ({reason}); get it again")
