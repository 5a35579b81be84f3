"""From a name to the data of a training run."""

from __future__ import annotations

import dataclasses

import numpy as np

from improved_gan_tf.data.arrays import Arrays
from improved_gan_tf.data.labels import (
    custom_labeled_indices,
    labeled_indices,
    labels_from_file,
    permutation,
)
from improved_gan_tf.data.order import EpochOrder, mixed_order
from improved_gan_tf.data.pipeline import SemiSupervisedData
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.sources import read
from improved_gan_tf.errors import UserError

INITIALIZATIONS = ("training_set", "labeled")


def load(
    name: str,
    labels_per_class: int | None = 10,
    *,
    seed: int = 1,
    seed_data: int = 1,
    batch_size: int = 100,
    data_dir=None,
    scaling: str | None = None,
    initialization: str = "training_set",
    initialization_size: int = 500,
    labels_file=None,
    balance: bool | str = True,
    image_size=None,
    test_fraction: float = 0.2,
    test_batch_size: int = 500,
    download: bool = True,
) -> SemiSupervisedData:
    """Reads a data set and prepares the streams of semi-supervised training.

    Args:
        name: `digits`, `npz:FILE`, `folder:DIR` or a TFDS name, see `sources.read`.
        labels_per_class: labels for each class; None only with a labels file.
        seed: order of the streams, see `EpochOrder`; the original's `--seed`.
        seed_data: choice of the labelled subset; the original's `--seed_data`.
        batch_size: rows a step of each stream.
        data_dir: TFDS' folder; by default $IMPROVED_GAN_TF_DATA/tfds if set, else TFDS' own.
        scaling: "unit" [0, 1], "cifar10" (x - 127.5) / 128, "symmetric" (also "svhn")
            (x - 127.5) / 127.5. By default "unit" for grey images, "cifar10" for CIFAR, else
            "symmetric".
        initialization: images of the data-dependent initialisation: "training_set", the first of
            the training set permuted by `seed_data` (MNIST's scripts), or "labeled", the first
            of epoch 0's labelled stream (CIFAR-10's and SVHN's).
        initialization_size: how many of them, or all if there are fewer.
        labels_file: labels to train with, see `labels_from_file`. Then, as in the original's
            custom-labels script, the first four fifths of the *test* set (8,000 of MNIST's
            10,000) are trained on and the rest tests; the file labels the former.
        balance: which of the file's labels to use, see `custom_labeled_indices`.
        image_size, test_fraction: for `folder:`.
        test_batch_size: images a batch of `test`, whose order is `mixed_order`'s.
        download: whether TFDS may fetch data that are not there.

    Returns:
        SemiSupervisedData.

    Raises:
        UserError: one line on what is wrong: data absent or of the wrong form, more labels per
            class than a class has, a class without example, a batch size beyond the data, a
            labels file of the wrong length or range, an unknown option value, a seed out of range.

    Source: the data sections of train_mnist_feature_matching.py, train_mnist_fm_custom_labels.py,
    train_cifar_*.py, train_svhn_*.py; cifar10_data.py, svhn_data.py.
    """
    if initialization not in INITIALIZATIONS:
        raise UserError(
            f"unknown initialization {initialization!r}; choose {' or '.join(INITIALIZATIONS)}."
        )
    if initialization_size < 1:
        raise UserError(f"initialization size {initialization_size} given; expected 1 or more.")
    if test_batch_size < 1:
        raise UserError(f"test batch size {test_batch_size} given; expected 1 or more.")
    if labels_per_class is None and labels_file is None:
        raise UserError("give labels per class, or a labels file to take all labels from.")
    if scaling is not None:
        scaling = Scaling(scaling).name  # an unknown name fails before anything is read
    arrays = read(name, data_dir, download, image_size, test_fraction)
    if labels_file is None:
        chosen = labeled_indices(
            arrays.train_labels, labels_per_class, seed_data, arrays.num_classes
        )
    else:
        true_labels = _custom_part(arrays).train_labels
        arrays = _with_custom_labels(arrays, labels_file)
        chosen = custom_labeled_indices(
            arrays.train_labels,
            labels_per_class,
            seed_data,
            arrays.num_classes,
            balance,
            true_labels,
        )
    order = EpochOrder(len(arrays.train_labels), len(chosen), batch_size, seed)
    if initialization == "labeled":
        rows = chosen[order.epoch(0).labeled.ravel()[:initialization_size]]
    else:
        rows = permutation(len(arrays.train_labels), seed_data)[:initialization_size]
    tested = mixed_order(arrays.test_labels)
    arrays = dataclasses.replace(
        arrays, test_images=arrays.test_images[tested], test_labels=arrays.test_labels[tested]
    )
    scaling = Scaling(scaling or _default_scaling(arrays), arrays.maximum)
    return SemiSupervisedData(arrays, chosen, order, scaling, rows, test_batch_size)


def _default_scaling(arrays: Arrays) -> str:
    if arrays.image_shape[2] == 1:
        return "unit"
    return "cifar10" if arrays.name.startswith("cifar") else "symmetric"


def _custom_part(arrays: Arrays) -> Arrays:
    """The test set's first four fifths as the training set, the rest as the test set."""
    n = len(arrays.test_labels) * 4 // 5
    if n == 0:
        raise UserError(f"{arrays.name}: {len(arrays.test_labels)} test images are too few.")
    return dataclasses.replace(
        arrays,
        train_images=arrays.test_images[:n],
        train_labels=arrays.test_labels[:n],
        test_images=arrays.test_images[n:],
        test_labels=arrays.test_labels[n:],
    )


def _with_custom_labels(arrays: Arrays, labels_file) -> Arrays:
    part = _custom_part(arrays)
    labels = labels_from_file(
        labels_file, len(part.train_labels), arrays.num_classes, total=len(arrays.test_labels)
    )
    return dataclasses.replace(part, train_labels=np.asarray(labels, np.int32))
