"""Picture files as `Images`: in folders and archives, decoded ahead by threads, in order.

Files of a folder are sorted by path; those of an archive keep its order. Archives are read in place
and never unpacked. One that is damaged is an error, never a silent end.
"""

from __future__ import annotations

import collections
import concurrent.futures
import io
import itertools
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from improved_gan_tf.data.pictures import SUFFIXES, Unreadable, decode, is_picture
from improved_gan_tf.data.source import Images
from improved_gan_tf.errors import UserError

_LARGEST = 1 << 29  # bytes of one picture's file in an archive
_AHEAD = 4  # pictures in flight per worker
_DAMAGE = (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error,
           lzma.LZMAError)  # fmt: skip


class PictureImages(Images):
    """Pictures in files of any kind, of which `count` are readable or not.

    `items` returns (name, load) of each picture, in order; `load` decodes it, in one of several
    threads. With `skip`, pictures that cannot be read are left out and named in `skipped`.
    """

    def __init__(
        self,
        name: str,
        count: int,
        items: Callable[[], Iterable[tuple[str, Callable[[], np.ndarray]]]],
        skip: bool = False,
    ):
        super().__init__(name, count)
        self._items, self._skip = items, skip
        if not count:
            known = ", ".join(sorted(SUFFIXES))
            raise UserError(f"{name} holds no pictures; expected files that end in {known}")

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        self.skipped.clear()
        items = iter(self._items())
        running: collections.deque = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    for name, load in itertools.islice(items, workers * _AHEAD - len(running)):
                        running.append((name, pool.submit(lambda load: prepare(load()), load)))
                    if not running:
                        return
                    name, future = running.popleft()
                    try:
                        yield future.result()
                    except Unreadable as error:
                        if not self._skip:
                            raise unreadable(name, error) from error
                        self.skipped.append(name)
            finally:
                for _, future in running:
                    future.cancel()

    def names(self) -> Iterator[str]:
        return (name for name, _ in self._items())


def unreadable(name: str, reason: Exception | str) -> UserError:
    """The error for a picture that cannot be read."""
    return UserError(
        f"{name} cannot be read as a picture ({reason}); replace or remove it, or leave such "
        f"pictures out (skip_unreadable, --skip-unreadable)"
    )


def picture_files(name: str, paths: Sequence[str], skip: bool = False) -> PictureImages:
    """The pictures in a list of files."""
    return PictureImages(name, len(paths), lambda: ((p, partial(decode, p)) for p in paths), skip)


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
    try:
        if zipfile.is_zipfile(path):
            members = _zip_members
        elif tarfile.is_tarfile(path):
            members = _tar_members
    except (OSError, EOFError):
        pass
    if members is None:
        if path.suffix in (".zip", ".tgz", ".txz") or ".tar" in path.suffixes:
            raise _damaged(path, "neither a zip nor a tar archive")
        return None

    def items():
        for name, size, read in _pictures(path, members):
            try:
                if size > _LARGEST:
                    raise Unreadable("too large")
                load = partial(decode, io.BytesIO(read()))
            except Unreadable as error:
                load = partial(_raise, error)
            except _DAMAGE as error:
                raise _damaged(path, error) from error
            yield f"{path}/{name}", load

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


def _zip_members(path):
    def read(member):
        try:
            return archive.read(member)
        except Exception as error:  # its decompressors raise many kinds; the others may be whole
            raise Unreadable(f"damaged: {error}") from error

    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            yield [member.filename], not member.is_dir(), member.file_size, partial(read, member)


def _tar_members(path):
    with tarfile.open(path, "r:*") as archive:
        while (member := archive.next()) is not None:
            names = [member.name]
            if member.issym() or member.islnk():
                names.append(member.linkname)
            yield names, member.isfile(), member.size, partial(_tar_read, archive, member)
            archive.members = []  # type: ignore[attr-defined]  # otherwise it keeps them all
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


def _raise(error):
    raise error


def _damaged(path, error):
    reason = " ".join(str(error).split())[:120]
    return UserError(f"{path} is a damaged archive ({reason}); get it again")
