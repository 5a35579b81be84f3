"""Labeled images in endless batches, however many there are: for the ImageNet model."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from improved_gan_tf.data import names
from improved_gan_tf.data.order import checked_batch_size, checked_seed
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.data.source import Part, Source
from improved_gan_tf.data.training import TrainingData, training_splits
from improved_gan_tf.errors import UserError
from improved_gan_tf.pipelines import options


def load_stream(
    name: str | os.PathLike | Source,
    *,
    image_size: int | tuple[int, int] | None = 128,
    batch_size: int = 16,
    seed: int = 1,
    scaling: str = "symmetric",
    **options: Any,
) -> ImageStream:
    """Opens a data set for training that reads as it goes.

    Args:
        name: The name of a labeled data set, see `open`, or a labeled `Source`, which was opened
            with its own image size and options.
        image_size: The size to which images are resized, see `open`; by default 128. None keeps
            their own size, which all must share.
        batch_size: Images per step, over all workers.
        seed: The seed of the order, 0 <= seed < 2**32.
        scaling: "symmetric" 2x/255 - 1 (the original's), "unit" or "cifar10", see `Scaling`.
        **options: Further arguments of `open`: `data_dir`, `resize`, `skip_unreadable`, ...

    Returns:
        `ImageStream`.

    Raises:
        UserError: One line that says what is wrong: data not available, damaged or of another
            form, labels out of range, a batch size beyond the data, an option's value.

    Example:

    >>> stream = improved_gan_tf.data.load_stream("digits", image_size=None, batch_size=20)
    >>> x, y = next(iter(stream.train()))

    Source: the ImageNet code's reading of records, read_and_decode and the queue behind it.
    """
    scaling = Scaling(scaling).name  # unknown values fail before anything is read
    checked_batch_size(batch_size)
    checked_seed(seed)
    if not isinstance(name, Source):
        options["image_size"] = image_size
    source = names.as_source(name, **options)
    training_splits(source)
    source.check(quick=True)
    return ImageStream(source, batch_size, seed, Scaling(scaling, source.maximum))


class ImageStream(TrainingData):
    """Batches for training, in an order that depends only on the seed and the epoch.

    Use `load_stream` to create it.

    Args:
        source: A labeled `Source`.
        batch_size: The number of images per step over all workers, an integer from 1.
        seed: The seed of the order, an integer with 0 <= seed < 2**32.
        scaling: The `Scaling` from pixels to floats.

    Raises:
        UserError: The batch size exceeds the training set, or an image has no label.
    """

    def __init__(self, source: Source, batch_size: int, seed: int, scaling: Scaling):
        split, self._test_split = training_splits(source)
        num_train = source.count(split)
        num_test = source.count(self._test_split) if self._test_split else 0
        checked_batch_size(batch_size, num_train, source.name)
        super().__init__(source, scaling, num_train, num_test, batch_size)
        self.seed = checked_seed(seed)

    def train(
        self,
        first_epoch: int = 0,
        workers: int = 1,
        worker: int = 0,
        replicas: int = 1,
        first_step: int = 0,
    ) -> Any:
        """Endless training batches from the beginning of an epoch on.

        Every epoch is `steps_per_epoch` batches; the images that fill none are left out, other
        ones every time. A run resumed at an epoch sees what the uninterrupted one saw.

        Args:
            first_epoch: Where to begin, from 0.
            workers: How many workers share every batch; must divide `batch_size`.
            worker: Which of them this is, from 0. No image goes to two of them within an epoch.
            replicas: How many divide this worker's part of every batch: the batches given are
                those of one replica, in turn.
            first_step: Batches of that epoch to pass over, without decoding them.

        Returns:
            A `tf.data.Dataset` of (x [batch_size // (workers * replicas), H, W, C] float32 scaled,
            y int32).
        """
        import tensorflow as tf

        if first_epoch < 0:
            raise UserError(f"first epoch {first_epoch} given; epochs count from 0")
        if not 0 <= worker < workers:
            raise UserError(
                f"worker {worker} of {workers} given; expected at least one worker, counted from 0"
            )
        if replicas < 1 or first_step < 0:
            raise UserError(
                f"{replicas} replicas and first step {first_step} given; expected at least 1 and 0"
            )
        if self.batch_size % (workers * replicas):
            shares = f"{workers} workers" + (f" of {replicas} replicas" if replicas > 1 else "")
            raise UserError(
                f"batch size {self.batch_size} cannot be shared by {shares}; use a multiple of "
                f"{workers * replicas}"
            )
        part = Part(self.steps_per_epoch, self.batch_size // workers, workers, worker)
        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        dataset = epochs.flat_map(lambda epoch: self.source.epoch(self.seed, epoch, part))
        dataset = dataset.skip(first_step * part.rows)
        dataset = self._batches(dataset, self.source.split, part.rows // replicas)
        return dataset.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))

    @cached_property
    def test(self) -> Any:
        """The test set: a `tf.data.Dataset` of (x, y) batches of `batch_size`.

        Their order is always the same: `mixed_order`'s, or of record files the files'. The rest
        that fills no batch is left out. None where there is no test set, or less than a batch.
        """
        if self._test_split is None or self.num_test < self.batch_size:
            return None
        import tensorflow as tf

        elements = self.source.elements(self._test_split)
        dataset = self._batches(elements, self._test_split, self.batch_size)
        return dataset.apply(
            tf.data.experimental.assert_cardinality(self.num_test // self.batch_size)
        )

    def check(self) -> None:
        """Reads and decodes all images once: what to do when training met one that is damaged.

        TensorFlow's own error then names neither file nor record.

        Raises:
            UserError: An image cannot be read; its file is named.
        """
        self.source.check()

    def _batches(self, elements, split, rows):
        import tensorflow as tf

        dataset = elements.map(
            lambda element: self.source.decode(element, split),
            num_parallel_calls=os.cpu_count(),
            deterministic=True,
        )
        dataset = dataset.batch(rows, drop_remainder=True)
        dataset = dataset.map(lambda x, y: (self.scaling.apply(x), y)).prefetch(4)
        chosen = options()
        # The workers share the data by `train`'s arguments; a second division would lose images.
        chosen.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return dataset.with_options(chosen)
