"""Picture files: which there are, decoding them, and making them of one size.

There is one policy, whoever reads the pictures. Grey pictures stay grey; palettes, CMYK and other
colour spaces become RGB; alpha is dropped; of an animation the first frame counts; the orientation
tag is ignored, as the original ignored it. More than 8 bits per channel are refused.

`decode` is the policy, by Pillow. `decode_tensor` gives the same bytes inside a `tf.data`
pipeline: the plain kinds of JPEG and PNG are decoded by TensorFlow, which needs no Python, and
everything else by `decode`.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.errors import UserError

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
)
# Pillow would also open formats that start other programs (EPS: Ghostscript), whatever the suffix.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
RESIZES = ("square", "stretch")
_GREY = frozenset(("1", "L", "LA", "La"))
_LUMINANCE = np.array([19595, 38470, 7471], np.uint32)  # ITU-R 601 over 2^16, as Pillow has it
_DEEP = frozenset(("I", "F", "I;16", "I;16L", "I;16B", "I;16N"))
_JPEG = b"\xff\xd8\xff"
# Of 8 bits per channel, grey or RGB. \C is any byte.
_PNG = r"\CPNG\r\n\x1a\n\C{18}"
_PLAIN_PNG = r"\CPNG\r\n\x1a\n\C{16}\x08[\x00\x02]"


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """An image (H, W, 1 or 3) in 1 or 3 channels: grey repeated, or the luminance of colours."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    if image.dtype == np.uint8:
        return ((image.astype(np.uint32) @ _LUMINANCE + 0x8000) >> 16).astype(np.uint8)[..., None]
    return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]


class Unreadable(ValueError):
    """A picture that cannot be used; its message is the reason."""


def is_picture(name: str) -> bool:
    """Whether a file's name ends like a picture's and the file is not hidden."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and path.name[0] != "." and "__MACOSX" not in path.parts


def class_folders(
    folder: Path, name: str, allow_empty: bool = False, without: Collection[str] = ()
) -> tuple[list[str], dict[int, list[Path]]]:
    """The names of the classes, sorted, and the picture files of each class number, sorted.

    Hidden folders, those named in `without`, and files that are not pictures are passed over.

    Raises:
        UserError: No sub-folder; a class without a picture, unless `allow_empty`.
    """
    folders = (p.name for p in folder.iterdir() if p.is_dir())
    classes = sorted(p for p in folders if p[0] != "." and p not in without)
    if not classes:
        raise UserError(
            f"{name}: {folder} has no sub-folder; expected one sub-folder of pictures per class"
        )
    files = {}
    for number, class_name in enumerate(classes):
        files[number] = sorted(
            p for p in (folder / class_name).iterdir() if is_picture(p.name) and p.is_file()
        )
        if not files[number] and not allow_empty:
            raise UserError(
                f"{name}: class {class_name!r} has no example; put pictures "
                f"({', '.join(sorted(SUFFIXES))}) into {folder / class_name} or remove it"
            )
    return classes, files


def read(stream: str | os.PathLike | BinaryIO, use: Callable[[Any], Any]) -> Any:
    """Opens a picture, calls `use` with Pillow's object, and returns what that returns.

    Raises:
        Unreadable: Not a whole picture of at most 8 bits per channel, of a known format.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(stream, str | os.PathLike) and not os.path.isfile(stream):
        raise Unreadable("not a file")  # to open a named pipe would wait for ever
    limit = limits.PIXELS.value
    if Image.MAX_IMAGE_PIXELS is not None and limit > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limit  # the user has raised it
    try:
        with Image.open(stream, formats=FORMATS) as picture:
            if excess := limits.PIXELS.excess(picture.width * picture.height):
                raise Unreadable(excess)
            if picture.mode in _DEEP or ";16" in str(picture.tile):  # Pillow cuts 48 bits to 24
                raise Unreadable(f"pixels of mode {picture.mode}; expected 8 bits per channel")
            return use(picture)
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:  # Pillow's, at twice the number
        raise Unreadable(limits.PIXELS.excess(2 * limit)) from error
    except UnidentifiedImageError as error:
        raise Unreadable(f"not one of {', '.join(FORMATS)}, or damaged") from error
    except Exception as error:  # Pillow's decoders raise nearly anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise Unreadable(reason) from error


def header(path: str) -> tuple[int, int, bool]:
    """(height, width, whether it is grey) of a picture file, without decoding it."""
    return read(path, lambda picture: (picture.height, picture.width, picture.mode in _GREY))


def decode(
    stream: str | os.PathLike | BinaryIO, admit: Callable[[int], None] | None = None
) -> np.ndarray:
    """Decodes a picture file: uint8 [H, W, 1] if it is grey, otherwise [H, W, 3].

    `admit` is called with the number of pixels before they are decoded; it may wait.

    Raises:
        Unreadable: As `read`.
    """

    def pixels(picture):
        if admit is not None:
            admit(picture.width * picture.height)
        mode = "L" if picture.mode in _GREY else "RGB"
        return np.asarray(picture if picture.mode == mode else picture.convert(mode))

    array = read(stream, pixels)
    return array[..., None] if array.ndim == 2 else array


def decode_tensor(encoded: Any, channels: int = 3) -> Any:
    """Decodes a picture file, a scalar string, in a graph, to the bytes that `decode` returns.

    The result is uint8 [H, W, channels] of unknown height and width; channels may be 1 where every
    picture is grey. Others raise `tf.errors.InvalidArgumentError` when they are evaluated.
    """
    import tensorflow as tf

    start = tf.strings.substr(encoded, 0, 26)
    # Pictures that are too large also go to Pillow, which raises a clear error for them.
    plain = tf.cast(tensor_pixels(encoded) <= limits.PIXELS.value, tf.int32)
    jpeg = plain * tf.cast(_is_jpeg(encoded), tf.int32)
    png = plain * tf.cast(tf.strings.regex_full_match(start, _PLAIN_PNG), tf.int32)

    def by_pillow(data):  # bytes in a graph, otherwise an array that holds them
        image = decode(io.BytesIO(np.asarray(data, object).item()))
        return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], channels)))

    def decode_other():
        return tf.numpy_function(by_pillow, [encoded], tf.uint8, stateful=False)

    def decode_plain_jpeg():
        # TensorFlow's default trades accuracy for speed; this one gives Pillow's bytes.
        return tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE")

    def decode_jpeg():
        is_cmyk = tf.io.extract_jpeg_shape(encoded)[2] == 4
        return tf.cond(is_cmyk, decode_other, decode_plain_jpeg)

    def decode_png():
        return tf.io.decode_png(encoded, channels)

    image = tf.switch_case(jpeg + 2 * png, [decode_other, decode_jpeg, decode_png])
    return tf.ensure_shape(image, (None, None, channels))


def _is_jpeg(encoded):
    import tensorflow as tf

    return tf.strings.substr(encoded, 0, 3) == _JPEG


def tensor_pixels(encoded: Any) -> Any:
    """The number of pixels that a JPEG or PNG announces, int64, in a graph; 0 of other files."""
    import tensorflow as tf

    def of_jpeg():
        height, width = tf.unstack(tf.cast(tf.io.extract_jpeg_shape(encoded)[:2], tf.int64))
        return height * width

    def of_png():
        sides = tf.io.decode_raw(tf.strings.substr(encoded, 16, 8), tf.uint8)
        sides = tf.cast(tf.reshape(sides, (2, 4)), tf.int64)
        weights = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
        height, width = tf.unstack(tf.reduce_sum(sides * weights, 1))
        return height * width

    is_png = tf.strings.regex_full_match(tf.strings.substr(encoded, 0, 26), _PNG)
    kind = tf.cast(_is_jpeg(encoded), tf.int32) + 2 * tf.cast(is_png, tf.int32)
    none = tf.constant(0, tf.int64)
    return tf.switch_case(kind, [lambda: none, of_jpeg, of_png])


def graph_reason(error: Exception) -> str:
    """Why a picture could not be decoded in a graph, from TensorFlow's error."""
    found = re.search(r"\bUnreadable: ([^\n]*)", str(error))
    return found[1] if found else "damaged, or no picture"


@dataclass(frozen=True)
class Resizing:
    """How images are brought to one size.

    "square" takes the middle square, of the side s = min(h, w) from row (h - s + 1) // 2 and
    column (w - s + 1) // 2 on, and resizes that; "stretch" resizes the whole image. Both use the
    triangle filter ("bilinear"), widened by the factor of a reduction so that nothing aliases.
    Pillow rounds to bytes and TensorFlow does not; otherwise they differ by less than 1 of 255.

    Args:
        size: (height, width) wanted, or None to leave images as they are.
        how: "square" or "stretch".

    Source: the ImageNet code's center_crop, which takes the whole shorter side, rounds halves up
    and resizes by scipy.misc.imresize, that is, by Pillow with this filter.
    """

    size: tuple[int, int] | None = None
    how: str = "square"

    @classmethod
    def of(cls, image_size: Any, how: str = "square") -> Resizing:
        """The checked `Resizing` for a user's values: None, one number, or (height, width).

        Raises:
            UserError: Another word, another form of size, or a square of unequal sides.
        """
        if how not in RESIZES:
            raise UserError(f"unknown resize {how!r}; choose {' or '.join(RESIZES)}")
        if image_size is None:
            return cls(None, how)
        size = (image_size, image_size) if np.ndim(image_size) == 0 else tuple(image_size)
        if len(size) != 2 or any(isinstance(s, bool) or int(s) != s or s < 1 for s in size):
            raise UserError(
                f"image size {image_size} given; expected a whole number of 1 or more, or "
                f"(height, width)"
            )
        if how == "square" and size[0] != size[1]:
            raise UserError(f"image size {image_size} is no square; choose resize 'stretch'")
        return cls((int(size[0]), int(size[1])), how)

    def image(self, image: np.ndarray) -> np.ndarray:
        """[H, W, C] uint8 or float32 at the wanted size, of the same type."""
        if self.size is None:
            return image
        from PIL import Image

        height, width, channels = image.shape
        if self.how == "square":
            image = image[_middle(height, width, min)]
        if image.shape[:2] == self.size:
            return image
        planes = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(channels)]
        shape, bilinear = self.size[::-1], Image.Resampling.BILINEAR
        return np.stack([np.asarray(plane.resize(shape, bilinear)) for plane in planes], axis=2)

    def tensor(self, image: Any, shape: tuple[int, int, int], maximum: float = 255.0) -> Any:
        """A tensor [H, W, C] of any number type as float32 of `shape`, within 0..maximum."""
        import tensorflow as tf

        if self.size is None or image.shape == shape:
            return tf.ensure_shape(tf.cast(image, tf.float32), shape)
        if self.how == "square":
            height, width = tf.unstack(tf.shape(image)[:2])
            image = image[_middle(height, width, tf.minimum)]

        def resized():
            found = tf.image.resize(image, self.size, "bilinear", antialias=True)
            return tf.clip_by_value(found, 0.0, maximum)  # it may be an ulp beyond

        is_right = tf.reduce_all(tf.equal(tf.shape(image)[:2], self.size))
        image = tf.cond(is_right, lambda: tf.cast(image, tf.float32), resized)
        return tf.ensure_shape(image, shape)


def _middle(height, width, minimum):
    side = minimum(height, width)
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    return slice(top, top + side), slice(left, left + side)
