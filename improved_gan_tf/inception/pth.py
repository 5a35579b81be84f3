"""Tensors from PyTorch's files without PyTorch, and without running what they contain.

A .pth is a pickle, and a pickle is a program: it may call any function that it names. Here it can
name five things only, all of ours; anything else is refused. Both of PyTorch's formats are read:
the zip of version 1.6 on, and the older chain of pickles followed by the raw numbers.
"""

import collections
import io
import pickle
import zipfile

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
    """A block of numbers that a tensor is a view of; in the older format it is filled later."""

    def __init__(self, dtype, size):
        self.dtype = np.dtype(dtype)
        self.size = size
        self.values = None

    def fill(self, data):
        if len(data) != self.size * self.dtype.itemsize:
            raise ValueError(f"{len(data)} bytes for {self.size} numbers of {self.dtype}")
        self.values = np.frombuffer(data, self.dtype)


class _Tensor:
    """What the pickle says of a tensor: storage, offset, shape and strides in numbers."""

    def __init__(self, storage, offset, shape, strides):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self):
        values = self.storage.values
        shape, strides = tuple(self.shape), tuple(self.strides)
        if any(not isinstance(n, int) or n < 0 for n in (self.offset, *shape, *strides)):
            raise ValueError("negative sizes")
        last = self.offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if 0 not in shape and last >= len(values):
            raise ValueError("a tensor beyond its storage")
        size = values.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            values[self.offset :], shape, [s * size for s in strides], writeable=False
        )
        return view.copy()


def _rebuild_tensor(storage, offset, shape, strides, *ignored):
    return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor, *ignored):
    return tensor


class _Dictionary(collections.OrderedDict):
    """An OrderedDict to which the pickle may attach what it likes (`_metadata`)."""

    def __setstate__(self, state):
        pass


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream, storage):
        super().__init__(stream, encoding="utf-8")
        self._storage = storage

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return _Dictionary
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return _rebuild_tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of weights needs")

    def persistent_load(self, identity):
        kind, dtype, key, _location, size = identity[:5]
        if kind != "storage" or dtype not in _STORAGES.values() or not isinstance(size, int):
            raise pickle.UnpicklingError(f"an unknown object {kind!r}")
        return self._storage(str(key), dtype, size)


def read(path):
    """{name: array} of a state dictionary in a .pth file.

    Raises:
        UserError: another kind of file, a damaged one, or one that would run code.
    """
    try:
        if zipfile.is_zipfile(path):
            found = _read_zip(path)
        else:
            found = _read_legacy(path)
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


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        pickles = [n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("no data.pkl in the archive")
        root = pickles[0][: -len("data.pkl")]
        order = f"{root}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("big-endian numbers")
        storages = {}

        def storage(key, dtype, size):
            if key not in storages:
                member = archive.getinfo(f"{root}data/{key}")
                storages[key] = _Storage(dtype, size)
                if member.file_size == size * storages[key].dtype.itemsize:
                    storages[key].fill(archive.read(member))
                else:
                    raise ValueError(f"{member.filename} has {member.file_size} bytes")
            return storages[key]

        return _Unpickler(io.BytesIO(archive.read(pickles[0])), storage).load()


def _read_legacy(path):
    storages = {}

    def storage(key, dtype, size):
        return storages.setdefault(key, _Storage(dtype, size))

    with open(path, "rb") as stream:
        if _Unpickler(stream, storage).load() != _MAGIC:
            raise ValueError("not PyTorch's magic number")
        if _Unpickler(stream, storage).load() != 1001:
            raise ValueError("an unknown version of the format")
        _Unpickler(stream, storage).load()  # sizes of C's types where it was written
        found = _Unpickler(stream, storage).load()
        for key in _Unpickler(stream, storage).load():
            block = storages[str(key)]
            size = int.from_bytes(stream.read(8), "little")
            if size != block.size:
                raise ValueError(f"{size} numbers where {block.size} were announced")
            block.fill(stream.read(size * block.dtype.itemsize))
    return found
