"""Data sets of TensorFlow Datasets, put back into the order of their original files."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from pathlib import Path

import numpy as np

from improved_gan_tf.data.arrays import Arrays
from improved_gan_tf.errors import UserError

# Data sets whose TFDS builder numbers its examples 0, 1, 2 ... in the order of the original files.
_NUMBERED = frozenset(("mnist", "fashion_mnist", "kmnist", "emnist", "svhn_cropped"))
_NAME = re.compile(r"[A-Za-z]\w*(/[\w.\-]+)?(:\d+\.\d+\.\d+)?")
# Labels of the first training images as LeCun's files have them.
_MNIST_BEGINNING = (5, 0, 4, 1, 9, 2, 1, 3, 1, 4)


def default_data_dir(data_dir=None) -> Path:
    """`data_dir`, else $IMPROVED_GAN_TF_DATA/tfds, else TFDS' own default."""
    if data_dir is not None:
        return Path(data_dir).expanduser()
    if os.environ.get("IMPROVED_GAN_TF_DATA"):
        return Path(os.environ["IMPROVED_GAN_TF_DATA"]).expanduser() / "tfds"
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def read_tfds(name: str, data_dir=None, download: bool = True) -> Arrays:
    """Reads the train and test splits of a TFDS data set into memory.

    TFDS shuffles what it prepares. Here the rows come back in the order of the original files,
    so that a labelled subset is made of the same images as the original scripts':

    * where each example has an `id` (cifar10's `train_00000` ...): sorted by it, runs of digits
      as numbers;
    * mnist, fashion_mnist, kmnist, emnist and svhn_cropped, whose keys were 0, 1, 2 ...: by
      recomputing TFDS' shuffle, see `file_order`;
    * else as TFDS stored them, which is always the same, but not the original order.

    Args:
        name: `name[/config][:version]`, with features `image` and `label`.
        data_dir: see `default_data_dir`.
        download: whether TFDS may download and prepare it if it is not in `data_dir`.

    Raises:
        UserError: unknown name; not there and not to be had; without images of one size and
            labels, or without a train and a test split; damaged files.
    """
    tfds, builder = open_builder(name, data_dir, download)
    shape, class_names = _checked_features(builder, name)
    train_images, train_labels = _read_split(tfds, builder, name, "train", shape)
    test_images, test_labels = _read_split(tfds, builder, name, "test", shape)
    if name == "mnist" and len(train_labels) >= 10 and tuple(train_labels[:10]) != _MNIST_BEGINNING:
        warnings.warn(
            "mnist: the prepared data are not in the order of the original files; the labelled "
            "subsets will be others than the original's.",
            stacklevel=2,
        )
    return Arrays(
        train_images,
        train_labels,
        test_images,
        test_labels,
        num_classes=len(class_names),
        name=name,
        class_names=class_names,
    )


def unknown_name(name: str) -> UserError:
    """The error for a name that is none of ours and that TFDS does not know."""
    from improved_gan_tf.data.sources import NAMES

    hint = ""
    if Path(name).suffix == ".npz":
        hint = f" Did you mean npz:{name}?"
    elif Path(name).is_dir():
        hint = f" Did you mean folder:{name}?"
    return UserError(f"unknown data set {name!r}; expected {', '.join(NAMES)}.{hint}")


def is_name(name: str) -> bool:
    """Whether `name` has the form `name[/config][:version]`, known to TFDS or not."""
    return _NAME.fullmatch(name) is not None


def open_builder(name: str, data_dir=None, download: bool = True):
    """TFDS, and its builder of a data set that is prepared.

    Args:
        name, data_dir, download: see `read_tfds`.

    Returns:
        (the module tensorflow_datasets, the builder).

    Raises:
        UserError: not a data set's name, not there and not to be had, or a damaged description.
    """
    if not is_name(name):
        raise unknown_name(name)
    tfds = import_tfds(name)
    root = default_data_dir(data_dir)
    prepared = prepared_folder(root, name)
    if prepared is None:
        from improved_gan_tf.data.tfds_builder import builder_with_data

        return tfds, builder_with_data(tfds, name, root, download)
    try:
        return tfds, tfds.builder_from_directory(str(prepared))
    except Exception:  # whatever its JSON and protocol buffer parsers make of damaged files
        raise UserError(
            f"{name}: the description in {prepared} cannot be read; remove that folder and "
            f"prepare it again."
        ) from None


def import_tfds(name):
    """The module tensorflow_datasets, which reading `name` needs.

    Raises:
        UserError: it, or something that it needs, is not installed.
    """
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise UserError(
            f"{name}: reading it needs TensorFlow Datasets ({error.name} is not installed); run: "
            f"pip install tensorflow-datasets importlib_resources"
        ) from None
    return tfds


def prepared_folder(root: Path, name: str) -> Path | None:
    """The folder of the newest prepared version, found without asking TFDS' registry."""
    name, _, version = name.partition(":")
    folder = root / name
    if not folder.is_dir():
        return None
    found = [
        p
        for p in folder.iterdir()
        if (p / "features.json").is_file()
        and re.fullmatch(r"\d+\.\d+\.\d+", p.name)
        and version in ("", p.name)
    ]
    return max(found, key=lambda p: tuple(map(int, p.name.split("."))), default=None)


def image_and_classes(builder, name, any_size: bool = False):
    """Shape of the images and names of the classes.

    Args:
        any_size: whether the shape may be (None, None, channels).

    Raises:
        UserError: there are no labelled uint8 images of 1 or 3 channels.
    """
    features = builder.info.features
    if not hasattr(features, "keys") or not {"image", "label"} <= set(features.keys()):
        raise UserError(f"{name}: has no features named image and label; choose another data set.")
    shape, names = features["image"].shape, getattr(features["label"], "names", None)
    if names is None:
        raise UserError(f"{name}: its labels are not classes; choose another data set.")
    if len(shape) != 3 or shape[2] not in (1, 3) or (None in shape and not any_size):
        raise UserError(
            f"{name}: its images have shape {shape}; expected one size and 1 or 3 channels. Write "
            f"them into folders, resized, and use folder:DIR."
        )
    dtype = np.dtype(features["image"].np_dtype)
    if dtype != np.uint8:
        raise UserError(f"{name}: its images are {dtype}; expected uint8.")
    return tuple(shape), tuple(names)


def _checked_features(builder, name):
    """`image_and_classes` of a data set that also has a train and a test split."""
    shape, names = image_and_classes(builder, name)
    missing = [s for s in ("train", "test") if s not in builder.info.splits]
    if missing:
        found = ", ".join(builder.info.splits) or "none"
        raise UserError(
            f"{name}: has no {missing[0]} split (found: {found}); expected train and test."
        )
    return shape, names


def _read_split(tfds, builder, name, split, shape):
    """[N, H, W, C] uint8 and [N] int32 in the order of the original files."""
    has_id = "id" in builder.info.features
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        images, labels, ids = _read_records(builder, name, split, shape, has_id)
    else:
        images, labels, ids = _read_random_access(builder, name, split, has_id)
    expected = builder.info.splits[split].num_examples
    if len(labels) != expected:
        raise UserError(
            f"{name}: split {split} in {builder.data_path} holds {len(labels)} examples, expected "
            f"{expected}; remove that folder and prepare it again."
        )
    order = None
    if has_id and len(set(ids)) == len(ids):
        order = sorted(range(len(ids)), key=lambda i: _natural(ids[i]))
    elif builder.name in _NUMBERED and not builder.info.disable_shuffling:
        order = file_order(len(labels), split)
    if order is not None:
        images, labels = images[order], labels[order]
    return images, labels.astype(np.int32)


def _read_records(builder, name, split, shape, has_id):
    """Parses TFDS' tf.Example records batch by batch.

    The general `as_dataset` handles one example at a time, which takes MNIST four times as long.
    """
    import tensorflow as tf

    spec = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
    }
    if has_id:
        spec["id"] = tf.io.FixedLenFeature([], tf.string)

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=shape[2], expand_animations=False)
        return tf.ensure_shape(image, shape)

    def parse(records):
        examples = tf.io.parse_example(records, spec)
        images = tf.map_fn(decode, examples["image"], fn_output_signature=tf.uint8)
        return images, examples["label"], examples.get("id", tf.constant(b""))

    files = [str(path) for path in builder.info.splits[split].filepaths]
    dataset = tf.data.TFRecordDataset(files).batch(500).map(parse, num_parallel_calls=2)
    images, labels, ids = [], [], []
    try:
        for batch in dataset.as_numpy_iterator():
            images.append(batch[0])
            labels.append(batch[1])
            if has_id:
                ids.extend(batch[2])
    except tf.errors.OpError:
        raise UserError(
            f"{name}: split {split} in {builder.data_path} cannot be read; its files are missing "
            f"or damaged: remove that folder and prepare it again."
        ) from None
    if not labels:
        raise UserError(f"{name}: split {split} in {builder.data_path} is empty.")
    return np.concatenate(images), np.concatenate(labels), ids


def _read_random_access(builder, name, split, has_id):
    """The formats other than tfrecord, array_record above all, which TFDS reads row by row."""
    try:
        rows = list(builder.as_data_source(split=split))
    except (OSError, NotImplementedError, ImportError) as error:
        raise UserError(
            f"{name}: split {split} in {builder.data_path} cannot be read: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None
    images = np.stack([row["image"] for row in rows])
    labels = np.array([row["label"] for row in rows])
    return images, labels, [row["id"] for row in rows] if has_id else []


def _natural(text) -> list:
    """A sorting key in which runs of digits count as numbers: train_2 before train_10."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    parts = re.split(r"(\d+)", text)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def file_order(n: int, split: str) -> np.ndarray:
    """Where TFDS' shuffle put the rows of a split, if their keys were 0 to n-1.

    TFDS writes a split sorted by md5(split name + key), however many files it makes of it.
    Sorting those hashes again tells which original row each stored one is.

    Returns:
        [n] int64: position in the stored split of original row i.
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
