"""Reads tensors from PyTorch's files without PyTorch, and without running what they contain.

A .pth file is a pickle, and a pickle is a program: it may call any function that it names, and make
the interpreter of Python take any amount of memory. Here its few operations that weights need are
interpreted by ourselves, and it can name a few things only, all of them ours; anything else is
refused. Both of PyTorch's formats are read: the zip of version 1.6 and later, and the older chain
of pickles followed by raw numbers.
"""

import io
import math
import os
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception.published import LARGEST

_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # that number, as a pickle
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
}
_MOST_OPERATIONS = 1_000_000  # of one pickle; the published one has 17,000


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
        if math.prod(self.shape) > len(self.storage.values):
            raise ValueError("a tensor beyond its storage")
        values, size = self.storage.values, self.storage.dtype.itemsize
        steps = zip(self.shape, self.strides, strict=True)
        if 0 not in self.shape and self.offset + sum((n - 1) * s for n, s in steps) >= len(values):
            raise ValueError("a tensor beyond its storage")
        strides = [s * size for s in self.strides]
        values = values[self.offset :]
        return np.lib.stride_tricks.as_strided(values, self.shape, strides, writeable=False).copy()


def _dictionary(items: Any = ()) -> dict[str | int, Any]:
    return {_key(key): value for key, value in items}


def _key(key: Any) -> str | int:
    """A key of a dictionary; of nested tuples even the hash could take for ever."""
    if not isinstance(key, str | int):
        raise ValueError(f"a key of type {type(key).__name__}")
    return key


def _tensor(*arguments: Any) -> _Tensor:
    return _Tensor(*arguments[:4])


# What a pickle may name, and what it gets.
_ALLOWED: dict[str, Any] = {
    "collections OrderedDict": _dictionary,
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": lambda tensor, *ignored: tensor,
    **{f"torch {name}": dtype for name, dtype in _STORAGES.items()},
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = frozenset(
    "BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE SHORT_BINUNICODE BINSTRING SHORT_BINSTRING"
    .split()
)  # fmt: skip
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS, _GETS = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")


def _unpickle(stream: BinaryIO, storage: Callable[[str, str, int], _Storage]) -> Any:
    """What the pickle that begins at the stream's position describes; leaves it at its end."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def taken(count: int) -> list[Any]:
        if count > len(stack) or count < 0:
            raise ValueError("a pickle that takes more than it gave")
        values = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return values

    def since_mark() -> list[Any]:
        return taken(len(stack) - marks.pop())

    def entered(pairs: list[Any]) -> None:
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(stack[-1], dict):
                raise ValueError("an entry of what is no dictionary")
            stack[-1][_key(key)] = value

    for number, (operation, given, _) in enumerate(pickletools.genops(stream)):
        name: str = operation.name
        argument: Any = given
        if number > _MOST_OPERATIONS:
            raise ValueError("more operations than any file of weights needs")
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _PUTS:
            memo[argument] = stack[-1]
        elif name in _GETS:
            stack.append(memo[argument])
        elif name in _TUPLES:
            stack.append(tuple(taken(_TUPLES[name])))
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in ("APPEND", "APPENDS"):
            values = taken(1) if name == "APPEND" else since_mark()
            if not isinstance(stack[-1], list):
                raise ValueError("an item of what is no list")
            stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            entered(taken(2) if name == "SETITEM" else since_mark())
        elif name == "GLOBAL":
            if argument not in _ALLOWED:
                what = argument.replace(" ", ".")
                raise ValueError(f"it names {what}, which no file of weights needs")
            stack.append(_ALLOWED[argument])
        elif name == "REDUCE":
            function, arguments = taken(2)
            if not callable(function):
                raise ValueError("a call of what is no function")
            stack.append(function(*arguments))
        elif name == "BUILD":
            taken(1)  # `_metadata` of an OrderedDict
        elif name == "BINPERSID":
            stack.append(_persistent(taken(1)[0], storage))
        elif name == "STOP":
            return taken(1)[0]
        elif name != "PROTO":
            raise ValueError(f"the operation {name}, which no file of weights needs")
    raise ValueError("a pickle without an end")


def _persistent(identity: Any, storage: Callable[[str, str, int], _Storage]) -> _Storage:
    kind, dtype, key, _location, size = identity[:5]
    if kind != "storage" or dtype not in _STORAGES.values() or not isinstance(size, int):
        raise ValueError("an unknown object")
    return storage(str(_key(key)), dtype, size)


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dictionary in a .pth file, as arrays by name.

    Raises:
        UserError: The file is of another kind, damaged, or would run code.
    """
    try:
        found = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        if not isinstance(found, dict):
            raise ValueError("not a dictionary of tensors")
        tensors = {str(k): v for k, v in found.items() if isinstance(v, _Tensor)}
        if sum(math.prod(tensor.shape) for tensor in tensors.values()) > LARGEST // 4:
            raise ValueError("far more numbers than the Inception weights")
        return {name: tensor.array() for name, tensor in tensors.items()}
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

        if sum(member.file_size for member in archive.infolist()) > LARGEST:
            raise ValueError("far more bytes than the Inception weights")
        return _unpickle(io.BytesIO(archive.read(pickles[0])), storage)


def _read_legacy(path: str | os.PathLike) -> Any:
    storages: dict[str, _Storage] = {}

    def storage(key: str, dtype: str, size: int) -> _Storage:
        return storages.setdefault(key, _Storage(dtype, size))

    with open(path, "rb") as stream:
        # The magic number, the version of the format, sizes of C's types where it was written, the
        # tensors, and the keys of their storages.
        magic, version, _, found, keys = (_unpickle(stream, storage) for _ in range(5))
        if magic != _MAGIC:
            raise ValueError("not PyTorch's magic number")
        if version != 1001:
            raise ValueError("an unknown version of the format")
        for key in keys:
            block = storages[str(_key(key))]
            size = int.from_bytes(stream.read(8), "little")
            if size != block.size:
                raise ValueError(f"{size} numbers where {block.size} were announced")
            block.fill(stream.read(size * block.dtype.itemsize))
    return found
