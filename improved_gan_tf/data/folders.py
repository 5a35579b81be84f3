"""`folder:DIR`: picture files in class folders; only their names are in memory."""

from __future__ import annotations

import concurrent.futures
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.data import archives
from improved_gan_tf.data.archives import unreadable
from improved_gan_tf.data.pictures import (
    Unreadable,
    begins_well,
    class_folders,
    decode_tensor,
    header,
)
from improved_gan_tf.data.source import Source
from improved_gan_tf.errors import UserError

HELD_OUT = 0.2  # of each class, where there is no test set
FULLY_CHECKED = 20_000  # pictures: folders of more are not decoded before training


@dataclass(frozen=True)
class Pictures:
    """Picture files and their class numbers, int32 [N]."""

    paths: tuple[str, ...]
    labels: np.ndarray


def open_folder(path: str, skip: bool = False) -> FolderSource:
    """Opens a folder of class folders.

    The layouts are DIR/train/CLASS/* with DIR/test/CLASS/* or DIR/val/CLASS/* (of which test is
    preferred), or DIR/CLASS/*. Where there is no test set, round(0.2 n) of each class's n pictures
    are held out as one: those first in `RandomState(class number).permutation(n)`, sorted by name.

    Args:
        path: The folder.
        skip: Leave out pictures that cannot be read, with a warning that names the first; this
            decodes every picture once.

    Raises:
        UserError: No such folder, no class, a class without a picture, a test class that is not a
            training class.
    """
    root = Path(path).expanduser()
    name = f"folder:{root}"
    if not root.is_dir():
        raise UserError(
            f"{name}: there is no such folder; expected one with a sub-folder of pictures per class"
        )
    folder = root / "train"
    divided = folder.is_dir() and any(p.is_dir() for p in folder.iterdir())
    class_names, train = class_folders(folder if divided else root, name)
    parts = {}
    for split in ("test", "val") if divided else ():
        if (root / split).is_dir():
            names, files = class_folders(root / split, name, allow_empty=True)
            unknown = sorted(set(names) - set(class_names))
            if unknown:
                raise UserError(
                    f"{name}: {split}/ has the class {unknown[0]!r} and train/ has not; both need "
                    f"the same sub-folders"
                )
            parts[split] = {class_names.index(names[i]): paths for i, paths in files.items()}
    held_out = None if parts else HELD_OUT
    if held_out is not None:
        train, parts["test"] = _held_out(train)
    pictures = {split: _pictures(files) for split, files in {"train": train, **parts}.items()}
    return FolderSource(name, class_names, pictures, held_out, skip)


def _held_out(files):
    train, test = {}, {}
    for number, paths in files.items():
        count = round(HELD_OUT * len(paths))
        shuffled = np.random.RandomState(number).permutation(len(paths))
        test[number] = [paths[i] for i in np.sort(shuffled[:count])]
        train[number] = [paths[i] for i in np.sort(shuffled[count:])]
    return train, test


def _pictures(files):
    numbers = sorted(files)
    paths = tuple(str(path) for number in numbers for path in files[number])
    labels = np.repeat(np.array(numbers, np.int32), [len(files[number]) for number in numbers])
    return Pictures(paths, labels)


class FolderSource(Source):
    """Labelled picture files.

    Args:
        name: The name of the data set.
        class_names: One name per class.
        listed: The files of each split, "train" first, then the one that tests.
        held_out: See `Source`.
        skip: Leave out the pictures that cannot be read.
    """

    def __init__(
        self,
        name: str,
        class_names: list[str],
        listed: Mapping[str, Pictures],
        held_out: float | None = None,
        skip: bool = False,
    ):
        self.name, self.class_names, self.held_out = name, tuple(class_names), held_out
        self.split_names = tuple(listed)
        self.test_split = self.split_names[1]
        self._listed, self._skip = dict(listed), skip

    @cached_property
    def _files(self) -> dict[str, Pictures]:
        """The files that are used: those listed, without unreadable ones if these are skipped."""
        if not self._skip:
            return self._listed
        bad = _undecodable(self._paths(self._listed))
        if not bad:
            return self._listed
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        warnings.warn(f"{self.name}: left out as unreadable: {bad[0]}{more}", stacklevel=3)
        files = {}
        for split, pictures in self._listed.items():
            keep = ~np.isin(pictures.paths, bad)
            paths = tuple(np.array(pictures.paths, object)[keep])
            files[split] = Pictures(paths, pictures.labels[keep])
        counts = np.bincount(files["train"].labels, minlength=self.num_classes)
        if not counts.any():
            raise UserError(f"{self.name}: no picture can be read; replace the folder's files")
        if not counts.all():
            missing = (self.class_names or ())[int(np.argmin(counts))]
            warnings.warn(f"{self.name}: class {missing!r} has no readable picture", stacklevel=3)
        return files

    @staticmethod
    def _paths(files):
        return [path for pictures in files.values() for path in pictures.paths]

    @cached_property
    def channels(self) -> int:  # type: ignore[override]
        return 1 if all(self._header(path)[2] for path in self._paths(self._files)) else 3

    @cached_property
    def _size(self) -> tuple[int, int]:
        paths = self._paths(self._files)
        height, width, _ = self._header(paths[0])
        for path in paths:
            h, w, _ = self._header(path)
            if (h, w) != (height, width):
                raise UserError(
                    f"{self.name}: {path} is {h} x {w} but {paths[0]} {height} x {width}; make "
                    f"them equal or choose an image size"
                )
        return height, width

    def _header(self, path):
        try:
            return header(path)
        except Unreadable as error:
            raise unreadable(f"{self.name}: {path}", error) from error

    @property
    def own_size(self) -> tuple[int | None, int | None]:
        try:
            return self._size
        except UserError:  # they differ
            return None, None

    def one_shape(self) -> tuple[int, int, int]:
        return *(self.resizing.size or self._size), self.channels

    def count(self, split: str) -> int:
        return len(self._files[split].paths)

    def labels(self, split: str) -> np.ndarray:
        return self._files[split].labels

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        shape, paths = self.one_shape(), self._files[split].paths
        if not paths:
            return np.zeros((0, *shape), np.uint8), self.labels(split)
        images = archives.files(self.name, paths).images(
            lambda image: np.broadcast_to(self.resizing.image(image), shape), os.cpu_count() or 1
        )
        return np.stack(list(images)), self.labels(split)

    def _images(self, split, image_range):
        return archives.files(f"{self.name}@{split}", self._listed[split].paths, self._skip)

    def decode(self, element: Any, split: str) -> tuple[Any, Any]:
        import tensorflow as tf

        pictures = self._files[split]
        with tf.init_scope(), tf.device("CPU:0"):
            paths, labels = tf.constant(pictures.paths), tf.constant(pictures.labels, tf.int32)
        shape = self.one_shape()
        image = decode_tensor(tf.io.read_file(tf.gather(paths, element)), shape[2])
        return self.resizing.tensor(image, shape), tf.gather(labels, element)

    def check(self, quick: bool = False) -> None:
        paths = self._paths(self._files)
        if quick and self._skip:
            return
        if not quick or len(paths) <= FULLY_CHECKED:
            bad = _undecodable(paths)
        else:
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                known = pool.map(begins_well, paths, chunksize=256)
                bad = [path for path, good in zip(paths, known, strict=True) if not good]
        if bad:
            raise unreadable(f"{self.name}: {bad[0]}", "damaged, or no picture")


def _undecodable(paths):
    """The picture files that the pipeline cannot decode, in their order."""
    import tensorflow as tf

    def fails(path):
        try:
            decode_tensor(tf.io.read_file(path))
        except (tf.errors.OpError, Unreadable):
            return True
        return False

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [path for path, bad in zip(paths, pool.map(fails, paths), strict=True) if bad]
