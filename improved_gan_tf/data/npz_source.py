"""Data sets from one .npz file, as Keras' own mnist.npz."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from improved_gan_tf.data.arrays import Arrays, checked_arrays
from improved_gan_tf.errors import UserError

KEYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path) -> Arrays:
    """Reads `x_train`, `y_train`, `x_test`, `y_test` of a .npz file.

    Args:
        path: the file. Images [N, H, W, C] or, grey, [N, H, W]; integers 0..255 or floats 0..1.
            Labels [N] or [N, 1] integers counting from 0.

    Raises:
        UserError: no such file, not a .npz, an array missing, or arrays as `checked_arrays` says.
    """
    path = Path(path).expanduser()
    name = f"npz:{path}"
    expected = f"expected a .npz file with the arrays {', '.join(KEYS)}"
    if not path.is_file():
        raise UserError(f"{name}: there is no such file; {expected}.")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise UserError(f"{name}: holds a single array; {expected}.")
        with archive:
            missing = [key for key in KEYS if key not in archive]
            if missing:
                found = ", ".join(archive.files) or "none"
                raise UserError(
                    f"{name}: {', '.join(missing)} missing (found: {found}); {expected}."
                )
            arrays = {key: archive[key] for key in KEYS}
    except UserError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        # numpy's own wording ("cannot load file containing pickled data") would mislead.
        raise UserError(f"{name}: cannot be read as numbers; {expected}.") from None
    return checked_arrays(*(arrays[key] for key in KEYS), name=name)
