"""Data sets of TensorFlow Datasets, put back into the order of their original files.

TFDS shuffles what it prepares. `arrays` gives the examples in the order of the original files, so
that a labeled subset is made of the same images as the original scripts' (D17):

* where each example has an `id` (cifar10's `train_00000` ...): sorted by it, runs of digits as
  numbers;
* mnist, fashion_mnist, kmnist, emnist and svhn_cropped, whose keys were 0, 1, 2 ...: by
  recomputing TFDS' shuffle, see `file_order`;
* otherwise as TFDS stored them, which is always the same, but not the original order.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import warnings
from functools import partial

import numpy as np

from improved_gan_tf.data.arrays import ArraySource
from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records.files import RecordFiles
from improved_gan_tf.data.records.source import RecordSource
from improved_gan_tf.data.source import Source
from improved_gan_tf.data.tfds_builder import open_builder
from improved_gan_tf.errors import UserError

IN_MEMORY = 2**30  # bytes of decoded training images
# Data sets whose TFDS builder numbers its examples 0, 1, 2 ... in the order of the original files.
_NUMBERED = frozenset(("mnist", "fashion_mnist", "kmnist", "emnist", "svhn_cropped"))
# Labels of the first training images as LeCun's files have them.
_MNIST_BEGINNING = (5, 0, 4, 1, 9, 2, 1, 3, 1, 4)
_AGAIN = "remove that folder and prepare it again"


def open_tfds(
    name: str, data_dir: str | os.PathLike | None = None, download: bool = True, skip: bool = False
) -> Source:
    """Opens a TFDS data set of images.

    Labeled images of one size that take at most 1 GiB are read into memory when they are used;
    others are streamed from their files. The split "test" tests, or "validation" where there is
    none or where its images have no labels (imagenet2012). Labels keep TFDS' numbers.

    Raises:
        UserError: As `open_builder`; no feature `image` of 8 bits per channel.
    """
    tfds, builder = open_builder(name, data_dir, download)
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict) or "image" not in features:
        raise UserError(f"{name}: has no feature named image; choose another data set")
    shape, dtype = features["image"].shape, np.dtype(features["image"].np_dtype)
    if len(shape) != 3 or shape[2] not in (1, 3, 4, None):
        raise UserError(f"{name}: its images have shape {shape}; expected [height, width, 1 or 3]")
    if dtype != np.uint8:
        raise UserError(f"{name}: its images are {dtype}; expected uint8")
    shape = (*shape[:2], 1 if shape[2] == 1 else 3)
    label = features["label"] if "label" in features else None  # noqa: SIM401
    names = tuple(label.names) if isinstance(label, tfds.features.ClassLabel) else None
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    size = counts.get("train", max(counts.values())) * int(np.prod([n or 0 for n in shape]))
    small = names is not None and None not in shape and size <= IN_MEMORY
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        files = partial(_files, builder, name, names or (), skip)
        source = RecordSource(name, tuple(counts), files, names, shape[2], shape[:2])
        source.order = lambda split: _original_order(
            builder, split, source.count(split), partial(source.ids, split)
        )
        source.test_split = _test_split(tfds, builder) if names else None
        if not small:
            return source
        read, test_split = source.arrays, source.test_split
        counts = {split: source.count(split) for split in counts} if skip else counts
    else:
        if not small:
            raise UserError(
                f"{name}: is stored in {builder.data_path} as {builder.info.file_format.value}; "
                f"data sets that do not fit into memory are read from tfrecord files: prepare it "
                f"again with --file_format=tfrecord"
            )
        read, test_split = partial(_random_access, builder, name), _test_split(tfds, builder)

    def checked(split):
        images, labels = read(split)
        if name == "mnist" and split == "train" and tuple(labels[:10]) != _MNIST_BEGINNING:
            warnings.warn(
                "mnist: the prepared data are not in the order of the original files; the labeled "
                "subsets will be others than the original's",
                stacklevel=2,
            )
        return images, labels

    return ArraySource(name, counts, checked, names or (), shape, test_split=test_split)


def _test_split(tfds, builder):
    found = [split for split in ("test", "validation") if split in builder.info.splits]
    if len(found) == 2 and builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        with contextlib.suppress(Exception):  # damage is reported where the split is used
            encoded = {"image": tfds.decode.SkipDecoding()}
            (first,) = builder.as_dataset(split="test", decoders=encoded).take(1)
            if int(first["label"]) < 0:
                return "validation"
    return found[0] if found else None


def _random_access(builder, name, split):
    """(images, labels) from the file formats that TFDS reads by itself, such as array_record."""
    try:
        rows = list(builder.as_data_source(split=split))
    except (OSError, NotImplementedError, ImportError) as error:
        raise UserError(
            f"{name}: split {split} in {builder.data_path} cannot be read: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None
    order = _original_order(builder, split, len(rows), lambda: [row["id"] for row in rows])
    rows = rows if order is None else [rows[i] for i in order]
    return np.stack([row["image"] for row in rows]), np.array([r["label"] for r in rows], np.int32)


def _files(builder, name, class_names, skip, split) -> RecordFiles:
    info = builder.info.splits[split]
    paths, counts = [str(path) for path in info.filepaths], list(info.shard_lengths)
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise UserError(
            f"{name}: {os.path.basename(missing[0])} is missing in {builder.data_path}; {_AGAIN}"
        )
    # TFDS states the bytes of a split, not those of a file.
    stated = int(info.num_bytes) + records.FRAME * info.num_examples
    if skip:
        found = [records.scan(path) for path in paths]
        counts = [len(scan.labels) for scan in found]
        for path, scan in zip(paths, found, strict=True):
            if scan.damage is not None:
                used = f"{len(scan.labels)} records of it are used"
                warnings.warn(f"{name}: {path} {scan.damage}; {used}", stacklevel=4)
    elif sum(map(os.path.getsize, paths)) != stated:
        for path, count in zip(paths, counts, strict=True):
            if records.count(path) != (count, True):
                raise UserError(
                    f"{name}: {path} is truncated or damaged, expected {count} whole records; "
                    f"{_AGAIN}, or have the readable part used (skip_unreadable)"
                )
    kept = [(path, count) for path, count in zip(paths, counts, strict=True) if count]
    if not kept:
        raise UserError(f"{name}: split {split} in {builder.data_path} is empty; {_AGAIN}")
    return RecordFiles(
        tuple(path for path, _ in kept), tuple(count for _, count in kept), class_names
    )


def _original_order(builder, split, count, ids) -> np.ndarray | None:
    """Where the examples of the original files, in order, are stored; None: unknown."""
    whole = count == builder.info.splits[split].num_examples
    if "id" in builder.info.features:
        keys = ids()
        if len(set(keys)) == len(keys):
            return np.array(sorted(range(len(keys)), key=lambda i: _natural(keys[i])))
    elif builder.name in _NUMBERED and whole and not builder.info.disable_shuffling:
        return file_order(count, split)
    return None


def _natural(text) -> list:
    """A sorting key in which runs of digits count as numbers: train_2 before train_10."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    parts = re.split(r"(\d+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def file_order(n: int, split: str) -> np.ndarray:
    """Where TFDS' shuffle put the examples of a split, if their keys were 0 to n-1.

    TFDS writes a split sorted by md5(split name + key), however many files it makes of it.
    Sorting those hashes again says which original example each stored one is.

    Returns:
        [n] int64: The position in the stored split of original example i.
    """
    salt = hashlib.md5(split.encode())

    def digest(key):
        md5 = salt.copy()
        md5.update(str(key).encode())
        return md5.digest()

    stored = sorted(range(n), key=digest)
    order = np.empty(n, np.int64)
    order[stored] = np.arange(n)
    return order
