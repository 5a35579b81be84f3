"""The lock on a run's folder: one process at a time writes it."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import cannot_write


class Locked(UserError):
    """Another process writes the folder, or this one does so already."""


@contextlib.contextmanager
def lock(path: str | os.PathLike) -> Iterator[None]:
    """Holds the lock file `path` within the context; its folder is made.

    The system releases the lock when the process dies, however it dies; the file then stays, and
    the next process takes it over. The lock also holds between machines with a shared folder, where
    the file system has locks (NFS does); where it has none, nothing is held and nothing refused.

    Raises:
        Locked: The lock is held; the message names the process and its machine.
        UserError: The file cannot be written.
    """
    path = Path(path)
    new = [folder for folder in path.parents if not folder.exists()]
    file = _take(path)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
            for folder in new:
                folder.rmdir()  # only where nothing was written
        raise
    else:
        with contextlib.suppress(OSError):
            path.unlink()
    finally:
        os.close(file)  # which releases it


def _take(path: Path) -> int:
    """The descriptor of the lock file, locked."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 200).decode(errors="replace").strip() or "another process"
            os.close(file)
            raise Locked(
                f"{path.parent} is being written by {holder}; wait for it, or stop it first"
            ) from None
        except OSError:
            return file  # no locks on this file system
        if _has_name(file, path):
            try:
                os.ftruncate(file, 0)
                os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            except OSError as error:
                path.unlink()
                os.close(file)
                raise cannot_write(path, error) from error
            return file
        os.close(file)  # the one who held it has just removed it


def _has_name(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
