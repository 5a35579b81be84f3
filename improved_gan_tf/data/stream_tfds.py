"""Streams of TensorFlow Datasets: small ones from memory, large ones from their TFRecord files."""

from __future__ import annotations

import os
import warnings

import numpy as np

from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records.files import RecordFiles
from improved_gan_tf.data.records.source import RecordSource
from improved_gan_tf.data.stream_sources import ArraySource, Source
from improved_gan_tf.data.tfds_source import image_and_classes, open_builder, read_tfds
from improved_gan_tf.errors import UserError

IN_MEMORY = 2**30  # bytes of decoded training images


def open_tfds(
    name: str, image_size=None, data_dir=None, skip_unreadable: bool = False, download: bool = True
) -> Source:
    """A TFDS data set of labelled images, of one size or of many.

    One with images of one size, train and test splits and at most 1 GiB of decoded images is read
    into memory. Of others the split "train" is streamed; "validation" or else "test" is the
    held-out part (in this order, since imagenet2012's test images have no labels). Labels keep
    TFDS' numbers, which for imagenet2012 is the order of the sorted synsets.

    Raises:
        UserError: as `tfds_source.read_tfds`; images of many sizes and no `image_size`; a large
            data set in another file format than TFRecord.
    """
    tfds, builder = open_builder(name, data_dir, download)
    shape, class_names = image_and_classes(builder, name, any_size=True)
    splits = builder.info.splits
    if "train" not in splits:
        found = ", ".join(splits) or "none"
        raise UserError(f"{name}: has no train split (found: {found}).")
    if None not in shape and "test" in splits:
        if splits["train"].num_examples * int(np.prod(shape)) <= IN_MEMORY:
            return ArraySource(read_tfds(name, data_dir, download), image_size)
    if image_size is None and None in shape:
        raise UserError(f"{name}: its images have many sizes; choose an image size.")
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"{name}: is stored in {builder.data_path} as {builder.info.file_format.value}; data "
            f"sets that do not fit into memory are streamed from tfrecord files: prepare it again "
            f"with --file_format=tfrecord."
        )
    parts = [part for part in ("validation", "test") if part in splits]
    train = _files(builder, name, "train", class_names, skip_unreadable)
    test = _files(builder, name, parts[0], class_names, skip_unreadable) if parts else None
    size = None if None in shape else shape[:2]
    return RecordSource(name, train, test, image_size, shape[2], size)


def _files(builder, name, split, class_names, skip) -> RecordFiles:
    info = builder.info.splits[split]
    paths, counts = [str(path) for path in info.filepaths], list(info.shard_lengths)
    again = "remove that folder and prepare it again"
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise UserError(
            f"{name}: {os.path.basename(missing[0])} is missing in {builder.data_path}; {again}."
        )
    # TFDS states the bytes of a split, not those of a file.
    stated = int(info.num_bytes) + records.FRAME * info.num_examples
    if skip:
        counts = [_readable(name, path) for path in paths]
    elif sum(map(os.path.getsize, paths)) != stated:
        for path, count in zip(paths, counts, strict=True):
            if records.count(path) != (count, True):
                raise UserError(
                    f"{name}: {path} is truncated or damaged, expected {count} whole records; "
                    f"{again}, or have the readable part used (skip unreadable)."
                )
    kept = [(path, count) for path, count in zip(paths, counts, strict=True) if count]
    if not kept:
        raise UserError(f"{name}: split {split} in {builder.data_path} is empty; {again}.")
    return RecordFiles(
        tuple(path for path, _ in kept), tuple(count for _, count in kept), class_names
    )


def _readable(name, path) -> int:
    found = records.scan(path)
    if found.damage is not None:
        warnings.warn(
            f"{name}: {path} {found.damage}; {len(found.labels)} records of it are used.",
            stacklevel=5,
        )
    return len(found.labels)
