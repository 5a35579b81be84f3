"""Images in arrays as `Images`: arrays in memory, .npy files (mapped), .npz files (streamed)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.data.source import Images, Range
from improved_gan_tf.errors import UserError
from improved_gan_tf.numpy_files import DamagedFile, NpzFile, map_array

_CHUNK, _CHUNK_BYTES = 256, 1 << 26  # images at a time, at most so many bytes of them


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
            _check_finite(chunk, name)
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
    step = _chunk(array.shape, array.dtype)

    def chunks():
        return (array[start : start + step] for start in range(0, len(array), step))

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
    if np.dtype(dtype).kind not in "iuf":
        raise UserError(f"{name}: values of type {dtype}; expected integers or floats")
    if 0 in shape:
        raise UserError(f"{name}: shape {shape}; there must be at least one image")
    if excess := limits.PIXELS.excess(shape[1] * shape[2]):
        raise UserError(f"{name}: shape {shape} has {excess}")


def _check_finite(images, name):
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise UserError(
            f"{name}: some values are NaN or infinite; expected numbers in 0..255 or in a stated "
            "range: make the images again"
        )


def _chunk(shape, dtype):
    """How many images of an array (N, ...) are looked at together."""
    return max(1, min(_CHUNK, _CHUNK_BYTES // (math.prod(shape[1:]) * dtype.itemsize)))


def as_pixels(images: Any, image_range: Range, name: str = "array") -> np.ndarray:
    """Converts pixel values in a given range to 0..255.

    Args:
        images: An array of numbers of any shape.
        image_range: (low, high), the values of black and full brightness of float images. None:
            they are in 0..255 already. Integers always are in 0..255.
        name: The name of the images in error messages, a string; "array" by default.

    Returns:
        An array of the same shape: uint8, or float32 for floats without a range.

    Raises:
        UserError: Values outside the range, NaN, or complex.

    Example:

    >>> improved_gan_tf.data.as_pixels(np.array([-1.0, 1.0]), (-1.0, 1.0))
    array([  0, 255], dtype=uint8)
    """
    images = np.asarray(images)
    if images.dtype.kind == "c":
        raise UserError(f"{name}: values of type {images.dtype}; expected integers or floats")
    _check_finite(images, name)
    if image_range is not None and not np.issubdtype(images.dtype, np.integer):
        from improved_gan_tf.images import to_uint8

        try:
            return to_uint8(images, *image_range)
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 255:
        raise UserError(
            f"{name}: values from {low:g} to {high:g}; expected 0..255, or a stated range "
            "(image_range, --range LOW HIGH)"
        )
    return images.astype(np.uint8 if np.issubdtype(images.dtype, np.integer) else np.float32)


def open_npy(path: Path) -> np.ndarray:
    """The array of a .npy file, which stays on the disk."""
    try:
        return map_array(path)
    except DamagedFile as error:
        raise UserError(f"{path} is no .npy file of numbers ({error}); write it again") from error


class NpzArray:
    """One array of a .npz file, of which a few images are in memory at a time.

    The default is the array `images`, or the only one of 3 or 4 axes.
    """

    def __init__(self, path: Path, key: str | None = None):
        self.path = path
        headers, wrong = {}, {}
        with self._reading(), NpzFile(path) as archive:
            names = archive.names
            for name in names if key is None else {key} & set(names):
                try:
                    headers[name] = archive.header(name)
                except DamagedFile as error:
                    wrong[name] = error
        if wrong and (key is not None or not headers):
            raise self._damaged(next(iter(wrong.values())))
        if key is None:
            found = [name for name in headers if len(headers[name].shape) in (3, 4)]
            key = "images" if "images" in found else found[0] if len(found) == 1 else None
        if key is None or key not in names:
            example = f"{path}@{names[0]}" if names else path
            labeled = {"x_train", "y_train", "x_test", "y_test"} <= set(names)
            hint = f"; or did you mean npz:{path}, with its labels?" if labeled else ""
            raise UserError(
                f"{path} holds the arrays {', '.join(names) or 'none'}; name the one with the "
                f"images, e.g. {example}{hint}"
            )
        self.key, header = key, headers[key]
        self.shape, self.dtype = header.shape, header.dtype
        if header.by_column:
            raise UserError(f"{path}: {key} is stored column by column; save it in C order")
        check_form(self.shape, self.dtype, f"{path}@{key}")

    def images(self, image_range: Range = None) -> ArrayImages:
        """The images of the array."""
        return ArrayImages(self._chunks, self.shape[0], image_range, f"{self.path}@{self.key}")

    def _damaged(self, reason):
        return UserError(f"{self.path} is no .npz file, or damaged ({reason}); write it again")

    @contextmanager
    def _reading(self):
        try:
            yield
        except DamagedFile as error:
            raise self._damaged(error) from error

    def _chunks(self):
        step = _chunk(self.shape, self.dtype)
        with self._reading(), NpzFile(self.path) as archive:
            yield from archive.parts(self.key, step)
