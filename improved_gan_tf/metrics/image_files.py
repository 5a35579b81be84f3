"""Pictures in folders and archives, decoded ahead by several threads, in order.

What becomes of a picture: grey ones stay grey (the classifier makes three equal channels of them),
palettes, CMYK and the rest become RGB, alpha is dropped (as Pillow's convert("RGB") and so other
tools do), of an animation the first frame counts, the orientation tag is ignored. More than 8 bits
a channel are refused. Order: sorted by path; in archives the order in the archive.
"""

import collections
import concurrent.futures
import io
import os
import tarfile
import warnings
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from improved_gan_tf.data.folder_source import SUFFIXES
from improved_gan_tf.errors import UserError

_GREY = frozenset(("1", "L", "LA", "La"))
_DEEP = frozenset(("I", "F", "I;16", "I;16L", "I;16B", "I;16N"))
_LARGEST = 1 << 29  # bytes of one picture's file in an archive
_AHEAD = 4  # pictures in flight a worker


class Unreadable(Exception):
    """One picture that cannot be used: its message is the reason."""


def decode(stream):
    """uint8 (H, W, 1) if the picture is grey, else (H, W, 3).

    Args:
        stream: a path, or a binary stream.

    Raises:
        Unreadable: not a whole picture of 8 bits a channel.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream) as picture:
                if picture.mode in _DEEP:
                    raise Unreadable(f"pixels of mode {picture.mode}; expected 8 bits a channel")
                picture = picture.convert("L" if picture.mode in _GREY else "RGB")
                pixels = np.asarray(picture)
    except Unreadable:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise Unreadable(reason) from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def decode_ahead(items, prepare, workers, skip, skipped):
    """Yields prepared pictures in order, while threads decode the next ones.

    Args:
        items: iterable of (name, path or function that returns a stream). A function is called
            here, in order, so that an archive is read by one thread only.
        prepare: function of the decoded array, called in the threads.
        workers: how many threads.
        skip: whether to leave out unreadable pictures, whose names `skipped` then receives.
    """

    def work(stream):
        return prepare(decode(stream))

    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = collections.deque()
        try:
            while True:
                while len(running) < workers * _AHEAD:
                    item = next(items, None)
                    if item is None:
                        break
                    name, stream = item
                    try:
                        running.append(
                            (name, pool.submit(work, stream() if callable(stream) else stream))
                        )
                    except Unreadable as error:
                        future = concurrent.futures.Future()
                        future.set_exception(error)
                        running.append((name, future))
                if not running:
                    return
                name, future = running.popleft()
                try:
                    yield future.result()
                except Unreadable as error:
                    if not skip:
                        raise UserError(
                            f"{name} cannot be read as a picture ({error}); replace or remove it, "
                            "or leave such pictures out (--skip-unreadable)"
                        ) from error
                    skipped.append(name)
        finally:
            for _, future in running:
                future.cancel()


def is_picture(name):
    """Whether the file's suffix is that of a picture and it is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and path.name[0] != "." and "__MACOSX" not in path.parts


class FileSource:
    """Pictures in files; base of the folder and the archives.

    Attributes:
        name: for the protocol.
        count: number of pictures, readable or not.
        skipped: names of those left out so far.
    """

    def __init__(self, name, count, skip=False):
        self.name, self.count, self.skip = str(name), count, skip
        self.skipped = []
        if not count:
            known = ", ".join(sorted(SUFFIXES))
            raise UserError(f"{name} holds no pictures; expected files that end in {known}")

    def items(self):
        """Iterable for `decode_ahead`."""
        raise NotImplementedError

    def images(self, prepare, workers):
        """Yields `prepare(picture)` for each picture, uint8 (H, W, 1 or 3)."""
        self.skipped = []
        yield from decode_ahead(self.items(), prepare, workers, self.skip, self.skipped)


class FolderSource(FileSource):
    """All pictures in a folder and its sub-folders (links to folders are not followed)."""

    def __init__(self, path, skip=False):
        self.paths = sorted(
            os.path.join(folder, file)
            for folder, _, files in os.walk(path)
            for file in files
            if is_picture(os.path.join(os.path.relpath(folder, path), file))
        )
        super().__init__(path, len(self.paths), skip)

    def items(self):
        return ((path, path) for path in self.paths)


class ZipSource(FileSource):
    """Pictures in a zip archive, which is read in place and never unpacked."""

    def __init__(self, path, skip=False):
        self.path = path
        with self._open() as archive:
            self.members = []
            for member in archive.infolist():
                _refuse_unsafe(path, member.filename)
                if not member.is_dir() and is_picture(member.filename):
                    self.members.append(member.filename)
        super().__init__(path, len(self.members), skip)

    def _open(self):
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise _damaged(self.path, error) from error

    def items(self):
        with self._open() as archive:
            for name in self.members:
                yield f"{self.path}/{name}", lambda name=name: self._read(archive, name)

    def _read(self, archive, name):
        try:
            if archive.getinfo(name).file_size > _LARGEST:
                raise Unreadable("too large")
            return io.BytesIO(archive.read(name))
        except (zipfile.BadZipFile, OSError, RuntimeError, EOFError, ValueError) as error:
            raise Unreadable(str(error)) from error
        except Exception as error:  # zlib.error, lzma.LZMAError
            raise Unreadable(f"damaged: {error}") from error


class TarSource(FileSource):
    """Pictures in a tar archive, compressed or not, read in place and never unpacked."""

    def __init__(self, path, skip=False):
        self.path = path
        count = 0
        for _, member in self._members():
            _refuse_unsafe(path, member.name)
            if member.issym() or member.islnk():
                _refuse_unsafe(path, member.linkname)
            count += member.isfile() and is_picture(member.name)
        super().__init__(path, count, skip)

    def _members(self):
        try:
            with tarfile.open(self.path, "r:*") as archive:
                for member in archive:
                    yield archive, member
                    archive.members = []  # else it keeps them all
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise _damaged(self.path, error) from error
        except UserError:
            raise

    def items(self):
        for archive, member in self._members():
            if member.isfile() and is_picture(member.name):
                if member.size > _LARGEST:
                    yield f"{self.path}/{member.name}", _too_large
                else:
                    data = archive.extractfile(member).read()
                    yield f"{self.path}/{member.name}", io.BytesIO(data)


def _too_large():
    raise Unreadable("too large")


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


def open_files(path, skip=False):
    """The source for a folder, a .zip or a tar archive; None for any other file."""
    path = Path(path)
    if path.is_dir():
        return FolderSource(path, skip)
    if zipfile.is_zipfile(path):
        return ZipSource(path, skip)
    try:
        if tarfile.is_tarfile(path):
            return TarSource(path, skip)
    except (OSError, EOFError):
        pass
    if path.suffix == ".zip" or ".tar" in path.suffixes or path.suffix == ".tgz":
        raise _damaged(path, "neither a zip nor a tar archive")
    return None
