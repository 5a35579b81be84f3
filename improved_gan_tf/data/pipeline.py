"""The tf.data pipeline of semi-supervised training."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from improved_gan_tf.data.arrays import Arrays
from improved_gan_tf.data.order import EpochOrder
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.errors import UserError


class SemiSupervisedData:
    """Streams for semi-supervised training and batches for testing, from images in memory.

    Args:
        arrays: the data set.
        labeled_indices: [L] rows of the training set that carry a label.
        order: the order of the three streams; counts labelled rows within `labeled_indices`.
        scaling: pixels to floats.
        initialization_rows: rows of the training set for the data-dependent initialisation.
        test_batch_size: images a batch of `test`.

    Source: the minibatch loops of the original's train_*.py scripts, and their data sections.
    """

    def __init__(
        self,
        arrays: Arrays,
        labeled_indices,
        order: EpochOrder,
        scaling: Scaling,
        initialization_rows,
        test_batch_size: int = 500,
    ):
        self.arrays = arrays
        self.labeled_indices = np.asarray(labeled_indices)
        self.order = order
        self.scaling = scaling
        self.start_epoch = 0
        self.test_batch_size = int(test_batch_size)
        self._initialization_rows = np.asarray(initialization_rows)

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
            raise UserError(f"start epoch {epoch} given; epochs count from 0.")
        self._start_epoch = int(epoch)

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.arrays.name

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.arrays.image_shape

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self.arrays.num_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""
        return self.arrays.class_names

    @property
    def num_train(self) -> int:
        """Number of training images, labelled or not."""
        return len(self.arrays.train_images)

    @property
    def num_test(self) -> int:
        """Number of test images."""
        return len(self.arrays.test_images)

    @property
    def batch_size(self) -> int:
        """Rows a step of each stream."""
        return self.order.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """floor(num_train / batch_size)."""
        return self.order.steps_per_epoch

    @property
    def range(self) -> tuple[float, float]:
        """The scaled values of a black and of a full pixel."""
        return self.scaling.range

    def scale(self, images) -> np.ndarray:
        """Stored pixels to the floats trained on."""
        return self.scaling.scale(images)

    def unscale(self, images) -> np.ndarray:
        """Floats as trained on to uint8 pictures 0..255."""
        return self.scaling.unscale(images)

    @cached_property
    def labeled(self) -> tuple[np.ndarray, np.ndarray]:
        """The labelled subset, scaled: x [L, H, W, C] float32, y [L] int32."""
        rows = self.labeled_indices
        return self.scale(self.arrays.train_images[rows]), self.arrays.train_labels[rows]

    @cached_property
    def initialization_images(self) -> np.ndarray:
        """Scaled float32 images for the data-dependent initialisation."""
        return self.scale(self.arrays.train_images[self._initialization_rows])

    def _next_epoch(self):
        epoch = self.start_epoch
        self.start_epoch = epoch + 1
        rows = self.order.epoch(epoch)
        labeled = self.labeled_indices[rows.labeled].astype(np.int32)
        return labeled, rows.unlabeled, rows.unlabeled_generator

    @cached_property
    def train(self):
        """One epoch: a finite `tf.data.Dataset` of `steps_per_epoch` dictionaries.

        {"labeled": (x [B, H, W, C] float32, y [B] int32), "unlabeled": x,
        "unlabeled_generator": x}. Every new iteration is the next epoch, see `start_epoch`.
        """
        import tensorflow as tf

        with tf.device("CPU:0"):
            images = tf.constant(self.arrays.train_images)
            labels = tf.constant(self.arrays.train_labels)
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

        # Python runs once an epoch, not once a batch; gathering and scaling are TensorFlow's.
        dataset = tf.data.Dataset.range(1).map(epoch)
        dataset = dataset.flat_map(lambda *rows: tf.data.Dataset.from_tensor_slices(rows))
        dataset = dataset.map(batch)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps_per_epoch))
        return dataset.prefetch(2).with_options(options(tf))

    @cached_property
    def test(self):
        """The test set in order: a `tf.data.Dataset` of (x float32, y int32) batches."""
        import tensorflow as tf

        with tf.device("CPU:0"):
            tensors = tf.constant(self.arrays.test_images), tf.constant(self.arrays.test_labels)
        dataset = tf.data.Dataset.from_tensor_slices(tensors).batch(self.test_batch_size)
        dataset = dataset.map(lambda x, y: (self.scaling.apply(tf.cast(x, tf.float32)), y))
        return dataset.prefetch(2).with_options(options(tf))


def options(tf):
    """What every pipeline of training is run with, as new tf.data.Options."""
    chosen = tf.data.Options()
    # The autotuner's thread can hold up the end of an epoch by seconds, and has nothing to tune.
    chosen.autotune.enabled = False
    chosen.deterministic = True
    return chosen
