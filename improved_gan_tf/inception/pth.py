"""Reads tensors from PyTorch's files without PyTorch, and without running what they contain.

A .pth file is a pickle, and a pickle is a program: it may call any function that it names. Here it
can name five things only, all of them ours; anything else is refused. Both of PyTorch's formats are
read: the zip of version 1.6 and later, and the older chain of pickles followed by raw numbers.
"""

import collections
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from improved_gan_tf.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # that number, as a pickle
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}


class _Storage:
    """A block of numbers that tensors are views of; in the older format it is filled later."""

    def __init__(self, dtype: str, size: int):
        self.dtype, self.size = np.dtype(dtype), size
        self.values = np.zeros(0, dtype)

    def fill(self, data: bytes) -> None:
        if len(data) != self.size * self.dtype.itemsize:
            raise ValueError(f"{len(data)} bytes for {self.size} numbers of {self.dtype}")
        self.values = np.frombuffer(data, self.dtype)


class _Tensor(NamedTuple):
    """What the pickle says about a tensor: storage, offset, shape and strides in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        if any(not isinstance(n, int) or n < 0 for n in (self.offset, *self.shape, *self.strides)):
            raise ValueError("negative sizes")
        values, size = self.storage.values, self.storage.dtype.itemsize
        steps = zip(self.shape, self.strides, strict=True)
        if 0 not in self.shape and self.offset + sum((n - 1) * s for n, s in steps) >= len(values):
            raise ValueError("a tensor beyond its storage")
        strides = [s * size for s in self.strides]
        values = values[self.offset :]
        return np.lib.stride_tricks.as_strided(values, self.shape, strides, writeable=False).copy()


class _Dictionary(collections.OrderedDict):
    """An OrderedDict to which the pickle may attach what it likes (`_metadata`)."""

    def __setstate__(self, state: Any) -> None:
        pass


# What a pickle may name, and what it gets.
_ALLOWED = {
    ("collections", "OrderedDict"): _Dictionary,
    ("torch._utils", "_rebuild_tensor"): lambda *arguments: _Tensor(*arguments[:4]),
    ("torch._utils", "_rebuild_tensor_v2"): lambda *arguments: _Tensor(*arguments[:4]),
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *ignored: tensor,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, storage: Callable[[str, str, int], _Storage]):
        super().__init__(stream, encoding="utf-8")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which no file of weights needs"
            )
        return _ALLOWED[module, name]

    def persistent_load(self, identity: Any) -> _Storage:
        kind, dtype, key, _location, size = identity[:5]
        if kind != "storage" or dtype not in _STORAGES.values() or not isinstance(size, int):
            raise pickle.UnpicklingError(f"an unknown object {kind!r}")
        return self._storage(str(key), dtype, size)


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dictionary in a .pth file, as arrays by name.

    Raises:
        UserError: The file is of another kind, damaged, or would run code.
    """
    try:
        found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        if not isinstance(found, dict):
            raise ValueError("not a dictionary of tensors")
        return {str(k): v.array() for k, v in found.items() if isinstance(v, _Tensor)}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # unpicklers raise nearly anything on damaged input
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"{path} is not a file of PyTorch weights that can be read safely ({reason}); get the "
            "published file again"
        ) from error


def _read_zip(path: str | os.PathLike) -> Any:
    with zipfile.ZipFile(path) as archive:
        pickles = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("no data.pkl in the archive")
        root = pickles[0][: -len("data.pkl")]
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("big-endian numbers")
        storages: dict[str, _Storage] = {}

        def storage(key: str, dtype: str, size: int) -> _Storage:
            if key not in storages:
                member = archive.getinfo(f"{root}data/{key}")
                storages[key] = _Storage(dtype, size)
                if member.file_size != size * storages[key].dtype.itemsize:
                    raise ValueError(f"{member.filename} has {member.file_size} bytes")
                storages[key].fill(archive.read(member))
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(pickles[0])), storage).load()


def _read_legacy(path: str | os.PathLike) -> Any:
    storages: dict[str, _Storage] = {}

    def storage(key: str, dtype: str, size: int) -> _Storage:
        return storages.setdefault(key, _Storage(dtype, size))

    with open(path, "rb") as stream:
        # The magic number, the version of the format, sizes of C's types where it was written, the
        # tensors, and the keys of their storages.
        magic, version, _, found, keys = (_Unpickler(stream, storage).load() for _ in range(5))
        if magic != _MAGIC:
            raise ValueError("not PyTorch's magic number")
        if version != 1001:
            raise ValueError("an unknown version of the format")
        for key in keys:
            block = storages[str(key)]
            size = int.from_bytes(stream.read(8), "little")
            if size != block.size:
                raise ValueError(f"{size} numbers where {block.size} were announced")
            block.fill(stream.read(size * block.dtype.itemsize))
    return found
