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


class PictureImages(Images):
    """Pictures in files of any kind.

    Args:
        name: Where they are.
        count: The number of pictures, readable or not.
        items: A function that returns (name, load) of each picture, in order. The function `load`
            decodes it to an array, in one of several threads.
        skip: Leave out the pictures that cannot be read, whose names `skipped` receives.

    Raises:
        UserError: There is no picture; while reading, one that cannot be read.
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
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            running: collections.deque = collections.deque()

            def start():
                for name, load in itertools.islice(items, 1):
                    running.append((name, pool.submit(lambda load: prepare(load()), load)))

            try:
                for _ in range(workers * _AHEAD):
                    start()
                while running:
                    name, future = running.popleft()
                    try:
                        image = future.result()
                    except Unreadable as error:
                        if not self._skip:
                            raise unreadable(name, error) from error
                        self.skipped.append(name)
                    else:
                        yield image
                    start()
            finally:
                for _, future in running:
                    future.cancel()


def unreadable(name: str, reason: Exception | str) -> UserError:
    """The error for a picture that cannot be read."""
    return UserError(
        f"{name} cannot be read as a picture ({reason}); replace or remove it, or leave such "
        f"pictures out (skip_unreadable, --skip-unreadable)"
    )


def open_pictures(path: Path, skip: bool = False) -> PictureImages | None:
    """The pictures in a folder, a .zip or a tar archive; None for any other file.

    Raises:
        UserError: No picture; a damaged archive, or one that names files outside its folder.
    """
    if path.is_dir():
        return _folder(path, skip)
    if zipfile.is_zipfile(path):
        return _zip(path, skip)
    try:
        if tarfile.is_tarfile(path):
            return _tar(path, skip)
    except (OSError, EOFError):
        pass
    if path.suffix in (".zip", ".tgz", ".txz") or ".tar" in path.suffixes:
        raise _damaged(path, "neither a zip nor a tar archive")
    return None


def _folder(path, skip):
    """All pictures in a folder and its sub-folders (links to folders are not followed)."""
    paths = sorted(
        os.path.join(folder, file)
        for folder, _, files in os.walk(path)
        for file in files
        if is_picture(os.path.join(os.path.relpath(folder, path), file))
    )
    return files(str(path), paths, skip)


def files(name: str, paths: Sequence[str], skip: bool = False) -> PictureImages:
    """The pictures in a list of files."""
    return PictureImages(name, len(paths), lambda: ((p, partial(decode, p)) for p in paths), skip)


def _zip(path, skip):
    def opened():
        try:
            return zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise _damaged(path, error) from error

    def read(archive, member):
        if member.file_size > _LARGEST:
            return _too_large
        try:
            return partial(decode, io.BytesIO(archive.read(member)))
        except Exception as error:  # its decompressors raise many kinds
            return partial(_damaged_member, error)

    def items():
        with opened() as archive:
            for member in members:
                yield f"{path}/{member.filename}", read(archive, member)

    with opened() as archive:
        for member in archive.infolist():
            _refuse_unsafe(path, member.filename)
        members = [m for m in archive.infolist() if not m.is_dir() and is_picture(m.filename)]
    return PictureImages(path, len(members), items, skip)


def _tar(path, skip):
    def members():
        try:
            with tarfile.open(path, "r:*") as archive:
                while (member := archive.next()) is not None:
                    yield archive, member
                    archive.members = []  # type: ignore[attr-defined]  # else it keeps them all
                _check_end(archive)
        except (
            tarfile.TarError,
            EOFError,
            OSError,
            ValueError,
            zlib.error,
            lzma.LZMAError,
        ) as error:
            raise _damaged(path, error) from error

    def items():
        for archive, member in members():
            if member.isfile() and is_picture(member.name):
                load = _too_large
                if member.size <= _LARGEST:
                    load = partial(decode, io.BytesIO(archive.extractfile(member).read()))
                yield f"{path}/{member.name}", load

    count = 0
    for _, member in members():
        _refuse_unsafe(path, member.name)
        if member.issym() or member.islnk():
            _refuse_unsafe(path, member.linkname)
        count += member.isfile() and is_picture(member.name)
    return PictureImages(path, count, items, skip)


def _check_end(archive):
    """Raises where tarfile stopped at something else than the end: it says nothing of its own."""
    archive.fileobj.seek(archive.offset)
    length = 0
    while block := archive.fileobj.read(1 << 20):
        length += len(block)
        if block.count(0) != len(block):
            raise tarfile.ReadError("a damaged entry, or data after the end")
    if length < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it breaks off before its end")


def _too_large():
    raise Unreadable("too large")


def _damaged_member(error):
    raise Unreadable(f"damaged: {error}") from error


def _refuse_unsafe(path, name):
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or name[1:2] == ":":
        raise UserError(
            f"{path} would unpack outside its folder ({name!r}); it is not read: make the archive "
            "again with plain relative names"
        )


def _damaged(path, error):
    reason = " ".join(str(error).split())[:120]
    return UserError(f"{path} is a damaged archive ({reason}); get it again")
