"""Where a command writes: tried before its work, so that none is thrown away at its end."""

import os
import tempfile
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import cannot_write, check_replaceable


def check_files(*paths: str | os.PathLike | None) -> None:
    """Makes the folders that the files go into, and tries that a file can be made there.

    Args:
        *paths: The files; None is none.

    Raises:
        UserError: One of them is a folder, or cannot be written.
    """
    for path in [Path(path) for path in paths if path is not None]:
        try:
            if path.is_dir():
                raise UserError(f"{path} is a folder; name a file")
            path.parent.mkdir(parents=True, exist_ok=True)
            # As long as the name that the file has while it is written, see `files.temporary`.
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=f".{0:015d}.tmp.", suffix=path.name
            ):
                pass
        except OSError as error:
            raise cannot_write(path, error) from error


def check_new_folder(path: str | os.PathLike) -> None:
    """The same of a folder that is to be absent or empty.

    Raises:
        UserError: It holds something, or is a file, a mount point or the current folder, or cannot
            be written.
    """
    path = Path(path)
    try:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise UserError(f"{path} is not an empty folder; name a new one")
        check_replaceable(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    if not path.exists():
        check_files(path)
