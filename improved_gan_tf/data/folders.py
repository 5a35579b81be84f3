"""`folder:DIR`: picture files in class folders; only their names are in memory."""

from __future__ import annotations

import concurrent.futures
import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from improved_gan_tf.data.archives import picture_files, unreadable
from improved_gan_tf.data.pictures import Unreadable, class_folders, decode_tensor, header
from improved_gan_tf.data.source import Images, Source
from improved_gan_tf.errors import UserError

HELD_OUT = 0.2  # of each class, where there is no test set
FULLY_CHECKED = 20_000  # pictures: folders of more are not decoded before training


class Pictures(NamedTuple):
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
        skip: Leave out pictures that cannot be read. For training that decodes every picture once.

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
    parts: dict[str, dict[int, list[Path]]] = {"train": train}
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
    held_out = HELD_OUT if len(parts) == 1 else None
    if held_out is not None:
        parts = {"train": {}, "test": {}}
        for number, paths in train.items():
            count = round(held_out * len(paths))
            shuffled = np.random.RandomState(number).permutation(len(paths))
            for split, chosen in (("test", shuffled[:count]), ("train", shuffled[count:])):
                parts[split][number] = [paths[i] for i in np.sort(chosen)]
    listed = {}
    for split, by_class in parts.items():
        found = [(str(path), k) for k in sorted(by_class) for path in by_class[k]]
        listed[split] = Pictures(
            tuple(path for path, _ in found), np.array([k for _, k in found], np.int32)
        )
    return FolderSource(name, class_names, listed, held_out, skip)


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
        self._listed, self._skip = listed, skip

    @cached_property
    def _files(self) -> Mapping[str, Pictures]:
        """The files that are used: those listed, without unreadable ones if these are skipped."""
        bad = _failing(_decodes, self._paths(self._listed)) if self._skip else []
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

    def _paths(self, files):
        return [path for pictures in files.values() for path in pictures.paths]

    def _header(self, path):
        try:
            return header(path)
        except Unreadable as error:
            raise unreadable(f"{self.name}: {path}", error) from error

    @cached_property
    def channels(self) -> int:  # type: ignore[override]
        return 1 if all(self._header(path)[2] for path in self._paths(self._files)) else 3

    @cached_property
    def size(self) -> tuple[int | None, int | None]:  # type: ignore[override]
        return (None, None) if self._difference else self._header(self._files["train"].paths[0])[:2]

    @cached_property
    def _difference(self) -> str:
        """Which pictures differ in size, if any do."""
        first, *others = self._paths(self._files)
        height, width, _ = self._header(first)
        for path in others:
            h, w, _ = self._header(path)
            if (h, w) != (height, width):
                return f"{path} is {h} x {w} but {first} {height} x {width}"
        return ""

    def one_shape(self) -> tuple[int, int, int]:
        if self.resizing.size is None and self._difference:
            raise UserError(
                f"{self.name}: {self._difference}; make them equal or choose an image size"
            )
        return super().one_shape()

    def count(self, split: str) -> int:
        return len(self._files[split].paths)

    def labels(self, split: str) -> np.ndarray:
        return self._files[split].labels

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        shape, paths = self.one_shape(), self._files[split].paths
        images = np.zeros((len(paths), *shape), np.uint8)
        if paths:
            found = picture_files(self.name, paths).images(self.resizing.image, os.cpu_count() or 1)
            for place, image in enumerate(found):
                images[place] = image  # a grey picture among colour ones has three equal channels
        return images, self.labels(split)

    def _images(self, split: str, image_range: tuple[float, float] | None) -> Images:
        return picture_files(f"{self.name}@{split}", self._listed[split].paths, self._skip)

    def decode(self, element: Any, split: str) -> tuple[Any, Any]:
        import tensorflow as tf

        pictures, shape = self._files[split], self.one_shape()
        with tf.init_scope(), tf.device("CPU:0"):
            paths, labels = tf.constant(pictures.paths), tf.constant(pictures.labels)
        image = decode_tensor(tf.io.read_file(tf.gather(paths, element)), shape[2])
        return self.resizing.tensor(image, shape), tf.gather(labels, element)

    def check(self, quick: bool = False) -> None:
        paths = self._paths(self._files)
        if quick and self._skip:
            return  # checked already
        few = len(paths) <= FULLY_CHECKED
        bad = _failing(_decodes if few or not quick else _begins_well, paths)
        if bad:
            raise unreadable(f"{self.name}: {bad[0]}", "damaged, or no picture")


def _failing(test, paths):
    """The paths for which the test is false."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        good = pool.map(test, paths, chunksize=64)
        return [path for path, is_good in zip(paths, good, strict=True) if not is_good]


def _decodes(path):
    """Whether the pipeline can decode a picture file."""
    import tensorflow as tf

    try:
        decode_tensor(tf.io.read_file(path))
    except (tf.errors.OpError, Unreadable):
        return False
    return True


def _begins_well(path):
    with open(path, "rb") as stream:
        start = stream.read(4)
    return start.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF", b"II*\0",
                             b"MM\0*", b"P4", b"P5", b"P6"))  # fmt: skip
