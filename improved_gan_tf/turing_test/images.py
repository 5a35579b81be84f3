"""The images of a test: both kinds chosen by one seed and brought to one form."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np

from improved_gan_tf.data import Images
from improved_gan_tf.data.pictures import Resizing, with_channels
from improved_gan_tf.data.source import pick
from improved_gan_tf.errors import UserError

KNOWN = 8  # real and generated images each that are set apart for the qualification
_FEW_LEVELS = 64  # real images of fewer levels than this are coarser than bytes
_BLOCKS = 4  # the blocks in a line of a known generated image, which change places


def choose(
    images: Images,
    count: int,
    seed: int,
    resizing: Resizing | None = None,
    among: np.ndarray | None = None,
) -> Any:
    """Reads `count` of the images, chosen without repetition by the seed, in a random order.

    Args:
        images: Where they come from.
        count: Integer, how many.
        seed: Integer, of the choice.
        resizing: How they are brought to another size. None (default): they keep theirs.
        among: The numbers of those that may be chosen. None (default): all.

    Returns:
        (uint8 images [count, H, W, C], their numbers in the source, int64 [count]).

    Raises:
        UserError: There are fewer images, or they differ in size.
    """
    among = np.arange(images.count) if among is None else among
    if len(among) < count:
        raise UserError(
            f"{images.name} has {len(among)} images, fewer than the {count} that are needed "
            f"({KNOWN} of them as known examples); name more images, or ask for fewer by --images"
        )
    numbers = among[np.random.default_rng(seed).permutation(len(among))[:count]]
    found = pick(images, numbers) if resizing is None else pick(images, numbers, resizing.image)
    if len(found) < count:
        raise UserError(
            f"{images.name}: only {len(found)} of {count} images could be read; name more images"
        )
    channels = max(image.shape[2] for image in found)  # grey pictures among colour ones
    found = [with_channels(image, channels) for image in found]
    shapes = sorted({image.shape for image in found})
    if len(shapes) > 1:
        raise UserError(
            f"{images.name} has images of several shapes, {shapes[0]} and {shapes[1]} among them; "
            "name images of one size, or give --resize for real ones"
        )
    return np.stack(found), numbers


def alike(real: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """The generated images in the form of the real ones.

    Where real images have few levels of brightness (17 of the 8x8 digits), each value of the
    generated ones becomes the nearest of these levels: otherwise the bytes would tell them apart.

    Raises:
        UserError: The two kinds differ in shape.
    """
    sizes_differ = real.shape[1:3] != generated.shape[1:3]
    if sizes_differ or real.shape[3] != generated.shape[3]:
        raise UserError(
            f"real images are {_form(real)}, generated ones {_form(generated)}; name real images "
            f"of the same form{', or give --resize square or stretch' if sizes_differ else ''}"
        )
    levels = np.unique(real)
    if len(levels) >= _FEW_LEVELS:
        return generated
    nearest = np.abs(np.arange(256)[:, None] - levels.astype(int)).argmin(axis=1)
    return levels[nearest][generated]


def scrambled(images: np.ndarray, seed: int) -> np.ndarray:
    """The images with their 4 x 4 blocks in another order: plainly not real.

    They are the known generated examples of the qualification, which must not depend on how good
    the generator is.
    """
    _, height, width, _ = images.shape
    rows, columns = math.ceil(height / _BLOCKS), math.ceil(width / _BLOCKS)
    edges = (0, rows * _BLOCKS - height), (0, columns * _BLOCKS - width)
    padded = np.pad(images, ((0, 0), *edges, (0, 0)), "edge")
    random = np.random.default_rng(seed)
    result = np.empty_like(padded)
    places = [(i * rows, j * columns) for i in range(_BLOCKS) for j in range(_BLOCKS)]
    for image, out in zip(padded, result, strict=True):
        for (top, left), k in zip(places, random.permutation(len(places)), strict=True):
            y, x = places[k]
            block = image[y : y + rows, x : x + columns]
            out[top : top + rows, left : left + columns] = np.rot90(block, 2)
    return result[:, :height, :width]


def encode(image: np.ndarray) -> bytes:
    """A PNG whose bytes, but for the pixels and checksums, depend on the image's shape alone.

    Its data are neither compressed nor filtered, so that no length tells what is easy to compress.

    Args:
        image: uint8 [H, W, 1 or 3].

    Example:

    >>> encode(np.zeros((8, 8, 1), np.uint8))[1:4]
    b'PNG'
    """
    height, width, channels = image.shape
    lines = image.reshape(height, -1)
    unfiltered = np.pad(lines, ((0, 0), (1, 0))).tobytes()  # each line after filter type 0
    colour = {1: 0, 3: 2}[channels]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0)),
            (b"IDAT", zlib.compress(unfiltered, 0)),
            (b"IEND", b""),
        )
    )


def _form(images: np.ndarray) -> str:
    height, width, channels = images.shape[1:]
    return f"{height} x {width} {'grey' if channels == 1 else 'colour'}"
