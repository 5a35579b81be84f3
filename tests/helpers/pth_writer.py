"""Writes PyTorch's two file formats without PyTorch: pickles assembled opcode by opcode."""

import io
import pickle
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C


def _text(value):
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def _number(value):
    return b"J" + int(value).to_bytes(4, "little", signed=True)


def _tuple(*items):
    return b"(" + b"".join(items) + b"t"


def _tensor(key, array, legacy):
    storage = [_text("storage"), b"ctorch\nFloatStorage\n", _text(key), _text("cpu")]
    storage += [_number(array.size)] + ([b"N"] if legacy else [])
    strides = [stride // array.itemsize for stride in array.strides]
    return b"".join(
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            _tuple(*storage) + b"Q",
            _number(0),
            _tuple(*map(_number, array.shape)),
            _tuple(*map(_number, strides)),
            b"\x89ccollections\nOrderedDict\n)R",
            b"tR",
        ]
    )


def state_pickle(arrays, legacy, extra=b""):
    """The pickle of an OrderedDict of tensors with `_metadata`, like the state of a module."""
    items = b"".join(_text(n) + _tensor(str(i), a, legacy) for i, (n, a) in enumerate(arrays))
    metadata = b"}" + _text("_metadata") + b"}s"
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + extra + b"u" + metadata + b"b."


def write(path, arrays, legacy=False, extra=b""):
    """Writes float32 arrays by name.

    Args:
        path: The file.
        arrays: {name: array}.
        legacy: Whether to write the format before PyTorch 1.6. Defaults to False.
        extra: Opcodes of one more name and value.

    Returns:
        The path.
    """
    pairs = [(name, np.ascontiguousarray(array, "<f4")) for name, array in arrays.items()]
    if legacy:
        stream = io.BytesIO()
        for value in (MAGIC, 1001, {"little_endian": True}):
            pickle.dump(value, stream, protocol=2)
        stream.write(state_pickle(pairs, True, extra))
        pickle.dump([str(i) for i in range(len(pairs))], stream, protocol=2)
        for _, array in pairs:
            stream.write(array.size.to_bytes(8, "little") + array.tobytes())
        path.write_bytes(stream.getvalue())
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", state_pickle(pairs, False, extra))
        archive.writestr("weights/version", "3\n")
        archive.writestr("weights/byteorder", "little")
        for i, (_, array) in enumerate(pairs):
            archive.writestr(f"weights/data/{i}", array.tobytes())
    return path


def to_pytorch(array):
    """HWIO -> OIHW; the last matrix transposed."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
