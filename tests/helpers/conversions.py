"""Conversions of pictures to records: the command, and what it leaves."""

import io

import numpy as np
from PIL import Image

from improved_gan_tf.cli.main import main


def command(*arguments):
    """Runs `improved-gan convert` with these arguments; returns the exit code."""
    return main(["convert", *map(str, arguments)])


def content(folder):
    """The bytes of every file of a folder, by name."""
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def written(folder):
    """All records in order: (pixels, label, synset, file name)."""
    import tensorflow as tf

    found = []
    for path in sorted(folder.glob("*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            with Image.open(io.BytesIO(feature["image/encoded"].bytes_list.value[0])) as picture:
                assert picture.format == "JPEG" and picture.mode == "RGB"
                pixels = np.asarray(picture)
            found.append(
                (
                    pixels,
                    feature["image/class/label"].int64_list.value[0],
                    feature["image/class/synset"].bytes_list.value[0].decode(),
                    feature["image/filename"].bytes_list.value[0].decode(),
                )
            )
    return found
