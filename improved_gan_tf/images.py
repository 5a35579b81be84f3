"""Samples as pictures: scaling to bytes, grids, PNG files, npz archives and GIFs.

Images are NHWC, one grey channel or three colours. Everything but `to_uint8` takes uint8 images, so
that the range of a generator is stated once, where its images become bytes.

The original drew its grids in mnist_svhn_cifar10/plotting.py (img_tile, plot_img): float images
stretched over the range found in the batch, on a matplotlib axis. Here the range is that of the
generator, so that two grids can be compared, and a pixel of an image is a square of the grid.
"""

import math
import numbers
import os
from pathlib import Path

import numpy as np
from PIL import Image

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import cannot_write, temporary, temporary_folder

COMFORTABLE_TILE = 56  # pixels: small images are enlarged to about this side
LARGEST_GRID = 1600  # pixels: a grid is not enlarged beyond this side
MARGIN_LEVEL = 96  # grey: seen against black digits, white ones and photographs


def to_uint8(images, low=0.0, high=1.0):
    """round(255 (x - low) / (high - low)): the byte nearest to every value.

    Args:
        images: numbers of any shape, in [low, high]; what lies outside by at most a hundredth of
            the range is clipped.
        low, high: the range of the generator: (0, 1) behind a sigmoid, (-1, 1) behind a tanh. With
            the ends of a data set's scaling, say -127.5/128 and 127.5/128 for (x - 127.5)/128,
            bytes that were scaled come back exactly.

    Returns:
        uint8 array of the same shape.

    Raises:
        UserError: values that are no numbers or lie outside the range; low >= high.
    """
    images = np.asarray(images)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"the range of images is low < high, not low={low}, high={high}")
    if images.dtype != np.float64:
        images = images.astype(np.float32)  # also from bfloat16, which numpy cannot round
    strange = images.size - int(np.count_nonzero(np.isfinite(images)))
    if strange:
        raise UserError(
            f"{strange} of {images.size} image values are NaN or infinite; "
            "the generator has diverged: sample from an earlier checkpoint"
        )
    smallest, largest = images.min(initial=low), images.max(initial=high)
    slack = 0.01 * (high - low)
    if smallest < low - slack or largest > high + slack:
        raise UserError(
            f"image values run from {smallest:g} to {largest:g}, beyond the stated range "
            f"{low:g}..{high:g}; state the generator's own range"
        )
    scaled = (images - images.dtype.type(low)) * images.dtype.type(255.0 / (high - low))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def enlarge(images, factor=None):
    """Every pixel becomes a square of factor x factor pixels (nearest neighbour).

    Args:
        images: uint8 (N, H, W, C), C 1 or 3.
        factor: whole number from 1; None brings the longer side near 56 pixels (8 -> 56, 28 -> 56,
            32 -> 64) and leaves larger images alone.

    Returns:
        uint8 (N, factor H, factor W, C).

    Raises:
        UserError: images of another form, a factor below 1.
    """
    images = _checked(images)
    if factor is None:
        factor = max(1, round(COMFORTABLE_TILE / max(images.shape[1:3])))
    factor = _whole("the enlargement", factor)
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def grid(images, columns=None, factor=None, margin=None):
    """All images as one picture, row by row, with lines between and around them.

    Args:
        images: uint8 (N, H, W, C), C 1 or 3, N from 1.
        columns: images a row; None takes a nearly square shape, one without vacant places where
            there is such a shape (100 -> 10 x 10, 50 -> 10 columns x 5 rows).
        factor: the enlargement, as in `enlarge`; None stays within 1,600 pixels a side.
        margin: width of the lines; None is one pixel of the images, but no less than 2 (1 around
            tiles under 40 pixels): an 8x8 digit fills its tile and would run into the next.

    Returns:
        uint8 (rows (H f + margin) + margin, columns (W f + margin) + margin, C). Vacant places have
        the colour of the lines.

    Raises:
        UserError: images of another form, columns or factor below 1, a negative margin.
    """
    images = _checked(images)
    count, height, width, channels = images.shape
    columns = _columns(count) if columns is None else _whole("the number of columns", columns)
    rows = -(-count // columns)
    if factor is None:
        room = LARGEST_GRID // max(rows * height, columns * width)
        factor = max(1, min(room, round(COMFORTABLE_TILE / max(height, width))))
    images = enlarge(images, factor)
    height, width = images.shape[1:3]
    if margin is None:
        margin = max(1 if max(height, width) < 40 else 2, factor)
    margin = _whole("the margin", margin, smallest=0)
    shape = (rows * (height + margin) + margin, columns * (width + margin) + margin, channels)
    canvas = np.full(shape, MARGIN_LEVEL, np.uint8)
    for place, image in enumerate(images):
        top = margin + place // columns * (height + margin)
        left = margin + place % columns * (width + margin)
        canvas[top : top + height, left : left + width] = image
    return canvas


def save_png(path, image):
    """Writes one picture as a PNG, whole or not at all, replacing what was there.

    Args:
        path: the file.
        image: uint8 (H, W, C), C 1 or 3: an image or a `grid`.

    Returns:
        The Path written.

    Raises:
        UserError: a picture of another form; a place that cannot be written.
    """
    picture = _picture(_checked(np.asarray(image)[None])[0])
    with temporary(path) as name:
        picture.save(name, "PNG", optimize=True)
    return Path(path)


def save_folder(folder, images):
    """Writes every image at its own size as 00000.png, 00001.png, ... into a new folder.

    The folder appears whole or not at all. One that holds files already is refused: a score of the
    folder would count them in.

    Args:
        folder: a place that does not exist yet, or an empty folder.
        images: uint8 (N, H, W, C), C 1 or 3.

    Returns:
        List of the N Paths, in order.

    Raises:
        UserError: images of another form; a folder in use; a place that cannot be written.
    """
    images = _checked(images)
    folder = Path(os.path.abspath(folder))  # "runs/." has no name to put a neighbour beside
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a new folder for the images")
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


def save_npz(path, images, **arrays):
    """Writes images as a compressed .npz archive, whole or not at all.

    Args:
        path: the file (kept as it is: no suffix is added).
        images: uint8 (N, H, W, C), C 1 or 3; the archive's array `images`.
        **arrays: more arrays, e.g. `latents` (N, Z) or `labels` (N,), each with N rows.

    Returns:
        The Path written.

    Raises:
        UserError: images of another form; an array without N rows; a place that cannot be written.
    """
    images = _checked(images)
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.ndim == 0 or len(array) != len(images):
            raise UserError(
                f"array {name!r} of shape {array.shape} does not go with {len(images)} images; "
                "it must have one row an image"
            )
    with temporary(path) as name, open(name, "wb") as stream:
        np.savez_compressed(stream, images=images, **arrays)
    return Path(path)


def latent_path(keypoints, frames, closed=True):
    """Latent vectors along straight lines from keypoint to keypoint, for an interpolation.

    z(t) = (1 - t) z_k + t z_(k+1), t = 0, 1/frames, ... The prior of every recipe is uniform on a
    cube, which is convex: the line stays where the generator was trained.

    Args:
        keypoints: float (K, ...), K from 2: one latent vector (K, Z), or a grid of them (K, N, Z).
        frames: steps from one keypoint to the next, from 1.
        closed: go back to the first keypoint at the end, so that the picture repeats smoothly.

    Returns:
        Array of keypoints' dtype, (K frames, ...) if closed (the last step before the first
        keypoint again), else ((K - 1) frames + 1, ...).

    Raises:
        UserError: fewer than two keypoints; frames below 1.
    """
    keypoints = np.asarray(keypoints)
    if keypoints.ndim < 2 or len(keypoints) < 2:
        raise UserError(f"an interpolation needs two latent vectors, not shape {keypoints.shape}")
    frames = _whole("the number of frames between two images", frames)
    following = np.roll(keypoints, -1, axis=0)
    legs = len(keypoints) if closed else len(keypoints) - 1
    t = (np.arange(frames) / frames).reshape((1, frames) + (1,) * (keypoints.ndim - 1))
    path = (1 - t) * keypoints[:legs, None] + t * following[:legs, None]
    path = path.reshape((legs * frames,) + keypoints.shape[1:])
    if not closed:
        path = np.concatenate([path, keypoints[-1:]])
    return path.astype(keypoints.dtype)


def save_gif(path, frames, frames_per_second=20, columns=None, factor=None):
    """Writes an endlessly repeating GIF, whole or not at all.

    Args:
        path: the file.
        frames: uint8, (T, H, W, C) for one image a frame or (T, N, H, W, C) for a grid of N; C 1
            or 3. One palette of 256 colours serves all frames, so that nothing flickers; grey
            frames lose nothing.
        frames_per_second: 1 to 50, the most that browsers show; rounded to a whole number of the
            format's hundredths of a second a frame.
        columns, factor: as in `grid` and `enlarge`.

    Returns:
        The Path written.

    Raises:
        UserError: frames of another form; a rate out of range; a place that cannot be written.
    """
    frames = np.asarray(frames)
    if not 1 <= frames_per_second <= 50:
        raise UserError(f"frames per second lie in 1..50, not {frames_per_second}")
    if frames.ndim == 5 and len(frames):
        frames = np.stack([grid(frame, columns, factor) for frame in frames])
    else:
        frames = enlarge(frames, factor)
    pictures = _common_palette(frames)
    duration = 10 * round(100 / frames_per_second)

    with temporary(path) as name:
        pictures[0].save(
            name, "GIF", save_all=True, append_images=pictures[1:], duration=duration, loop=0
        )
    return Path(path)


def _checked(images):
    """`images` as an array, if it is uint8 (N, H, W, 1 or 3) without an empty axis."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise UserError(f"images have shape (number, height, width, 1 or 3), not {images.shape}")
    if 0 in images.shape:
        raise UserError(f"there are no images in an array of shape {images.shape}")
    if images.dtype != np.uint8:
        raise UserError(f"images are uint8, not {images.dtype}; scale them with to_uint8")
    return images


def _whole(what, value, smallest=1):
    if not isinstance(value, numbers.Integral) or value < smallest:
        raise UserError(f"{what} is a whole number from {smallest}, not {value!r}")
    return int(value)


def _columns(count):
    """The fewest columns from sqrt(count) to twice that which leave no place vacant."""
    root = math.isqrt(count - 1) + 1
    return next((c for c in range(root, 2 * root) if count % c == 0), root)


def _picture(image):
    """A Pillow image of uint8 (H, W, C)."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _common_palette(frames):
    """uint8 (T, H, W, C) as Pillow images that share one palette."""
    if frames.shape[-1] == 1:
        return [_picture(frame) for frame in frames]  # the 256 greys themselves
    # Some eight frames, spread over the whole, hold the colours of all of them. No dithering: its
    # pattern would change from frame to frame.
    chosen = frames[np.linspace(0, len(frames) - 1, min(8, len(frames))).astype(int)]
    montage = _picture(chosen.reshape((-1,) + frames.shape[2:]))
    palette = montage.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    return [_picture(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
