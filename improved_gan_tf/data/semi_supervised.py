"""The three streams of semi-supervised training, from images in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from improved_gan_tf.data import names
from improved_gan_tf.data.arrays import ArraySource, pair, source_from_arrays
from improved_gan_tf.data.batches import in_order, streams
from improved_gan_tf.data.labels import (
    custom_labeled_indices,
    labeled_indices,
    labels_from_file,
    permutation,
    validation_split,
)
from improved_gan_tf.data.order import EpochOrder, mixed_order
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.source import Source
from improved_gan_tf.data.training import TrainingData, training_splits
from improved_gan_tf.errors import UserError
from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.pipelines import options

INITIALIZATIONS = ("training_set", "labeled")
LABELS_PARTS = ("train", "test")


class SemiSupervisedData(TrainingData, InMemory):
    """Streams for semi-supervised training and batches for testing, from images in memory.

    `load` and `from_arrays` make it, of a source with the splits "train", "test" and perhaps
    "validation". Indices are places in the training set; `order` counts labeled images within
    `labeled_indices`.

    Attributes:
        train_images: [N, H, W, C] uint8 or float32 in 0..maximum, as stored.
        train_labels: [N] int32; -1 is unlabeled.
        test_images: [M, H, W, C], as stored.
        test_labels: [M] int32.
        unlabeled_indices: The images of the unlabeled streams, [U] integers; None: all.
        validation_per_class: How many images of each class of the training set `test` consists of,
            in place of the test set; 0: none.

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
        unlabeled_indices: np.ndarray | None = None,
        validation_per_class: int = 0,
    ):
        self.train_images, self.train_labels = source.arrays("train")
        self.test_images, self.test_labels = source.arrays("test")
        counts = len(self.train_labels), len(self.test_labels)
        super().__init__(source, scaling, *counts, order.batch_size)
        self.labeled_indices = np.asarray(labeled_indices)
        self.unlabeled_indices = unlabeled_indices
        self.validation_per_class = validation_per_class
        self.order, self.labeled_batch_size = order, order.labeled_batch_size
        self.steps_per_epoch = order.steps_per_epoch  # fewer where some images are left out
        self.start_epoch = 0
        self.test_batch_size = int(test_batch_size)
        self._initialization_indices = np.asarray(initialization_indices)

    @property
    def start_epoch(self) -> int:
        """The epoch, counted from 0, that the next iteration over `train` yields.

        It increases by one when the first batch of an iteration is requested, even if the iteration
        is not completed. Setting it, as resuming a run does, is enough to reproduce the batches of
        that epoch, because they depend only on the seed and the epoch.
        """
        return self._start_epoch

    @start_epoch.setter
    def start_epoch(self, epoch: int) -> None:
        if epoch < 0:
            raise UserError(f"start epoch {epoch} given; epochs count from 0")
        self._start_epoch = int(epoch)

    @cached_property
    def labeled(self) -> tuple[np.ndarray, np.ndarray]:
        """The labeled subset, scaled: x [L, H, W, C] float32, y [L] int32."""
        chosen = self.labeled_indices
        return self.scaling.scale(self.train_images[chosen]), self.train_labels[chosen]

    @cached_property
    def initialization_images(self) -> np.ndarray:
        """Scaled float32 images for the data-dependent initialization."""
        return self.scaling.scale(self.train_images[self._initialization_indices])

    def next_epoch(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        epoch = self.start_epoch
        self.start_epoch = epoch + 1
        return self._rows(epoch)

    def _rows(self, epoch):
        """The numbers of the images of an epoch, a function of the seed and the epoch."""
        rows = self.order.epoch(int(epoch))
        labeled = self.labeled_indices[rows.labeled].astype(np.int32)
        unlabeled = rows.unlabeled, rows.unlabeled_generator
        if self.unlabeled_indices is not None:
            unlabeled = tuple(self.unlabeled_indices[r].astype(np.int32) for r in unlabeled)
        return labeled, *unlabeled

    @cached_property
    def train(self) -> Any:
        """One epoch: a finite `tf.data.Dataset` of `steps_per_epoch` dictionaries.

        {"labeled": (x [B, H, W, C] float32, y [B] int32), "unlabeled": x,
        "unlabeled_generator": x}. Every new iteration is the next epoch, see `start_epoch`.
        """
        import tensorflow as tf

        dataset = streams(self, tf.data.Dataset.range(1), lambda _: self.next_epoch())
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch))
        return dataset.prefetch(2).with_options(options())

    def part(
        self, first_epoch: int = 0, workers: int = 1, worker: int = 0, replicas: int = 1
    ) -> Any:
        import tensorflow as tf

        for size in self.batch_sizes:
            if size % (workers * replicas):
                raise UserError(
                    f"batch size {size} cannot be shared by {workers} workers of {replicas} "
                    f"replicas; use a multiple of {workers * replicas}"
                )
        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        dataset = streams(self, epochs, self._rows, workers, worker, replicas)
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        chosen = options()
        # The workers share the data already; a second division would lose images.
        chosen.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return dataset.apply(endless).prefetch(2).with_options(chosen)

    @cached_property
    def test(self) -> Any:
        """The test set in order: a `tf.data.Dataset` of (x float32, y int32) batches."""
        return in_order(self.test_images, self.test_labels, self.test_batch_size, self.scaling)

    @cached_property
    def validation(self) -> Any:
        """The split "validation" in the form of `test`; None where there is none."""
        if "validation" not in self.source.split_names:
            return None
        return in_order(*self.source.arrays("validation"), self.test_batch_size, self.scaling)

    def summary(self) -> str:
        chosen = self.train_labels[self.labeled_indices]
        counts = np.bincount(chosen, minlength=self.num_classes)
        if len(set(counts)) == 1:
            classes = f"{counts[0]} of each of {self.num_classes} classes"
        elif self.num_classes <= 20 and counts.max() > counts.min() + 1:
            pairs = zip(self.class_names or (), counts, strict=True)
            classes = ", ".join(f"class {name}: {count:,}" for name, count in pairs)
        else:
            classes = f"{counts.min():,} to {counts.max():,} of each of {self.num_classes} classes"
        text = f"{self.name}: {len(chosen):,} labeled images ({classes}), "
        text += f"{self.num_train - len(chosen):,} without a label, {self.num_test:,} test images"
        if self.source.held_out is not None:
            text += f" (held out: {100 * self.source.held_out:g} % of each class's labeled images)"
        if self.validation_per_class:
            text += f" (validation: {self.validation_per_class:,} of each class's training images)"
        return text


def load(
    name: str | os.PathLike | Source | tuple[Any, Any],
    labels_per_class: int | None = 10,
    *,
    seed: int = 1,
    seed_data: int = 1,
    batch_size: int = 100,
    scaling: str | None = None,
    initialization: str = "training_set",
    initialization_size: int = 500,
    labels_file: str | os.PathLike | None = None,
    labels_part: str = "train",
    balance: bool | str = True,
    test_batch_size: int = 500,
    exclude_labeled: bool = False,
    validation_per_class: int = 0,
    labeled_batch_size: int | None = None,
    **options: Any,
) -> SemiSupervisedData:
    """Reads a data set and prepares the streams of semi-supervised training.

    Args:
        name: The name of a labeled data set, see `open`; a labeled `Source`; or arrays,
            (x, y) or ((x, y), (x_test, y_test)), see `from_arrays`. All training images feed the
            unlabeled streams, whether they carry a label or not (but see `exclude_labeled`).
        labels_per_class: The number of labels for each class, by default 10; None for all there
            are (with a labels file and `balance`, as many as its rarest class has).
        seed: The seed of the streams' order, see `EpochOrder`; the original's `--seed`.
        seed_data: The seed of the labeled subset; the original's `--seed_data`.
        batch_size: Images per step of each stream.
        scaling: "unit" [0, 1], "cifar10" (x - 127.5) / 128, "symmetric" (also "svhn")
            (x - 127.5) / 127.5. By default "unit" for grey images, "cifar10" for CIFAR, otherwise
            "symmetric".
        initialization: The images of the data-dependent initialization: "training_set", the first
            of the training set permuted by `seed_data` (MNIST's scripts), or "labeled", the first
            of epoch 0's labeled stream (CIFAR-10's and SVHN's).
        initialization_size: How many of them, or all if there are fewer.
        labels_file: A file of labels to train with in place of the data's own, see
            `labels_from_file`.
        labels_part: Which images the file labels: "train", the training set, or "test", as in the
            original's custom-labels script: the first four fifths of the *test* set (8,000 of
            MNIST's 10,000), which are then trained on, and the rest tests.
        balance: Which of the file's labels to use, see `custom_labeled_indices`.
        test_batch_size: Images per batch of `test`, whose order is `mixed_order`'s.
        exclude_labeled: Whether the images of the labeled subset are left out of the unlabeled
            streams, as by Dai et al. (2017, "Good Semi-supervised Learning that Requires a Bad
            GAN"); False by default, as in the original. An epoch has as many steps fewer.
        validation_per_class: The number of training images of each class that are tested on in
            place of the test set, and not trained on: always the same ones, see `labels.held_out`.
            0 (the default) for none.
        labeled_batch_size: Labeled images per step; None (default) for `batch_size`.
        **options: Arguments of `open`, for a name: `data_dir`, `image_size`, `resize`, ...

    Returns:
        `SemiSupervisedData`.

    Raises:
        UserError: One line that says what is wrong: data not available or of the wrong form, more
            labels per class than a class has, a class without a label, only one class, a batch
            size beyond the data, a labels file of the wrong length or range, an unknown option
            value, a seed out of range.

    Example:

    >>> found = improved_gan_tf.data.load("digits", labels_per_class=10, batch_size=50)
    >>> len(found.labeled_indices), found.steps_per_epoch
    (100, 25)

    Source: the data sections of train_mnist_feature_matching.py, train_mnist_fm_custom_labels.py,
    train_cifar_*.py, train_svhn_*.py; cifar10_data.py, svhn_data.py.
    """
    for what, given, known in (
        ("initialization", initialization, INITIALIZATIONS),
        ("labels part", labels_part, LABELS_PARTS),
    ):
        if given not in known:
            raise UserError(f"unknown {what} {given!r}; choose {' or '.join(known)}")
    for what, value in (
        ("initialization size", initialization_size),
        ("test batch size", test_batch_size),
    ):
        if value < 1:
            raise UserError(f"{what} {value} given; expected 1 or more")
    if scaling is not None:
        scaling = Scaling(scaling).name  # an unknown name fails before anything is read
    if isinstance(name, tuple):
        train, test = name if isinstance(name[0], tuple) else (name, (None, None))
        name = source_from_arrays(*pair(train, "training data"), *pair(test, "test data"))
    source = names.as_source(name, **options)
    split, test_split = training_splits(source, partly=True)
    if test_split is None:
        raise UserError(
            f"{source.name}: has no test set (found: {', '.join(source.split_names)}); expected "
            f"a split test or validation"
        )
    test = source.arrays(test_split)
    # The training set is not read where nobody trains on it.
    on_test = labels_file is not None and labels_part == "test"
    train = test if on_test else source.arrays(split)
    if validation_per_class:
        if labels_file is not None:
            raise UserError(
                "validation images have the data's own labels; with a file of labels leave "
                "validation_per_class at 0"
            )
        train, test = validation_split(
            *train, validation_per_class, source.num_classes, source.name
        )
    if not len(test[1]):
        raise UserError(
            f"{source.name}: no image is left for testing; add some, or more labeled images"
        )
    if source.num_classes < 2:
        raise UserError(
            f"{source.name}: has only one class, {(source.class_names or ('0',))[0]!r}; a "
            "classifier needs two or more (put pictures without a label into a folder "
            "'unlabeled' next to the class folders; in arrays, unlabeled images have label -1)"
        )
    class_names, num_classes = source.class_names or (), source.num_classes
    if labels_file is None:
        chosen = labeled_indices(train[1], labels_per_class, seed_data, num_classes, class_names)
    else:
        part, (images, true_labels) = (test_split, test) if on_test else (split, train)
        total = n = len(images)
        if on_test:
            total, n = len(images), len(images) * 4 // 5
            if n == 0:
                raise UserError(f"{source.name}: {total} test images are too few")
            test = images[n:], true_labels[n:]
        files = source.file_names(part)[:n]
        labels = labels_from_file(labels_file, n, num_classes, total, files, class_names)
        train = images[:n], labels
        true = true_labels[:n]
        chosen = custom_labeled_indices(
            labels, labels_per_class, seed_data, num_classes, balance, true, class_names
        )
    unlabeled = np.setdiff1d(np.arange(len(train[1])), chosen) if exclude_labeled else None
    if unlabeled is not None and len(unlabeled) < batch_size:
        raise UserError(
            f"{source.name}: without the labeled images {len(unlabeled)} are left, fewer than the "
            f"batch size {batch_size}; take fewer labels, or let exclude_labeled be false"
        )
    count = len(train[1]) if unlabeled is None else len(unlabeled)
    order = EpochOrder(count, len(chosen), batch_size, seed, labeled_batch_size)
    if initialization == "labeled":
        initial = chosen[order.epoch(0).labeled.ravel()[:initialization_size]]
    else:
        initial = permutation(len(train[1]), seed_data)[:initialization_size]
    counts = {"train": len(train[1]), "test": len(test[1])}
    if "validation" in source.split_names:
        counts["validation"] = source.count("validation")

    def read(part):
        if part == "train":
            return train
        images, labels = test if part in ("test", test_split) else source.arrays(part)
        tested = mixed_order(labels)
        return images[tested], labels[tested]

    shape = source.one_shape()
    kept = ArraySource(source.name, counts, read, class_names, shape, source.maximum)
    kept.held_out, kept.num_unlabeled = source.held_out, int(np.count_nonzero(train[1] < 0))
    default = "cifar10" if source.name.startswith("cifar") else "symmetric"
    default = "unit" if source.channels == 1 else default
    chosen_scaling = Scaling(scaling or default, source.maximum)
    parts = unlabeled, validation_per_class
    return SemiSupervisedData(kept, chosen, order, chosen_scaling, initial, test_batch_size, *parts)


def from_arrays(
    x: Any,
    y: Any,
    unlabeled: Any = None,
    validation: tuple[Any, Any] | None = None,
    test: tuple[Any, Any] | None = None,
    labels_per_class: int | None = None,
    *,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    **options: Any,
) -> SemiSupervisedData:
    """Prepares the user's own arrays, labeled in part, for semi-supervised training.

    Args:
        x: Images, [N, H, W, C] or, grey, [N, H, W]; C is 1 or 3. Integers 0..255 or floats 0..1.
        y: Their class numbers, [N] or [N, 1], counting from 0; -1, None or NaN is unlabeled.
        unlabeled: More images, without labels. All images, labeled or not, feed the unlabeled
            streams.
        validation: (images, labels) for `SemiSupervisedData.validation`.
        test: (images, labels) to test on. None (default): the validation images or, without them,
            a fifth of each class's labeled images, which are not trained on then: always the
            same ones, see `source_from_arrays`.
        labels_per_class: The number of labels kept for each class; None (default) for all.
        name: The name of the data set, for messages and the run's config.json.
        class_names: One name per class; by default the class numbers.
        **options: Further arguments of `load`: `seed`, `seed_data`, `batch_size`, `scaling`, ...

    Returns:
        `SemiSupervisedData`, for `gan.fit(data.train, validation_data=data.test)` and
        `experiments.build(recipe, data)`.

    Raises:
        UserError: As `source_from_arrays` and `load`.

    Example:

    >>> x, y = np.zeros((60, 8, 8), np.uint8), np.arange(60) % 3
    >>> y[30:] = -1
    >>> data = improved_gan_tf.data.from_arrays(x, y, batch_size=10)
    >>> len(data.labeled_indices), data.num_train, data.num_test
    (24, 54, 6)
    """
    given = pair((None, None) if test is None else test, f"{name}: test")
    source = source_from_arrays(
        x, y, *given, name, class_names, unlabeled=unlabeled, validation=validation
    )
    return load(source, labels_per_class, **options)
