"""Images in arrays as `Images`: arrays in memory, .npy files (mapped), .npz files (streamed)."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data.source import Images, Range
from improved_gan_tf.errors import UserError

_CHUNK = 256  # images at a time


class ArrayImages(Images):
    """Images in arrays [N, H, W, C], or [N, H, W] if grey; C is 1, 3 or 4 (alpha is dropped).

    Integers hold 0..255. Floats hold 0..255 and are used as they are, unless `image_range` states
    what black and full brightness are: then they become the nearest bytes, so that the score is
    that of the saved image files. Values that all lie in 0..1 or -1..1 are refused without a range,
    and integers of 0 and 1 in any case.

    `chunks` is a function that returns the arrays.
    """

    def __init__(
        self,
        chunks: Callable[[], Iterable[np.ndarray]],
        count: int,
        image_range: Range = None,
        name: str = "array",
    ):
        super().__init__(name, count)
        self._chunks, self._range = chunks, image_range
        # Looks until a value above 1 is found, which is at once unless there is none.
        low, floats = 0.0, True
        for chunk in chunks():
            floats = bool(np.issubdtype(chunk.dtype, np.floating))
            low = min(low, float(chunk.min()))
            if chunk.max() > 1 or (floats and image_range is not None):
                return
        hint = "multiply them by 255"
        if floats:
            hint = f"state their range (image_range, --range {'-1 1' if low < 0 else '0 1'})"
        raise UserError(
            f"{name}: all values lie in {'-1..1' if low < 0 else '0..1'}, expected 0..255; if the "
            f"images are scaled, {hint}"
        )

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        for chunk in self._chunks():
            chunk = chunk[..., None] if chunk.ndim == 3 else chunk[..., :3]
            for image in as_pixels(chunk, self._range, self.name):
                yield prepare(image)


def from_array(array: Any, image_range: Range = None, name: str = "array") -> ArrayImages:
    """The images of one array."""
    array = np.asarray(array)
    check_form(array.shape, array.dtype, name)

    def chunks():
        return (array[start : start + _CHUNK] for start in range(0, len(array), _CHUNK))

    return ArrayImages(chunks, len(array), image_range, name)


def from_list(images: Any, image_range: Range = None, name: str = "list") -> ArrayImages:
    """The images of a list of arrays [H, W, C] or [H, W], of any sizes."""
    arrays = [np.asarray(image)[None] for image in images]
    if not arrays:
        raise UserError(f"{name}: there must be at least one image")
    for array in arrays:
        check_form(array.shape, array.dtype, name)
    return ArrayImages(lambda: arrays, len(arrays), image_range, name)


def check_form(shape: tuple[int, ...], dtype: Any, name: str) -> None:
    """Raises a UserError where an array's shape or type is not that of images."""
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3, 4)):
        first = len(shape) == 4 and shape[1] in (1, 3)
        hint = "; move the channels to the last axis" if first else ""
        raise UserError(
            f"{name}: images of shape {shape}; expected (N, height, width, channels) with 1, 3 or "
            f"4 channels, or (N, height, width){hint}"
        )
    if not np.issubdtype(dtype, np.number):
        raise UserError(f"{name}: values of type {dtype}; expected numbers")
    if 0 in shape:
        raise UserError(f"{name}: shape {shape}; there must be at least one image")


def as_pixels(images: Any, image_range: Range, name: str = "array") -> np.ndarray:
    """Numbers in any stated range as uint8, or as float32 in 0..255; see `ArrayImages`.

    Raises:
        UserError: Values outside the range, or NaN.
    """
    images = np.asarray(images)
    if image_range is not None and not np.issubdtype(images.dtype, np.integer):
        from improved_gan_tf.images import to_uint8

        try:
            return to_uint8(images, *image_range)
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    if not (low >= 0 and high <= 255):  # NaN fails both
        raise UserError(
            f"{name}: values from {low:g} to {high:g}; expected 0..255, or a stated range "
            "(image_range, --range LOW HIGH)"
        )
    return images.astype(np.uint8 if np.issubdtype(images.dtype, np.integer) else np.float32)


def open_npy(path: Path) -> np.ndarray:
    """The array of a .npy file, which stays on the disk."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is no .npy file of numbers ({error}); write it again") from error


class NpzArray:
    """One array of a .npz file, of which a few images are in memory at a time.

    The default is the array `images`, or the only one of 3 or 4 axes.
    """

    def __init__(self, path: Path, key: str | None = None):
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                names = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
                headers = {name: self._open(archive, name)[1:] for name in names}
                sizes = {name: archive.getinfo(f"{name}.npy").file_size for name in names}
        except Exception as error:  # zipfile, its decompressors and NumPy raise many kinds
            raise self._damaged(error) from error
        if key is None:
            found = [name for name in names if len(headers[name][0]) in (3, 4)]
            key = "images" if "images" in found else found[0] if len(found) == 1 else None
        if key is None or key not in names:
            example = f"{path}@{names[0]}" if names else path
            labeled = {"x_train", "y_train", "x_test", "y_test"} <= set(names)
            hint = f"; or did you mean npz:{path}, with its labels?" if labeled else ""
            raise UserError(
                f"{path} holds the arrays {', '.join(names) or 'none'}; name the one with the "
                f"images, e.g. {example}{hint}"
            )
        self.key, (self.shape, by_column, self.dtype) = key, headers[key]
        if by_column:
            raise UserError(f"{path}: {key} is stored column by column; save it in C order")
        check_form(self.shape, self.dtype, f"{path}@{key}")
        self._bytes = int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize
        if self.shape[0] * self._bytes > sizes[key]:
            raise self._damaged("it ends before its last image")

    def images(self, image_range: Range = None) -> ArrayImages:
        """The images of the array."""
        return ArrayImages(self._chunks, self.shape[0], image_range, f"{self.path}@{self.key}")

    def _damaged(self, reason):
        return UserError(f"{self.path} is no .npz file, or damaged ({reason}); write it again")

    @staticmethod
    def _open(archive, name):
        stream = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            return stream, *np.lib.format.read_array_header_1_0(stream)
        return stream, *np.lib.format.read_array_header_2_0(stream)

    def _chunks(self):
        with zipfile.ZipFile(self.path) as archive:
            stream = self._open(archive, self.key)[0]
            for start in range(0, self.shape[0], _CHUNK):
                count = min(_CHUNK, self.shape[0] - start)
                try:
                    rows = np.frombuffer(stream.read(count * self._bytes), self.dtype)
                    rows = rows.reshape(count, *self.shape[1:])  # fails if there are too few
                except Exception as error:
                    raise self._damaged(error) from error
                yield rows
