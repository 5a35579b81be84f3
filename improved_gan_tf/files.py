"""Files and folders that are whole or absent: a kill leaves the old one or the new one.

Everything the package writes goes through here: to a temporary neighbour first, then renamed into
place. The process that writes a neighbour holds a lock on it, which the system releases when the
process dies, however it dies: the next one that writes the same place removes what has none.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError

_TEMPORARY = re.compile(r"\.\d+\.(?P<kind>tmp|old)\.(?P<name>.+)")
_FILE = os.O_RDWR  # NFS locks only what can be written
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_FOLDER = os.O_RDONLY | os.O_DIRECTORY
# What the system says where a place cannot be written; libraries pass on the words alone.
_REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EIO,
    errno.ENAMETOOLONG,
)


@contextlib.contextmanager
def temporary(path: str | os.PathLike) -> Iterator[Path]:
    """Yields the path of a temporary neighbour, which takes the place of `path` afterwards.

    The temporary file, which is there and empty, ends in the name of `path`, so that libraries that
    look at the suffix accept it. Its content is flushed to the disk before the rename: a power cut
    cannot leave the name on an empty file. Missing parent folders are made. If the block raises,
    `path` is as it was before and the temporary file is removed; only a SIGKILL leaves it, to be
    removed by the next one who writes `path` (see `remove_abandoned`).

    Args:
        path: The file to write.

    Raises:
        UserError: The place cannot be written: no such drive, no permission, disk full; or
            something is there that is no file. Its `__cause__` is the error of the system, or of
            the library that met it.

    Example:

    >>> with temporary("runs/notes.txt") as name:
    ...     name.write_text("whole or absent")
    """
    path = Path(path)
    with _reported(path):
        if path.exists() and not path.is_file():
            raise UserError(f"{path} exists but is not a file; choose another path")
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent, path.name)
        neighbour, lock = _new(path, _NEW_FILE)
        try:
            yield neighbour
            with open(neighbour, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(neighbour, path)
        finally:
            neighbour.unlink(missing_ok=True)
            os.close(lock)


@contextlib.contextmanager
def temporary_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields the path of a new temporary folder, which takes the place of `path` afterwards.

    A folder that is there already is moved aside, replaced and only then removed: a kill in between
    leaves the old folder or the new one, the old one perhaps aside, from where the next one who
    writes `path` moves it back. The caller has checked that it may be replaced.

    Args:
        path: The folder to write.

    Raises:
        UserError: The place cannot be written, or what is there not replaced.
    """
    path = Path(os.path.realpath(path))  # "runs/." has no name to put a neighbour beside
    with _reported(path):
        check_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent, path.name)
        neighbour, *locks = _new(path, _FOLDER)
        old = _neighbour(path, "old")
        try:
            yield neighbour
            if path.exists():
                locks.append(_locked(path, _FOLDER))
                os.rename(path, old)
            os.rename(neighbour, path)
        finally:
            shutil.rmtree(neighbour, ignore_errors=True)
            if old.exists() and not path.exists():
                os.rename(old, path)
            shutil.rmtree(old, ignore_errors=True)
            for lock in locks:
                os.close(lock)


def check_replaceable(path: str | os.PathLike) -> None:
    """Raises `UserError` where `temporary_folder` could not replace what is in the place."""
    path = Path(os.path.realpath(path))  # "." is its own parent, as a mount point's root is
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; name another place for the folder")
    if path.is_mount():
        raise UserError(f"{path} is a mount point, not to be replaced; name a folder in it")
    if path.exists() and path.samefile(os.curdir):  # where the user's shell would be left
        raise UserError(f"{path} is the current folder, not to be replaced; name a folder in it")


def write_bytes(path: str | os.PathLike, *data: bytes | memoryview) -> Path:
    """Writes `data`, its parts one after the other, to `path`, whole or not at all.

    Returns:
        The path.

    Raises:
        UserError: As `temporary`.
    """
    with temporary(path) as name, open(name, "wb") as stream:
        for part in data:
            stream.write(part)
    return Path(path)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Writes `text` as UTF-8 to `path`, whole or not at all; returns the path.

    Names of paths that are not UTF-8, as Python has them, are written as they are on the disk.
    """
    return write_bytes(path, text.encode(errors="surrogateescape"))


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Writes `value` as indented JSON to `path`, whole or not at all; returns the path."""
    return write_text(path, json.dumps(value, indent=2) + "\n")


def is_temporary(path: str | os.PathLike) -> bool:
    """Whether the name is one that `temporary` or `temporary_folder` uses while it writes."""
    return _TEMPORARY.fullmatch(Path(path).name) is not None


def remove_abandoned(folder: str | os.PathLike, name: str | None = None) -> None:
    """Removes the temporary files and folders in a folder that killed processes have left.

    What a living process writes stays, on this machine and on others that share the folder: it is
    locked. Where the file system has no locks, everything stays. A folder that was moved aside and
    whose successor never came is moved back.

    Args:
        folder: The folder; it may be absent. Folders in it are not looked into.
        name: Only those of this file or folder. None (default): all.
    """
    with contextlib.suppress(OSError):
        for entry in list(Path(folder).iterdir()):
            found = _TEMPORARY.fullmatch(entry.name)
            if found and name in (None, found["name"]):
                with contextlib.suppress(OSError):
                    _remove(entry, found["kind"], entry.with_name(found["name"]))


def _remove(path: Path, kind: str, place: Path) -> None:
    folder = path.is_dir()
    lock = os.open(path, (_FOLDER if folder else _FILE) | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an OSError: it is being written
        if kind == "old" and not os.path.lexists(place):
            os.rename(path, place)
        elif folder:
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(lock)


def cannot_write(path: str | os.PathLike, error: OSError) -> UserError:
    """The `UserError` for an `OSError` met while writing `path`."""
    reason = error.strerror or " ".join(str(error).split())[:200]
    return UserError(f"cannot write {path}: {reason}; free some space or name another place")


def system_error(error: BaseException) -> OSError | None:
    """The error of the system that an exception is, comes from or puts into words; or None.

    HDF5 and TensorFlow raise their own kinds where a disk is full, which say so by the system's
    words.
    """
    if isinstance(error, OSError) and error.strerror:
        return error
    number = next((n for n in _REFUSALS if os.strerror(n) in str(error)), None)
    if number is not None:
        return OSError(number, os.strerror(number))
    return error if isinstance(error, OSError) else None


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        found = system_error(error)
        if found is None:
            raise
        raise cannot_write(path, found) from error


def _new(path: Path, flags: int) -> tuple[Path, int]:
    """A neighbour that was not there before, and the descriptor by which it is locked."""
    while True:
        neighbour = _neighbour(path, "tmp")
        if flags == _FOLDER:
            neighbour.mkdir()
        try:
            lock = _locked(neighbour, flags)
        except FileNotFoundError:
            continue  # another process has taken the folder for abandoned before it was locked
        if neighbour.exists():
            return neighbour, lock
        os.close(lock)  # likewise


def _locked(path: Path, flags: int) -> int:
    lock = os.open(path, flags | os.O_NOFOLLOW, 0o666)
    with contextlib.suppress(OSError):  # no locks on this file system
        fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _neighbour(path: Path, kind: str) -> Path:
    # Not the process's number: machines that share a folder have equal ones.
    return path.with_name(f".{int.from_bytes(os.urandom(6))}.{kind}.{path.name}")
