"""One checkpoint: a .weights.h5 file of Keras', with the SHA-256 of its content behind it.

HDF5 does not read what stands behind its own end, so that the file is one that Keras and h5py
open, and file and hash cannot be parted by a kill.
"""

import hashlib
import io
import os
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_bytes
from improved_gan_tf.runs.reading import one_line

_MARK = b"\nsha256:"
_HASH = 64  # hexadecimal digits
_PIECE = 1 << 20


class _Memory(io.BytesIO):
    """A file in memory: on a disk that is full, HDF5 ends the process by a segmentation fault.

    Keras writes into one as it does into the file of a path, whose name it looks at first.
    """

    def __str__(self) -> str:
        return "memory.weights.h5"


def save(model: Any, path: str | os.PathLike) -> None:
    """Saves weights, optimizers and random states of a `keras.Model`, whole or not at all.

    Raises:
        UserError: The file cannot be written.
    """
    from improved_gan_tf.keras_compat import keep_what_saving_skips

    keep_what_saving_skips()
    memory = _Memory()
    model.save_weights(memory, overwrite=True)
    content = memory.getbuffer()
    write_bytes(path, content, _MARK, hashlib.sha256(content).hexdigest().encode())


def load(model: Any, path: str | os.PathLike) -> None:
    """Loads what `save`, or `save_weights` of Keras, wrote; with a hash, what is not damaged alone.

    Raises:
        UserError: The file is damaged or another model's.
    """
    try:
        if whole(path) is False:
            raise ValueError("its content is not what was written: another SHA-256")
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds: OSError, KeyError, ValueError...
        raise UserError(
            f"{path} is damaged or not a checkpoint of this model ({one_line(error)})"
        ) from error


def whole(path: str | os.PathLike) -> bool | None:
    """Whether the content has the SHA-256 that stands behind it; None where it has none.

    Raises:
        OSError: The file cannot be read.
    """
    size = os.path.getsize(path) - len(_MARK) - _HASH
    with open(path, "rb") as stream:
        stream.seek(max(size, 0))
        mark, stated = stream.read(len(_MARK)), stream.read(_HASH)
        if mark != _MARK:
            return None  # of version 0.2.0 or before, or by `save_weights`
        found, left = hashlib.sha256(), size
        stream.seek(0)
        while piece := stream.read(min(_PIECE, left)):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest().encode() == stated
