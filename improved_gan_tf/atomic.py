"""Files that are whole or absent: a kill at any moment leaves the old file or the new one."""

import os
import shutil
from pathlib import Path

from improved_gan_tf.errors import UserError


def write_file(path, write):
    """Calls `write(stream)` on a temporary neighbour of `path`, then renames it into place.

    The bytes are flushed to the disk before the rename, so that a power cut cannot leave the name
    on an empty file. Missing parent folders are made. Whatever goes wrong, `path` is as it was
    before and the temporary file is gone (only a SIGKILL leaves it, as `.NAME.PID.tmp`).

    Args:
        path: the file to write, str or Path.
        write: function of one binary, writable, seekable stream.

    Returns:
        `path` as a Path.

    Raises:
        UserError: the place cannot be written (no such drive, no permission, disk full); its
            `__cause__` is the OSError.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def write_folder(path, write):
    """Calls `write(name)` with a temporary neighbour of `path`, then renames that into place.

    A folder that is there already is replaced; its callers have asked whether it may be.

    Raises:
        UserError: the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(str(temporary))
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return path


def cannot_write(path, error):
    """The UserError for an OSError met while writing `path`."""
    reason = error.strerror or str(error)
    return UserError(f"cannot write {path}: {reason}; free some space or name another place")
