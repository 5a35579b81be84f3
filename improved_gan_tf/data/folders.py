"""`folder:DIR`: picture files in class folders; only their names are in memory."""

from __future__ import annotations

import concurrent.futures
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from improved_gan_tf.data.archives import picture_files, unreadable
from improved_gan_tf.data.labels import HELD_OUT, held_out
from improved_gan_tf.data.pictures import (
    Unreadable,
    class_folders,
    decode,
    decode_tensor,
    header,
    is_picture,
)
from improved_gan_tf.data.source import Images, Range, Source
from improved_gan_tf.errors import UserError

UNLABELED = ("unlabeled", "_unlabeled")  # folders that are no class
FULLY_CHECKED = 20_000  # pictures: folders of more are not decoded before training
_BEGINNINGS = tuple(b"\xff\xd8\xff \x89PNG GIF8 BM RIFF II MM P4 P5 P6".split())


class Pictures(NamedTuple):
    """Picture files and their class numbers, int32 [N]; -1 is unlabeled."""

    paths: Sequence[str]
    labels: np.ndarray


def open_folder(path: str, skip: bool = False) -> FolderSource:
    """Opens a folder of class folders; see `FolderSource` for `skip`.

    The layouts are DIR/train/CLASS/* with DIR/test/CLASS/* or DIR/val/CLASS/* (of which test is
    preferred), or DIR/CLASS/*. Where there is no test set, a fifth of each class is, see
    `labels.held_out`. Pictures in DIR/unlabeled, DIR/_unlabeled or the same in DIR/train, and in
    their sub-folders, are training images without a label, after the others.

    Raises:
        UserError: No such folder, no class, a class without a picture, a test class that is not a
            training class.
    """
    root = Path(path).expanduser()
    name = f"folder:{root}"
    if not root.is_dir():
        wrong = "this is a file" if os.path.exists(root) else "there is no such folder"
        raise UserError(
            f"{name}: {wrong}; expected a folder with a sub-folder of pictures per class"
        )
    divided = (root / "train").is_dir() and any(p.is_dir() for p in (root / "train").iterdir())
    inside = root / "train" if divided else root
    class_names, train = class_folders(inside, name, without=UNLABELED)
    parts = {"train": train}
    for split in ("test", "val"):
        if divided and (root / split).is_dir():
            names, files = class_folders(root / split, name, allow_empty=True)
            unknown = sorted(set(names) - set(class_names))
            if unknown:
                raise UserError(
                    f"{name}: {split}/ has the class {unknown[0]!r} and train/ has not; both need "
                    f"the same sub-folders"
                )
            parts[split] = {class_names.index(names[i]): paths for i, paths in files.items()}
    listed = {}
    for split, by_class in parts.items():
        found = [(str(path), k) for k in sorted(by_class) for path in by_class[k]]
        listed[split] = Pictures([p for p, _ in found], np.array([k for _, k in found], np.int32))
    fraction = None
    if len(parts) == 1:
        (paths, labels), fraction = listed["train"], HELD_OUT
        test = held_out(labels)
        for split, chosen in (("train", np.delete(np.arange(len(paths)), test)), ("test", test)):
            listed[split] = Pictures([paths[i] for i in chosen.tolist()], labels[chosen])
    paths, labels = listed["train"]
    for folder in dict.fromkeys(place / part for place in (root, inside) for part in UNLABELED):
        paths = [*paths, *_all_pictures(folder)]
    labels = np.concatenate([labels, np.full(len(paths) - len(labels), -1, np.int32)])
    listed["train"] = Pictures(paths, labels)
    return FolderSource(name, class_names, listed, fraction, skip)


def _all_pictures(folder):
    """The paths of the pictures in a folder and its sub-folders, sorted."""
    found = folder.rglob("*") if folder.is_dir() else ()
    return sorted(str(p) for p in found if is_picture(str(p.relative_to(folder))) and p.is_file())


class FolderSource(Source):
    """Labeled picture files: those of each split, "train" first, then the one that tests.

    With `skip`, unreadable ones are left out; for training that decodes every picture once.
    """

    def __init__(
        self,
        name: str,
        class_names: Sequence[str],
        listed: Mapping[str, Pictures],
        held_out: float | None = None,
        skip: bool = False,
    ):
        self.name, self.class_names, self.held_out = name, tuple(class_names), held_out
        self.split_names, self.test_split = tuple(listed), list(listed)[1]
        self._listed, self._skip = listed, skip

    @cached_property
    def _files(self) -> Mapping[str, Pictures]:
        """The files that training uses: those listed, without unreadable ones if so wanted."""
        bad = _failing(_decodes, self._listed) if self._skip else []
        if not bad:
            return self._listed
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        warnings.warn(f"{self.name}: left out as unreadable: {bad[0]}{more}", stacklevel=3)
        files = {}
        for split, (paths, labels) in self._listed.items():
            keep = ~np.isin(paths, bad)
            files[split] = Pictures(np.array(paths, object)[keep].tolist(), labels[keep])
        numbers = files["train"].labels
        counts = np.bincount(numbers[numbers >= 0], minlength=self.num_classes)
        if not counts.any():
            raise UserError(f"{self.name}: no picture can be read; replace the folder's files")
        if not counts.all():
            missing = (self.class_names or ())[int(np.argmin(counts))]
            warnings.warn(f"{self.name}: class {missing!r} has no readable picture", stacklevel=3)
        return files

    def _headers(self):
        """(path, height, width, whether it is grey) of each file."""
        for path in _paths(self._files):
            try:
                yield path, *header(path)
            except Unreadable as error:
                raise unreadable(f"{self.name}: {path}", error) from error

    @cached_property
    def channels(self) -> int:  # type: ignore[override]
        return 1 if all(grey for *_, grey in self._headers()) else 3

    @cached_property
    def _sizes(self) -> dict[tuple[int, int], str]:
        """The first file of each size (height, width)."""
        sizes: dict[tuple[int, int], str] = {}
        for path, height, width, _ in self._headers():
            sizes.setdefault((height, width), path)
        return sizes

    @property
    def size(self) -> tuple[int | None, int | None]:  # type: ignore[override]
        return (None, None) if len(self._sizes) > 1 else next(iter(self._sizes))

    def one_shape(self) -> tuple[int, int, int]:
        if self.resizing.size is None and len(self._sizes) > 1:
            ((h, w), first), ((height, width), path), *_ = self._sizes.items()
            raise UserError(
                f"{self.name}: {path} is {height} x {width} but {first} {h} x {w}; make them "
                f"equal or choose an image size, where that is offered (image_size, --image-size)"
            )
        return super().one_shape()

    @property
    def num_unlabeled(self) -> int:  # type: ignore[override]
        return int(np.count_nonzero(self.labels("train") < 0))

    def count(self, split: str) -> int:
        return len(self.labels(split))

    def file_names(self, split: str) -> Sequence[str]:
        return self._files[split].paths

    def labels(self, split: str) -> np.ndarray:
        return self._files[split].labels

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        paths, labels = self._files[split]
        images = np.zeros((len(paths), *self.one_shape()), np.uint8)
        if paths:
            found = picture_files(self.name, paths).images(self.resizing.image, os.cpu_count() or 1)
            for place, image in enumerate(found):
                images[place] = image  # a grey picture among colour ones has three equal channels
        return images, labels

    def _images(self, split: str, image_range: Range) -> Images:
        return picture_files(f"{self.name}@{split}", self._listed[split].paths, self._skip)

    def _image_labels(self, split: str) -> np.ndarray:
        return self._listed[split].labels

    def decode(self, element: Any, split: str) -> tuple[Any, Any]:
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):
            paths, labels = self._files[split]
            # As bytes: names of files need not be UTF-8.
            paths, labels = tf.constant([*map(os.fsencode, paths)]), tf.constant(labels)
        shape = self.one_shape()
        image = decode_tensor(tf.io.read_file(tf.gather(paths, element)), shape[2])
        return self.resizing.tensor(image, shape), tf.gather(labels, element)

    def check(self, quick: bool = False) -> None:
        if quick and self._skip:
            return  # `_files` checks them
        few = len(_paths(self._files)) <= FULLY_CHECKED
        bad = _failing(_decodes if few or not quick else _begins_well, self._files)
        if bad:
            raise unreadable(f"{self.name}: {bad[0]}", _reason(bad[0]))


def _paths(files):
    return [path for pictures in files.values() for path in pictures.paths]


def _failing(test, files):
    """The paths for which the test is false."""
    paths = _paths(files)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        good = pool.map(test, paths, chunksize=64)
        return [path for path, is_good in zip(paths, good, strict=True) if not is_good]


@cache
def _decoder():
    import tensorflow as tf

    return tf.function(decode_tensor, [tf.TensorSpec([], tf.string)])


def _decodes(path):
    """Whether the pipeline can decode a picture file."""
    import tensorflow as tf

    try:
        _decoder()(tf.io.read_file(os.fsencode(path)))
    except tf.errors.OpError:
        return False
    return True


def _reason(path):
    """Why a picture cannot be decoded."""
    try:
        decode(path)
    except Unreadable as error:
        return error
    return "damaged, or no picture"


def _begins_well(path):
    with open(path, "rb") as stream:
        return stream.read(4).startswith(_BEGINNINGS)
