"""Data sets from folders of pictures, one sub-folder a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from improved_gan_tf.data.arrays import Arrays, checked_arrays
from improved_gan_tf.errors import UserError

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
)
_GREY = frozenset(("1", "L", "LA"))
_COLOUR = frozenset(("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "HSV", "LAB", "RGBX", "RGBa"))


def read_folder(path, image_size=None, test_fraction: float = 0.2, split_seed: int = 0) -> Arrays:
    """Reads a folder of pictures.

    Layouts: `DIR/train/CLASS/*` with `DIR/test/CLASS/*`, or `DIR/CLASS/*`. In the second case
    round(test_fraction * n) pictures of each class's n are held out for testing, those first in
    `RandomState(split_seed + class number).permutation(n)`. Classes are numbered in the sorted
    order of their names, pictures ordered by sorted name. Other files than pictures (by suffix)
    and hidden ones are passed over.

    Args:
        path: the folder.
        image_size: (height, width) or one number: resize all to it (bilinear, antialiased,
            not cropped). By default all must be equally large already.
        test_fraction: part held out where there is no train/ and test/, 0 < fraction < 1.
        split_seed: seed of that split.

    Returns:
        Arrays of uint8 images: 1 channel if every picture is grey, else 3.

    Raises:
        UserError: no such folder, no classes, a class without pictures, train/ and test/ with
            other classes, a picture that cannot be read (named), or of another size.
    """
    root = Path(path).expanduser()
    name = f"folder:{root}"
    if not root.is_dir():
        raise UserError(
            f"{name}: there is no such folder; expected one with a sub-folder of pictures a class."
        )
    size = _size(image_size)
    if (root / "train").is_dir() and (root / "test").is_dir():
        class_names, train = list_pictures(root / "train", name)
        test_names, test = list_pictures(root / "test", name, allow_empty=True)
        unknown = sorted(set(test_names) - set(class_names))
        if unknown:
            raise UserError(
                f"{name}: test/ has the class {unknown[0]!r} and train/ has not; both need the "
                f"same sub-folders."
            )
        test = {class_names.index(test_names[i]): files for i, files in test.items()}
    else:
        class_names, files = list_pictures(root, name)
        train, test = _split(files, class_names, name, test_fraction, split_seed)
    if not any(test.values()):
        raise UserError(f"{name}: no picture is left for testing; add some or hold out more.")
    (train_images, test_images) = _decode([_flat(train), _flat(test)], name, size)
    return checked_arrays(
        train_images,
        _labels(train),
        test_images,
        _labels(test),
        name=name,
        class_names=class_names,
    )


def _size(image_size):
    if image_size is None:
        return None
    size = (image_size, image_size) if np.ndim(image_size) == 0 else tuple(image_size)
    if len(size) != 2 or not all(int(s) == s and s >= 1 for s in size):
        raise UserError(f"image size {image_size} given; expected (height, width), 1 or more.")
    return int(size[0]), int(size[1])


def list_pictures(folder: Path, name: str, allow_empty: bool = False):
    """Class names, and {class number: sorted picture files}."""
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    if not classes:
        raise UserError(
            f"{name}: {folder} has no sub-folder; expected one sub-folder of pictures a class."
        )
    files = {}
    for number, class_name in enumerate(classes):
        files[number] = sorted(
            p
            for p in (folder / class_name).iterdir()
            if p.suffix.lower() in SUFFIXES and p.name[0] != "." and p.is_file()
        )
        if not files[number] and not allow_empty:
            raise UserError(
                f"{name}: class {class_name!r} has no example; put pictures "
                f"({', '.join(sorted(SUFFIXES))}) into {folder / class_name} or remove it."
            )
    return classes, files


def _split(files, class_names, name, test_fraction, split_seed):
    if not 0.0 < test_fraction < 1.0:
        raise UserError(
            f"test fraction {test_fraction} given; expected a number between 0 and 1 (or "
            f"sub-folders train and test)."
        )
    train, test = {}, {}
    for number, paths in files.items():
        held = round(test_fraction * len(paths))
        if held == len(paths):
            raise UserError(
                f"{name}: class {class_names[number]!r} has {len(paths)} pictures, all held out "
                f"for testing; give it more or lower the test fraction {test_fraction}."
            )
        shuffled = np.random.RandomState(split_seed + number).permutation(len(paths))
        test[number] = [paths[i] for i in np.sort(shuffled[:held])]
        train[number] = [paths[i] for i in np.sort(shuffled[held:])]
    return train, test


def _flat(files):
    return [path for number in sorted(files) for path in files[number]]


def _labels(files):
    numbers = sorted(files)
    return np.repeat(np.array(numbers, np.int32), [len(files[n]) for n in numbers])


def _decode(parts, name, size):
    """Decodes lists of files to [N, H, W, C] uint8 arrays, alike in H, W and C."""
    pictures = [[_read_picture(path, name, size) for path in paths] for paths in parts]
    channels = max(picture.shape[2] for part in pictures for picture in part)
    shape, example = None, None
    stacked = []
    for part, paths in zip(pictures, parts, strict=True):
        for picture, path in zip(part, paths, strict=True):
            if shape is None:
                shape, example = picture.shape[:2], path
            elif picture.shape[:2] != shape:
                raise UserError(
                    f"{name}: {path} is {picture.shape[0]} x {picture.shape[1]} but {example} "
                    f"{shape[0]} x {shape[1]}; make them equal or choose an image size."
                )
        # A grey picture among colour ones has three equal channels.
        stacked.append(np.stack([np.broadcast_to(picture, (*shape, channels)) for picture in part]))
    return stacked


def _read_picture(path: Path, name: str, size) -> np.ndarray:
    """[H, W, 1] if the file is grey, else [H, W, 3]; uint8."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode not in _GREY | _COLOUR:
                raise UserError(
                    f"{name}: {path} has pixels of mode {picture.mode}; expected 8 bits a channel."
                )
            picture = picture.convert("L" if picture.mode in _GREY else "RGB")
            if size is not None and picture.size != (size[1], size[0]):
                picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(picture, np.uint8)
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        # Pillow raises each of these for files that are truncated or no pictures at all.
        raise UserError(
            f"{name}: {path} cannot be read as a picture; replace or remove it."
        ) from None
    return pixels[..., None] if pixels.ndim == 2 else pixels
