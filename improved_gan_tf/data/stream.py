"""Labelled images in endless batches, however many there are: for the ImageNet model."""

from __future__ import annotations

import os
from functools import cached_property

from improved_gan_tf.data.pipeline import options
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.square import checked_size
from improved_gan_tf.data.stream_sources import Part, Source
from improved_gan_tf.errors import UserError


def load_stream(
    name: str,
    *,
    image_size: int | None = 128,
    batch_size: int = 16,
    seed: int = 1,
    data_dir=None,
    scaling: str = "symmetric",
    skip_unreadable: bool = False,
    download: bool = True,
    num_classes: int | None = None,
) -> ImageStream:
    """Opens a data set for training that reads as it goes.

    Args:
        name: `records:PATH` (a folder of TFRecord files, one file, or a pattern), `folder:DIR`
            (class folders, in DIR/train if that is there), `digits`, `npz:FILE`, or a TFDS name
            such as imagenet2012.
        image_size: the middle square of every picture is resized to this side, see `square`.
            None keeps the source's own size, which all its pictures must share.
        batch_size: rows a step, over all workers.
        seed: of the order, 0 <= seed < 2**32.
        data_dir: TFDS' folder, see `tfds_source.default_data_dir`.
        scaling: "symmetric" 2x/255 - 1 (the original's), "unit" or "cifar10", see `Scaling`.
        skip_unreadable: leave out pictures that cannot be decoded, and what follows the first
            damage in a TFRecord file, with a warning that names it; takes a whole reading.
        download: whether TFDS may fetch data that are not there.
        num_classes: of TFRecord files without an index; by default the largest label and one
            more. Elsewhere it must be what the data have.

    Raises:
        UserError: one line on what is wrong: data absent, damaged or of another form, labels out
            of range, a batch size beyond the data, an option's value.

    Source: the ImageNet code's reading of records, read_and_decode and the queue behind it.
    """
    from improved_gan_tf.data.stream_opening import open_source

    scaling = Scaling(scaling).name  # an unknown name fails before anything is read
    image_size = checked_size(image_size)
    _checked_batch(batch_size)
    if not 0 <= seed < 2**32:
        raise UserError(f"seed {seed} given; expected an integer from 0 to 2**32 - 1.")
    source = open_source(name, image_size, data_dir, skip_unreadable, download, num_classes)
    if num_classes not in (None, len(source.class_names)):
        raise UserError(
            f"{name}: has {len(source.class_names)} classes, but {num_classes} were asked for."
        )
    return ImageStream(source, batch_size, seed, Scaling(scaling, source.maximum))


def _checked_batch(batch_size):
    if int(batch_size) != batch_size or batch_size < 1:
        raise UserError(f"batch size {batch_size} given; expected a whole number, 1 or more.")
    return int(batch_size)


class ImageStream:
    """Batches for training, in an order that is a function of the seed and the epoch alone.

    Args:
        source: where the images come from.
        batch_size: rows a step, over all workers; at most the number of training images.
        seed: of the order.
        scaling: pixels to floats.

    Attributes:
        batch_size, seed, scaling: as given.
        steps_per_epoch: floor(num_train / batch_size).

    Raises:
        UserError: fewer training images than a batch has rows.
    """

    def __init__(self, source: Source, batch_size: int, seed: int, scaling: Scaling):
        self.batch_size = _checked_batch(batch_size)
        if batch_size > source.num_train:
            raise UserError(
                f"{source.name}: batch size {batch_size} is more than the {source.num_train} "
                f"training images; use a batch size of at most {source.num_train}."
            )
        self.source, self.seed, self.scaling = source, int(seed), scaling
        self.steps_per_epoch = source.num_train // self.batch_size

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.source.name

    @property
    def num_train(self) -> int:
        """Number of training images."""
        return self.source.num_train

    @property
    def num_test(self) -> int:
        """Number of held-out images, 0 if there are none."""
        return self.source.num_test

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.source.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name a class."""
        return self.source.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.source.image_shape

    @property
    def range(self) -> tuple[float, float]:
        """The scaled values of a black and of a full pixel."""
        return self.scaling.range

    def train(
        self,
        first_epoch: int = 0,
        workers: int = 1,
        worker: int = 0,
        replicas: int = 1,
        first_step: int = 0,
    ):
        """Endless training batches from the beginning of an epoch on.

        Every epoch is `steps_per_epoch` batches; the rows that fill none are left out, other ones
        every time. A run resumed at an epoch sees what the uninterrupted one saw.

        Args:
            first_epoch: where to begin, from 0.
            workers: how many share every batch; must divide `batch_size`.
            worker: which of them this is, 0 <= worker < workers. No row goes to two of them
                within an epoch.
            replicas: how many divide this worker's part of every batch: the batches given are
                those of one replica, in turn.
            first_step: batches of that epoch to pass over, without decoding them.

        Returns:
            `tf.data.Dataset` of (x [batch_size // (workers * replicas), H, W, C] float32 scaled,
            y int32).

        Raises:
            UserError: a number out of its range; a batch that the workers cannot share equally.
        """
        import tensorflow as tf

        if first_epoch < 0:
            raise UserError(f"first epoch {first_epoch} given; epochs count from 0.")
        if not 0 <= worker < workers:
            raise UserError(
                f"worker {worker} of {workers} given; expected at least one worker, counted from 0."
            )
        if replicas < 1 or first_step < 0:
            raise UserError(
                f"{replicas} replicas and first step {first_step} given; expected at least 1 and 0."
            )
        if self.batch_size % (workers * replicas):
            shares = f"{workers} workers" + (f" of {replicas} replicas" if replicas > 1 else "")
            raise UserError(
                f"batch size {self.batch_size} cannot be shared by {shares}; use a multiple of "
                f"{workers * replicas}."
            )
        part = Part(self.steps_per_epoch, self.batch_size // workers, workers, worker)
        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        dataset = epochs.flat_map(lambda epoch: self.source.epoch(self.seed, epoch, part))
        dataset = dataset.skip(first_step * part.rows)
        dataset = self._batches(dataset, self.source.decode, part.rows // replicas)
        return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    @cached_property
    def test(self):
        """The held-out images: a `tf.data.Dataset` of (x, y) batches of `batch_size`.

        Their order is always the same: `mixed_order`'s, or of record files the files'.

        The rest that fills no batch is left out. None where there is no held-out part, or less of
        it than a batch.
        """
        if self.num_test < self.batch_size:
            return None
        import tensorflow as tf

        dataset = self._batches(
            self.source.held_out(), self.source.decode_held_out, self.batch_size
        )
        return dataset.apply(
            tf.data.experimental.assert_cardinality(self.num_test // self.batch_size)
        )

    def check(self) -> None:
        """Reads and decodes all images once: what to do when training met one that is damaged.

        TensorFlow's own error then names neither file nor record.

        Raises:
            UserError: an image cannot be read; its file is named.
        """
        self.source.check()

    def _batches(self, elements, decode, rows):
        import tensorflow as tf

        dataset = elements.map(decode, num_parallel_calls=os.cpu_count(), deterministic=True)
        dataset = dataset.batch(rows, drop_remainder=True)
        dataset = dataset.map(lambda x, y: (self.scaling.apply(x), y)).prefetch(4)
        chosen = options(tf)
        # The workers share the data by `train`'s arguments; a second division would lose rows.
        chosen.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return dataset.with_options(chosen)
