"""Images in arrays: in memory, in .npy files (mapped), in .npz files (streamed)."""

import zipfile
from pathlib import Path

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.images import to_uint8

_CHUNK = 256  # images at a time


class ArraySource:
    """Images in one array (N, H, W, C), or (N, H, W) if grey; C is 1, 3 or 4 (alpha is dropped).

    uint8 and other integers hold 0..255. Floats hold 0..255 and are used as they are, unless
    `value_range` states what black and full brightness are: then they become the nearest bytes, so
    that the score is that of the saved pictures. Values that all lie in 0..1 or -1..1 are refused
    without a range, and integers of 0 and 1 in any case.

    Args:
        rows: an array, or an `NpzRows`.
        value_range: (low, high) or None.
        name: for the protocol.

    Raises:
        UserError: another form, values outside the range, NaN, or values that look scaled.
    """

    skipped = ()

    def __init__(self, rows, value_range=None, name="array"):
        self.rows = rows if isinstance(rows, NpzRows) else _Rows(np.asarray(rows))
        self.value_range, self.name, self.count = value_range, name, len(self.rows)
        _check_form(self.rows, name)
        if value_range is None or np.issubdtype(self.rows.dtype, np.integer):
            _refuse_scaled(self.rows.chunks(), name)

    def images(self, prepare, workers):
        """Yields `prepare(image)` for each image, uint8 or float32 (H, W, 1 or 3)."""
        for chunk in self.rows.chunks():
            chunk = chunk[..., None] if chunk.ndim == 3 else chunk[..., :3]
            for image in as_pixels(chunk, self.value_range, self.name):
                yield prepare(image)


def _check_form(rows, name):
    shape = rows.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
        first = len(shape) == 4 and shape[1] in (1, 3)
        hint = "; move the channels to the last axis" if first else ""
        raise UserError(
            f"{name}: images of shape {shape}; expected (N, height, width, channels) with 1, 3 or "
            f"4 channels, or (N, height, width){hint}"
        )
    if not np.issubdtype(rows.dtype, np.number):
        raise UserError(f"{name}: values of type {rows.dtype}; expected numbers")
    if 0 in shape:
        raise UserError(f"{name}: shape {shape}; there must be at least one image")


def _refuse_scaled(chunks, name):
    """Looks until a value above 1 is found, which is at once unless there is none."""
    low = 0.0
    for chunk in chunks:
        low = min(low, float(chunk.min()))
        if chunk.max() > 1:
            return
    hint = "multiply them by 255"
    if np.issubdtype(chunk.dtype, np.floating):
        hint = f"state their range (value_range, --range {'-1 1' if low < 0 else '0 1'})"
    raise UserError(
        f"{name}: all values lie in {'-1..1' if low < 0 else '0..1'}, expected 0..255; if the "
        f"images are scaled, {hint}"
    )


def as_pixels(images, value_range, name):
    """uint8, or float32 in 0..255, from numbers in any stated range; see `ArraySource`."""
    images = np.asarray(images)
    if value_range is not None and not np.issubdtype(images.dtype, np.integer):
        try:
            return to_uint8(images, *value_range)
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 255):  # NaN fails both
        raise UserError(
            f"{name}: values from {low:g} to {high:g}; expected 0..255, or a stated range "
            "(value_range, --range LOW HIGH)"
        )
    return images.astype(np.uint8 if np.issubdtype(images.dtype, np.integer) else np.float32)


class ImageList:
    """A list of images of any sizes, each (H, W, C) or (H, W); see `ArraySource`."""

    skipped = ()

    def __init__(self, images, value_range=None, name="list"):
        if not len(images):
            raise UserError(f"{name}: there must be at least one image")
        self.value_range, self.name, self.count = value_range, name, len(images)
        self.parts = [_Rows(np.asarray(image)[None]) for image in images]
        for rows in self.parts:
            _check_form(rows, name)
        if value_range is None:
            _refuse_scaled((rows.array for rows in self.parts), name)

    def images(self, prepare, workers):
        for rows in self.parts:
            chunk = rows.array[..., None] if rows.array.ndim == 3 else rows.array[..., :3]
            yield prepare(as_pixels(chunk, self.value_range, self.name)[0])


class _Rows:
    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return self.shape[0] if self.shape else 0

    def chunks(self):
        for start in range(0, len(self.array), _CHUNK):
            yield self.array[start : start + _CHUNK]


class NpzRows:
    """One array of an .npz file, a few rows in memory at a time.

    Args:
        path: the file.
        key: the array's name; None takes `images`, or the only array of 3 or 4 axes.
    """

    def __init__(self, path, key=None):
        self.path = Path(path)
        with self._open() as archive:
            names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
            if key is None:
                shapes = {name: self._header(archive, name)[0] for name in names}
                found = [name for name in names if len(shapes[name]) in (3, 4)]
                key = "images" if "images" in found else found[0] if len(found) == 1 else None
            if key not in names:
                example = f"{path}@{names[0]}" if names else path
                raise UserError(
                    f"{path} holds the arrays {', '.join(names) or 'none'}; name the one with the "
                    f"images, e.g. {example}"
                )
            self.key = key
            self.shape, self.order, self.dtype = self._header(archive, key)
        if self.order:
            raise UserError(f"{path}: {key} is stored column by column; save it in C order")
        if self.dtype.hasobject:
            raise UserError(f"{path}: {key} holds Python objects; save it as numbers")

    def __len__(self):
        return self.shape[0]

    def _open(self):
        try:
            return zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{self.path} is no .npz file ({error}); write it again") from error

    def _header(self, archive, name):
        with archive.open(f"{name}.npy") as stream:
            return self._read_header(stream)

    def _read_header(self, stream):
        try:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                return np.lib.format.read_array_header_1_0(stream)
            return np.lib.format.read_array_header_2_0(stream)
        except ValueError as error:
            raise UserError(f"{self.path} is damaged ({error}); write it again") from error

    def chunks(self):
        size = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        with self._open() as archive, archive.open(f"{self.key}.npy") as stream:
            self._read_header(stream)
            for start in range(0, self.shape[0], _CHUNK):
                count = min(_CHUNK, self.shape[0] - start)
                try:
                    data = stream.read(count * size)
                except (zipfile.BadZipFile, OSError, EOFError) as error:
                    raise UserError(f"{self.path} is damaged ({error}); write it again") from error
                if len(data) != count * size:
                    raise UserError(f"{self.path} ends before its last image; write it again")
                yield np.frombuffer(data, self.dtype).reshape(count, *self.shape[1:])


def open_array_file(path, key=None, value_range=None):
    """The source for a .npy or .npz file."""
    path = Path(path)
    if path.suffix == ".npz":
        rows = NpzRows(path, key)
        return ArraySource(rows, value_range, f"{path}@{rows.key}")
    try:
        rows = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is no .npy file of numbers ({error}); write it again") from error
    return ArraySource(rows, value_range, str(path))
