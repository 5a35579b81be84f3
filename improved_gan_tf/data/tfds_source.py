"""Data sets of TensorFlow Datasets, put back into the order of their original files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from .arrays import Arrays


def default_data_dir(data_dir=None) -> Path:
    """`data_dir`, else $IMPROVED_GAN_TF_DATA/tfds, else TFDS' own default."""
    if data_dir is not None:
        return Path(data_dir).expanduser()
    if os.environ.get("IMPROVED_GAN_TF_DATA"):
        return Path(os.environ["IMPROVED_GAN_TF_DATA"]).expanduser() / "tfds"
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def read_tfds(name: str, data_dir=None) -> Arrays:
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=str(default_data_dir(data_dir)), try_gcs=False)
    out = []
    for split in ("train", "test"):
        images, labels = _read_split(tfds, builder, split)
        order = file_order(len(labels), split)
        out += [images[order], labels[order].astype(np.int32)]
    names = tuple(builder.info.features["label"].names)
    return Arrays(*out, num_classes=len(names), name=name, class_names=names)


def _read_split(tfds, builder, split):
    dataset = builder.as_dataset(
        split=split, shuffle_files=False, batch_size=1000,
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    batches = list(dataset.as_numpy_iterator())
    return (np.concatenate([b["image"] for b in batches]),
            np.concatenate([b["label"] for b in batches]))


def file_order(n: int, split: str) -> np.ndarray:
    """Row numbers that put a TFDS split back into the order in which it was generated.

    TFDS writes a split sorted by md5(split name + key); where the keys are 0..n-1 (mnist, cifar10,
    svhn_cropped, ...) sorting those hashes again tells where each original row went.

    Returns:
        [n] int64: position in the TFDS split of original row i.
    """
    salt = hashlib.md5(split.encode())

    def digest(key):
        md5 = salt.copy()
        md5.update(str(key).encode())
        return md5.digest()

    written = sorted(range(n), key=digest)
    order = np.empty(n, np.int64)
    order[written] = np.arange(n)
    return order
