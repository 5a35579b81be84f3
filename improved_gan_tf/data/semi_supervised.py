"""The three streams of semi-supervised training, from images in memory."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import numpy as np

from improved_gan_tf.data import names
from improved_gan_tf.data.arrays import ArraySource, in_memory
from improved_gan_tf.data.labels import (
    custom_labeled_indices,
    labeled_indices,
    labels_from_file,
    permutation,
)
from improved_gan_tf.data.order import EpochOrder, mixed_order
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.source import Source
from improved_gan_tf.data.training import TrainingData, options, training_splits
from improved_gan_tf.errors import UserError

INITIALIZATIONS = ("training_set", "labeled")


class SemiSupervisedData(TrainingData):
    """Streams for semi-supervised training and batches for testing, from images in memory.

    `load` makes it, of a source with the splits "train" and "test". Indices are places in the
    training set; `order` counts labelled images within `labeled_indices`.

    Attributes:
        train_images: [N, H, W, C] uint8 or float32 in 0..maximum, as stored.
        train_labels: [N] int32.
        test_images: [M, H, W, C], as stored.
        test_labels: [M] int32.

    Source: the minibatch loops of the original's train_*.py scripts, and their data sections.
    """

    labeled_indices: np.ndarray

    def __init__(
        self,
        source: ArraySource,
        labeled_indices: np.ndarray,
        order: EpochOrder,
        scaling: Scaling,
        initialization_indices: np.ndarray,
        test_batch_size: int = 500,
    ):
        self.train_images, self.train_labels = source.arrays("train")
        self.test_images, self.test_labels = source.arrays("test")
        counts = len(self.train_labels), len(self.test_labels)
        super().__init__(source, scaling, *counts, order.batch_size)
        self.labeled_indices = np.asarray(labeled_indices)
        self.order = order
        self.start_epoch = 0
        self.test_batch_size = int(test_batch_size)
        self._initialization_indices = np.asarray(initialization_indices)

    @property
    def start_epoch(self) -> int:
        """The epoch, from 0, that the next iteration of `train` gives.

        Every iteration moves it on by one as soon as its first batch is asked for, however far it
        then goes. It can be set, as resuming does, and that alone brings that epoch's batches
        back, since they are a function of the seed and the epoch.
        """
        return self._start_epoch

    @start_epoch.setter
    def start_epoch(self, epoch: int) -> None:
        if epoch < 0:
            raise UserError(f"start epoch {epoch} given; epochs count from 0")
        self._start_epoch = int(epoch)

    @cached_property
    def labeled(self) -> tuple[np.ndarray, np.ndarray]:
        """The labelled subset, scaled: x [L, H, W, C] float32, y [L] int32."""
        chosen = self.labeled_indices
        return self.scaling.scale(self.train_images[chosen]), self.train_labels[chosen]

    @cached_property
    def initialization_images(self) -> np.ndarray:
        """Scaled float32 images for the data-dependent initialisation."""
        return self.scaling.scale(self.train_images[self._initialization_indices])

    def _next_epoch(self):
        epoch = self.start_epoch
        self.start_epoch = epoch + 1
        rows = self.order.epoch(epoch)
        labeled = self.labeled_indices[rows.labeled].astype(np.int32)
        return labeled, rows.unlabeled, rows.unlabeled_generator

    @cached_property
    def train(self) -> Any:
        """One epoch: a finite `tf.data.Dataset` of `steps_per_epoch` dictionaries.

        {"labeled": (x [B, H, W, C] float32, y [B] int32), "unlabeled": x,
        "unlabeled_generator": x}. Every new iteration is the next epoch, see `start_epoch`.
        """
        import tensorflow as tf

        with tf.device("CPU:0"):
            images = tf.constant(self.train_images)
            labels = tf.constant(self.train_labels)
        shape = (self.steps_per_epoch, self.batch_size)

        def epoch(_):
            rows = tf.numpy_function(self._next_epoch, [], [tf.int32] * 3)
            return tuple(tf.ensure_shape(r, shape) for r in rows)

        def gather(rows):
            return self.scaling.apply(tf.cast(tf.gather(images, rows), tf.float32))

        def batch(labeled, unlabeled, unlabeled_generator):
            return {
                "labeled": (gather(labeled), tf.gather(labels, labeled)),
                "unlabeled": gather(unlabeled),
                "unlabeled_generator": gather(unlabeled_generator),
            }

        # Python runs once per epoch, not per batch; gathering and scaling are TensorFlow's.
        dataset = tf.data.Dataset.range(1).map(epoch)
        dataset = dataset.flat_map(lambda *rows: tf.data.Dataset.from_tensor_slices(rows))
        dataset = dataset.map(batch)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch))
        return dataset.prefetch(2).with_options(options())

    @cached_property
    def test(self) -> Any:
        """The test set in order: a `tf.data.Dataset` of (x float32, y int32) batches."""
        import tensorflow as tf

        with tf.device("CPU:0"):
            tensors = tf.constant(self.test_images), tf.constant(self.test_labels)
        dataset = tf.data.Dataset.from_tensor_slices(tensors).batch(self.test_batch_size)
        dataset = dataset.map(lambda x, y: (self.scaling.apply(tf.cast(x, tf.float32)), y))
        return dataset.prefetch(2).with_options(options())


def load(
    name: str | os.PathLike | Source,
    labels_per_class: int | None = 10,
    *,
    seed: int = 1,
    seed_data: int = 1,
    batch_size: int = 100,
    scaling: str | None = None,
    initialization: str = "training_set",
    initialization_size: int = 500,
    labels_file: str | os.PathLike | None = None,
    balance: bool | str = True,
    test_batch_size: int = 500,
    **options: Any,
) -> SemiSupervisedData:
    """Reads a data set and prepares the streams of semi-supervised training.

    Args:
        name: The name of a labelled data set, see `open`, or a labelled `Source`, for instance of
            `from_arrays`.
        labels_per_class: The number of labels for each class, by default 10; None only with a
            labels file.
        seed: The seed of the streams' order, see `EpochOrder`; the original's `--seed`.
        seed_data: The seed of the labelled subset; the original's `--seed_data`.
        batch_size: Images per step of each stream.
        scaling: "unit" [0, 1], "cifar10" (x - 127.5) / 128, "symmetric" (also "svhn")
            (x - 127.5) / 127.5. By default "unit" for grey images, "cifar10" for CIFAR, otherwise
            "symmetric".
        initialization: The images of the data-dependent initialisation: "training_set", the first
            of the training set permuted by `seed_data` (MNIST's scripts), or "labeled", the first
            of epoch 0's labelled stream (CIFAR-10's and SVHN's).
        initialization_size: How many of them, or all if there are fewer.
        labels_file: A file of labels to train with, see `labels_from_file`. Then, as in the
            original's custom-labels script, the first four fifths of the *test* set (8,000 of
            MNIST's 10,000) are trained on and the rest tests; the file labels the former.
        balance: Which of the file's labels to use, see `custom_labeled_indices`.
        test_batch_size: Images per batch of `test`, whose order is `mixed_order`'s.
        **options: Arguments of `open`, for a name: `data_dir`, `image_size`, `resize`, ...

    Returns:
        `SemiSupervisedData`.

    Raises:
        UserError: One line that says what is wrong: data not available or of the wrong form, more
            labels per class than a class has, a class without example, a batch size beyond the
            data, a labels file of the wrong length or range, an unknown option value, a seed out
            of range.

    Example:

    >>> found = improved_gan_tf.data.load("digits", labels_per_class=10, batch_size=50)
    >>> len(found.labeled_indices), found.steps_per_epoch
    (100, 25)

    Source: the data sections of train_mnist_feature_matching.py, train_mnist_fm_custom_labels.py,
    train_cifar_*.py, train_svhn_*.py; cifar10_data.py, svhn_data.py.
    """
    if initialization not in INITIALIZATIONS:
        raise UserError(
            f"unknown initialization {initialization!r}; choose {' or '.join(INITIALIZATIONS)}"
        )
    for what, value in (
        ("initialization size", initialization_size),
        ("test batch size", test_batch_size),
    ):
        if value < 1:
            raise UserError(f"{what} {value} given; expected 1 or more")
    if labels_per_class is None and labels_file is None:
        raise UserError("give labels per class, or a labels file to take all labels from")
    if scaling is not None:
        scaling = Scaling(scaling).name  # an unknown name fails before anything is read
    source = names.as_source(name, **options)
    split, test_split = training_splits(source)
    if test_split is None:
        raise UserError(
            f"{source.name}: has no test set (found: {', '.join(source.split_names)}); expected "
            f"a split test or validation"
        )
    train, test = source.arrays(split), source.arrays(test_split)
    if not len(test[1]):
        raise UserError(f"{source.name}: no image is left for testing; add some")
    if labels_file is None:
        chosen = labeled_indices(train[1], labels_per_class or 0, seed_data, source.num_classes)
    else:
        images, true_labels = test
        n = len(images) * 4 // 5
        if n == 0:
            raise UserError(f"{source.name}: {len(images)} test images are too few")
        labels = labels_from_file(labels_file, n, source.num_classes, total=len(images))
        train, test = (images[:n], labels), (images[n:], true_labels[n:])
        chosen = custom_labeled_indices(
            labels, labels_per_class, seed_data, source.num_classes, balance, true_labels[:n]
        )
    order = EpochOrder(len(train[1]), len(chosen), batch_size, seed)
    if initialization == "labeled":
        initial = chosen[order.epoch(0).labeled.ravel()[:initialization_size]]
    else:
        initial = permutation(len(train[1]), seed_data)[:initialization_size]
    tested = mixed_order(test[1])
    parts = {"train": train, "test": (test[0][tested], test[1][tested])}
    read = in_memory(source.name, parts, source.class_names or (), source.maximum)
    default = "cifar10" if source.name.startswith("cifar") else "symmetric"
    default = "unit" if source.channels == 1 else default
    chosen_scaling = Scaling(scaling or default, source.maximum)
    return SemiSupervisedData(read, chosen, order, chosen_scaling, initial, test_batch_size)
