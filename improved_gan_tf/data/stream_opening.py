"""From a data set's name to the source of its stream."""

from __future__ import annotations

import concurrent.futures
import os
import warnings
from pathlib import Path

import numpy as np

from improved_gan_tf.data import folder_source, sources
from improved_gan_tf.data.records.files import open_records
from improved_gan_tf.data.records.source import RecordSource
from improved_gan_tf.data.stream_sources import (
    ArraySource,
    Pictures,
    PictureSource,
    Source,
    undecodable,
    unreadable_picture,
)
from improved_gan_tf.errors import UserError

FULLY_CHECKED = 20_000  # pictures: folders of more are not decoded before training


def open_source(
    name: str,
    image_size=None,
    data_dir=None,
    skip_unreadable: bool = False,
    download: bool = True,
    num_classes=None,
) -> Source:
    """The source that a name stands for; arguments as of `load_stream`.

    Raises:
        UserError: as `load_stream`.
    """
    kind, colon, rest = str(name).partition(":")
    if colon and kind in ("records", "folder") and not rest:
        raise UserError(f"{name!r} names no path; expected {kind}:PATH.")
    if colon and kind == "records":
        files = open_records(rest, skip_unreadable, num_classes)
        return RecordSource(name, files, image_size=image_size)
    if colon and kind == "folder":
        return open_folder(rest, image_size, skip_unreadable)
    if name == "digits" or (colon and kind == "npz"):
        return ArraySource(sources.read(name), image_size)
    from improved_gan_tf.data.stream_tfds import open_tfds

    return open_tfds(name, image_size, data_dir, skip_unreadable, download)


def open_folder(path, image_size=None, skip_unreadable: bool = False) -> PictureSource:
    """Class folders of pictures: DIR/train/CLASS/* or DIR/CLASS/*.

    Beside DIR/train, DIR/test or else DIR/val is the held-out part; without DIR/train there is
    none. Up to 20,000 pictures are decoded once, to find those that cannot be; of more only the
    beginnings are looked at, unless unreadable ones are to be left out.

    Raises:
        UserError: no such folder, no class, a class without pictures, a test class that is not
            in train, a picture that cannot be decoded, or without `image_size` one of another
            size than the rest; each is named.
    """
    root = Path(path).expanduser()
    name = f"folder:{root}"
    if not root.is_dir():
        raise UserError(
            f"{name}: there is no such folder; expected one with a sub-folder of pictures a class."
        )
    folder = root / "train"
    divided = folder.is_dir() and any(p.is_dir() for p in folder.iterdir())
    class_names, files = folder_source.list_pictures(folder if divided else root, name)
    train = _pictures(files)
    test = Pictures((), np.zeros(0, np.int32))
    held_out = next((root / part for part in ("test", "val") if (root / part).is_dir()), None)
    if divided and held_out is not None:
        names, files = folder_source.list_pictures(held_out, name, allow_empty=True)
        unknown = sorted(set(names) - set(class_names))
        if unknown:
            raise UserError(
                f"{name}: {held_out.name}/ has the class {unknown[0]!r} and train/ has not; both "
                f"need the same sub-folders."
            )
        test = _pictures({class_names.index(names[i]): paths for i, paths in files.items()})
    train, test = (_checked(part, name, skip_unreadable) for part in (train, test))
    if not train.paths:
        raise UserError(f"{name}: no picture can be read; expected JPEG, PNG, GIF or BMP files.")
    _warn_of_empty(class_names, train, name)
    size = None if image_size is not None else _common_size(train.paths + test.paths, name)
    return PictureSource(name, class_names, train, test, size, image_size)


def _pictures(files) -> Pictures:
    paths = tuple(str(p) for number in sorted(files) for p in files[number])
    labels = np.repeat(
        np.array(sorted(files), np.int32), [len(files[number]) for number in sorted(files)]
    )
    return Pictures(paths, labels)


def _checked(pictures: Pictures, name, skip) -> Pictures:
    if skip or len(pictures.paths) <= FULLY_CHECKED:
        bad = undecodable(pictures.paths)
    else:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            known = pool.map(_begins_well, pictures.paths, chunksize=256)
            bad = [p for p, good in zip(pictures.paths, known, strict=True) if not good]
    if not bad:
        return pictures
    if not skip:
        raise unreadable_picture(name, bad[0])
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    warnings.warn(f"{name}: left out as undecodable: {bad[0]}{more}.", stacklevel=4)
    keep = ~np.isin(pictures.paths, bad)
    return Pictures(tuple(np.array(pictures.paths)[keep].tolist()), pictures.labels[keep])


def _begins_well(path) -> bool:
    with open(path, "rb") as stream:
        start = stream.read(8)
    return start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM"))


def _warn_of_empty(class_names, train, name) -> None:
    counts = np.bincount(train.labels, minlength=len(class_names))
    if not counts.all():
        warnings.warn(
            f"{name}: class {class_names[int(np.argmin(counts))]!r} has no readable picture.",
            stacklevel=4,
        )


def _common_size(paths, name):
    """(H, W) that all pictures have."""
    from PIL import Image

    first = None
    for path in paths:
        with Image.open(path) as picture:
            size = (picture.height, picture.width)
        if first is None:
            first = size
        elif size != first:
            raise UserError(
                f"{name}: {path} is {size[0]} x {size[1]} but {paths[0]} {first[0]} x {first[1]}; "
                f"make them equal or choose an image size."
            )
    return first
