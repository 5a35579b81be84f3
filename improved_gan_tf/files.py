"""Files and folders that are whole or absent: a kill leaves the old one or the new one.

Everything the package writes goes through here: to a temporary neighbour first, then renamed into
place.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError

_TEMPORARY = re.compile(r"\.\d+\.(tmp|old)\..+")


@contextlib.contextmanager
def temporary(path: str | os.PathLike) -> Iterator[Path]:
    """Yields the path of a temporary neighbour, which takes the place of `path` afterwards.

    The temporary file ends in the name of `path`, so that libraries that look at the suffix accept
    it. Its content is flushed to the disk before the rename: a power cut cannot leave the name on
    an empty file. Missing parent folders are made. If the block raises, `path` is as it was before
    and the temporary file is removed (only a SIGKILL leaves it; see `is_temporary`).

    Args:
        path: The file to write.

    Raises:
        UserError: The place cannot be written: no such drive, no permission, disk full. Its
            `__cause__` is the `OSError`.

    Example:

    >>> with temporary("runs/notes.txt") as name:
    ...     name.write_text("whole or absent")
    """
    path = Path(path)
    neighbour = _neighbour(path, "tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield neighbour
            with open(neighbour, "rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(neighbour, path)
        finally:
            neighbour.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextlib.contextmanager
def temporary_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields the path of a new temporary folder, which takes the place of `path` afterwards.

    A folder that is there already is moved aside, replaced and only then removed, so that a kill
    in between never leaves nothing; the caller has checked that it may be replaced.

    Args:
        path: The folder to write.

    Raises:
        UserError: The place cannot be written.
    """
    path = Path(os.path.abspath(path))  # "runs/." has no name to put a neighbour beside
    neighbour, old = _neighbour(path, "tmp"), _neighbour(path, "old")
    try:
        neighbour.mkdir(parents=True)
        try:
            yield neighbour
            if path.exists():
                os.rename(path, old)
            os.rename(neighbour, path)
        finally:
            shutil.rmtree(neighbour, ignore_errors=True)
            if old.exists() and not path.exists():
                os.rename(old, path)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_bytes(path: str | os.PathLike, data: bytes) -> Path:
    """Writes `data` to `path`, whole or not at all; returns the path. Raises as `temporary`."""
    with temporary(path) as name:
        name.write_bytes(data)
    return Path(path)


def write_text(path: str | os.PathLike, text: str) -> Path:
    """Writes `text` as UTF-8 to `path`, whole or not at all; returns the path."""
    return write_bytes(path, text.encode())


def write_json(path: str | os.PathLike, value: Any) -> Path:
    """Writes `value` as indented JSON to `path`, whole or not at all; returns the path."""
    return write_text(path, json.dumps(value, indent=2) + "\n")


def is_temporary(path: str | os.PathLike) -> bool:
    """Whether the name is one that `temporary` or `temporary_folder` uses while it writes."""
    return _TEMPORARY.fullmatch(Path(path).name) is not None


def cannot_write(path: str | os.PathLike, error: OSError) -> UserError:
    """The `UserError` for an `OSError` met while writing `path`."""
    reason = error.strerror or str(error)
    return UserError(f"cannot write {path}: {reason}; free some space or name another place")


def _neighbour(path: Path, kind: str) -> Path:
    # Not the process's number: machines that share a folder have equal ones.
    return path.with_name(f".{int.from_bytes(os.urandom(6))}.{kind}.{path.name}")
