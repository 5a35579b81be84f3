"""Samples as pictures: scaling to bytes, grids, PNG files, npz archives and GIFs.

Images are NHWC, grey (one channel) or colour (three). Everything but `to_uint8` takes uint8 images,
so that the range of a generator is stated once, where its images become bytes.

Source: mnist_svhn_cifar10/plotting.py (img_tile, plot_img), which stretches float images over the
range found in the batch, on a matplotlib axis. Here the range is that of the generator, so that two
grids can be compared (D14), and a pixel of an image is a square of the grid.
"""

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.files import cannot_write, temporary, temporary_folder

COMFORTABLE_TILE = 56  # pixels: small images are enlarged to about this side
COMFORTABLE_FRAME = 224  # pixels: the same of a GIF, which shows one image at a time
LARGEST_GRID = 1600  # pixels: a grid is not enlarged beyond this side
MARGIN_LEVEL = 96  # grey: seen against black digits, white ones and photographs


def to_uint8(images: ArrayLike, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Scales values to bytes: round(255 (x - low) / (high - low)).

    Args:
        images: Numbers of any shape, in low..high. What lies outside by at most a hundredth of the
            range is clipped.
        low: The value that is black, as in the generator's `image_range`: 0 behind a sigmoid, -1
            behind a tanh. Default 0.0.
        high: The value of full brightness. Default 1.0. With the ends of a data set's scaling, such
            as -127.5/128 and 127.5/128, scaled bytes come back exactly.

    Returns:
        uint8 array of the same shape.

    Raises:
        UserError: Values are no numbers or lie outside the range; low >= high.

    Example:

    >>> to_uint8([-1.0, 0.0, 1.0], -1, 1)
    array([  0, 128, 255], dtype=uint8)
    """
    values = np.asarray(images)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"the range of images is low < high, not low={low}, high={high}")
    if values.dtype != np.float64:
        values = values.astype(np.float32)  # also from bfloat16, which numpy cannot round
    strange = values.size - int(np.count_nonzero(np.isfinite(values)))
    if strange:
        raise UserError(
            f"{strange} of {values.size} image values are NaN or infinite; "
            "the generator has diverged: sample from an earlier checkpoint"
        )
    smallest, largest = values.min(initial=low), values.max(initial=high)
    slack = 0.01 * (high - low)
    if smallest < low - slack or largest > high + slack:
        raise UserError(
            f"image values run from {smallest:g} to {largest:g}, beyond the stated range "
            f"{low:g}..{high:g}; state the generator's own range"
        )
    scaled = (values - values.dtype.type(low)) * values.dtype.type(255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def enlarge(images: ArrayLike, factor: int | None = None) -> np.ndarray:
    """Makes every pixel a square of factor x factor pixels (nearest neighbour).

    Args:
        images: uint8 (N, H, W, C), C 1 or 3.
        factor: The enlargement, at least 1. Default: the one that brings the longer side near 56
            pixels (8 -> 56, 28 -> 56, 32 -> 64); larger images are left alone.

    Returns:
        uint8 (N, factor H, factor W, C).

    Raises:
        UserError: The images have another form; the factor is below 1.

    Example:

    >>> enlarge(np.zeros((2, 8, 8, 1), np.uint8)).shape
    (2, 56, 56, 1)
    """
    images = _checked(images)
    if factor is None:
        factor = max(1, round(COMFORTABLE_TILE / max(images.shape[1:3])))
    factor = check_whole("the enlargement", factor)
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def grid(
    images: ArrayLike,
    columns: int | None = None,
    factor: int | None = None,
    margin: int | None = None,
) -> np.ndarray:
    """Puts all images into one picture, line by line, with margins between and around them.

    Args:
        images: uint8 (N, H, W, C), C 1 or 3, N at least 1.
        columns: Images in each line. Default: a nearly square shape, one without vacant places
            where there is one (100 -> 10 x 10, 50 -> 10 columns x 5 lines).
        factor: The enlargement, as in `enlarge`. Default: stays within 1,600 pixels a side.
        margin: Width of the margins in pixels. Default: one pixel of the images, but no less than 2
            (1 around tiles under 40 pixels): an 8x8 digit fills its tile and would run into the
            next one.

    Returns:
        uint8 (lines (H f + margin) + margin, columns (W f + margin) + margin, C), where f is the
        enlargement. Vacant places have the colour of the margins.

    Raises:
        UserError: The images have another form; columns or factor are below 1; the margin is
            negative.

    Example:

    >>> grid(np.zeros((100, 28, 28, 1), np.uint8)).shape
    (582, 582, 1)
    """
    images = _checked(images)
    count, height, width, channels = images.shape
    columns = _columns(count) if columns is None else check_whole("the number of columns", columns)
    rows = -(-count // columns)
    if factor is None:
        room = LARGEST_GRID // max(rows * height, columns * width)
        factor = max(1, min(room, round(COMFORTABLE_TILE / max(height, width))))
    images = enlarge(images, factor)
    height, width = images.shape[1:3]
    if margin is None:
        margin = max(1 if max(height, width) < 40 else 2, factor)
    margin = check_whole("the margin", margin, 0)
    shape = (rows * (height + margin) + margin, columns * (width + margin) + margin, channels)
    canvas = np.full(shape, MARGIN_LEVEL, np.uint8)
    for place, image in enumerate(images):
        top = margin + place // columns * (height + margin)
        left = margin + place % columns * (width + margin)
        canvas[top : top + height, left : left + width] = image
    return canvas


def save_png(path: str | os.PathLike, image: ArrayLike) -> Path:
    """Writes one picture as a PNG, whole or not at all; returns the path.

    Args:
        path: The file.
        image: uint8 (H, W, C), C 1 or 3: an image or a `grid`.

    Raises:
        UserError: The picture has another form; the place cannot be written.

    Example:

    >>> sampled = np.random.rand(100, 28, 28, 1)  # of a GAN: gan.sample(100)
    >>> path = save_png("samples.png", grid(to_uint8(sampled, 0, 1)))  # *gan.image_range
    """
    picture = _picture(_checked(np.asarray(image)[None])[0])
    with temporary(path) as name:
        picture.save(name, "PNG")
    return Path(path)


def save_folder(folder: str | os.PathLike, images: ArrayLike) -> list[Path]:
    """Writes every image at its own size as 00000.png, 00001.png, ...; returns the N paths.

    Args:
        folder: A place that does not exist yet, or an empty folder: a score would include what it
            held. It appears whole or not at all.
        images: uint8 (N, H, W, C), C 1 or 3.

    Raises:
        UserError: The images have another form; the folder is in use or cannot be written.

    Example:

    >>> [path.name for path in save_folder("samples", np.zeros((2, 8, 8, 1), np.uint8))]
    ['00000.png', '00001.png']
    """
    images = _checked(images)
    folder = Path(os.path.abspath(folder))  # "runs/." has no name to put a neighbour beside
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; name a new folder for the images")
        digits = max(5, len(str(len(images) - 1)))
        names = [f"{place:0{digits}d}.png" for place in range(len(images))]
        with temporary_folder(folder) as new:
            for name, image in zip(names, images, strict=True):
                _picture(image).save(new / name, "PNG")
    except OSError as error:
        raise cannot_write(folder, error) from error
    return [folder / name for name in names]


def save_npz(path: str | os.PathLike, images: ArrayLike, **arrays: ArrayLike) -> Path:
    """Writes images as a compressed .npz archive, whole or not at all; returns the path.

    Args:
        path: The file, as it is: no suffix is added.
        images: uint8 (N, H, W, C), C 1 or 3; the archive's array `images`.
        **arrays: More arrays of length N, such as `latents` (N, Z) or `labels` (N,).

    Raises:
        UserError: The images have another form; an array has another length; the place cannot be
            written.

    Example:

    >>> path = save_npz("samples.npz", np.zeros((2, 8, 8, 1), np.uint8), labels=[0, 1])
    """
    images = _checked(images)
    others: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in others.items():
        if array.ndim == 0 or len(array) != len(images):
            raise UserError(
                f"array {name!r} of shape {array.shape} does not go with {len(images)} images; "
                "it must have one entry per image"
            )
    with temporary(path) as new, open(new, "wb") as stream:
        np.savez_compressed(stream, images=images, **others)
    return Path(path)


def latent_path(keypoints: ArrayLike, frames: int, closed: bool = True) -> np.ndarray:
    """Latent vectors along straight lines from keypoint to keypoint, for an interpolation.

    z(t) = (1 - t) z_k + t z_(k+1), t = 0, 1/frames, ... The prior of every recipe is uniform on a
    cube, which is convex: the line stays where the generator was trained.

    Args:
        keypoints: float (K, ...), K at least 2: one latent vector (K, Z), or a grid of them
            (K, N, Z).
        frames: Steps from one keypoint to the next, at least 1.
        closed: Whether the path ends where it began, so that the picture repeats smoothly. Default
            True.

    Returns:
        Array of the keypoints' dtype: (K frames, ...) if closed (its last step lies before the
        first keypoint), else ((K - 1) frames + 1, ...).

    Raises:
        UserError: There are fewer than two keypoints; frames is below 1.

    Example:

    >>> latent_path([[0.0], [1.0]], 2).tolist()
    [[0.0], [0.5], [1.0], [0.5]]
    """
    ends = np.asarray(keypoints)
    if ends.ndim < 2 or len(ends) < 2:
        raise UserError(f"an interpolation needs two latent vectors, not shape {ends.shape}")
    frames = check_whole("the number of frames between two images", frames)
    following = np.roll(ends, -1, axis=0)
    legs = len(ends) if closed else len(ends) - 1
    t = (np.arange(frames) / frames).reshape((1, frames) + (1,) * (ends.ndim - 1))
    path = (1 - t) * ends[:legs, None] + t * following[:legs, None]
    path = path.reshape((legs * frames,) + ends.shape[1:])
    if not closed:
        path = np.concatenate([path, ends[-1:]])
    return path.astype(ends.dtype)


def save_gif(
    path: str | os.PathLike,
    frames: ArrayLike,
    frames_per_second: float = 20,
    columns: int | None = None,
    factor: int | None = None,
) -> Path:
    """Writes an endlessly repeating GIF, whole or not at all; returns the path.

    Args:
        path: The file.
        frames: uint8, (T, H, W, C) for one image per frame or (T, N, H, W, C) for a grid of N; C 1
            or 3. One palette of 256 colours serves all frames, so that nothing flickers; grey
            frames lose nothing.
        frames_per_second: The rate, 1 to 50 (the most that browsers show), rounded to a whole
            number of hundredths of a second per frame. Default 20.
        columns: Images in each line of a grid, as in `grid`.
        factor: The enlargement. Default: as in `grid` for a grid; for one image per frame the one
            that brings the longer side near 224 pixels.

    Raises:
        UserError: The frames have another form; the rate is out of range; the place cannot be
            written.

    Example:

    >>> path = save_gif("samples.gif", np.zeros((5, 16, 8, 8, 1), np.uint8))
    """
    shown = np.asarray(frames)
    if not 1 <= frames_per_second <= 50:
        raise UserError(f"frames per second must be in 1..50, not {frames_per_second}")
    if shown.ndim == 5 and len(shown):
        shown = np.stack([grid(frame, columns, factor) for frame in shown])
    else:
        side = max(_checked(shown).shape[1:3])
        shown = enlarge(shown, factor or max(1, round(COMFORTABLE_FRAME / side)))
    pictures = _common_palette(shown)
    duration = 10 * round(100 / frames_per_second)
    with temporary(path) as name:
        pictures[0].save(
            name, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
        )
    return Path(path)


def _checked(images: ArrayLike) -> np.ndarray:
    """`images` as an array, if it is uint8 (N, H, W, 1 or 3) without an empty axis."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(f"expected images of shape (N, height, width, 1 or 3), not {images.shape}")
    if 0 in images.shape:
        raise UserError(f"there are no images in an array of shape {images.shape}")
    if images.dtype != np.uint8:
        raise UserError(f"expected uint8 images, not {images.dtype}; convert them with to_uint8")
    return images


def _columns(count: int) -> int:
    """The fewest columns from sqrt(count) to twice that which leave no place vacant."""
    root = math.isqrt(count - 1) + 1
    return next((c for c in range(root, 2 * root) if count % c == 0), root)


def _picture(image: np.ndarray) -> Image.Image:
    """A Pillow image of uint8 (H, W, C)."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _common_palette(frames: np.ndarray) -> list[Image.Image]:
    """uint8 (T, H, W, C) as Pillow images that share one palette."""
    if frames.shape[-1] == 1:
        return [_picture(frame) for frame in frames]  # the 256 greys themselves
    # Some eight frames, spread over the whole, hold the colours of all of them. No dithering: its
    # pattern would change from frame to frame.
    chosen = frames[np.linspace(0, len(frames) - 1, min(8, len(frames))).astype(int)]
    montage = _picture(chosen.reshape((-1,) + frames.shape[2:]))
    palette = montage.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return [_picture(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
