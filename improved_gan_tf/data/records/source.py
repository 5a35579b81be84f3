"""The source of a stream that reads TFRecord files in sequence."""

from __future__ import annotations

import numpy as np

from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records.files import RecordFiles
from improved_gan_tf.data.stream_sources import Source, seed_of
from improved_gan_tf.errors import UserError

BLOCK_BYTES = 64 * 2**20  # of records shuffled together
_OPEN = 8  # files read at a time


class RecordSource(Source):
    """TFRecord files, read in sequence.

    An epoch's order: the files in an order drawn anew, one after the other in a ring of all their
    records, and a place drawn on the ring from which num_train records count. Worker w reads the
    w-th stretch of steps * rows of them. So the workers' stretches are of equal length whatever
    the files' lengths are, nearly every file is read by one worker alone, and every record has
    the same chance to be among those that fill no batch. Within its stretch a worker reads eight
    files in turns and shuffles blocks of about 64 MiB.

    Args:
        name: of the data set.
        train: the files.
        test: files of a held-out part, or None.
        image_size: side of the squares to make of the pictures; None where all are equal.
        channels: 1 or 3.
        size: (H, W) of the pictures if `image_size` is None; by default the first record's.
    """

    def __init__(
        self,
        name,
        train: RecordFiles,
        test: RecordFiles | None = None,
        image_size=None,
        channels: int = 3,
        size=None,
    ):
        self.name, self.class_names = name, train.class_names
        self.num_train, self.num_test = train.total, test.total if test else 0
        self._train, self._test, self._channels = train, test, channels
        if image_size is None and size is None:
            size = (train.size, train.size) if train.size else self._first_size()
        self._shape(size, image_size, channels)
        self._block = max(1, min(8192, BLOCK_BYTES // train.mean_bytes))

    def _first_size(self):
        import tensorflow as tf

        path = self._train.paths[0]
        record = next(iter(tf.data.TFRecordDataset(path)))
        try:
            return records.parse(record, self._channels)[0].shape[:2]
        except tf.errors.OpError:
            raise _undecodable_record(self.name, path, 0) from None

    def epoch(self, seed, epoch, part):
        import tensorflow as tf

        seed = seed_of(seed, epoch)
        order = tf.random.experimental.stateless_shuffle(tf.range(len(self._train.paths)), seed)
        start = tf.random.stateless_uniform(
            [],
            tf.random.experimental.stateless_fold_in(seed, 0),
            maxval=self.num_train,
            dtype=tf.int64,
        )
        start += part.worker * part.total
        files = tf.data.Dataset.from_tensor_slices(self._stretch(order, start, part.total))
        dataset = files.interleave(
            lambda path, skip, take: tf.data.TFRecordDataset(path).skip(skip).take(take),
            cycle_length=min(_OPEN, len(self._train.paths)),
            block_length=1,
            num_parallel_calls=min(_OPEN, len(self._train.paths)),
            deterministic=True,
        )

        def shuffled(number, block):
            # stateless_fold_in(seed, 0) drew the place.
            fold = tf.random.experimental.stateless_fold_in(seed, number + 1)
            block = tf.random.experimental.stateless_shuffle(block, fold)
            return tf.data.Dataset.from_tensor_slices(block)

        # Not Dataset.shuffle: its order would also depend on tf.random.set_seed.
        return dataset.batch(self._block).enumerate().prefetch(1).flat_map(shuffled)

    def _stretch(self, order, start, length):
        """Files with how many records to skip and to take: [start, start + length) on the ring."""
        import tensorflow as tf

        # Twice around, so that a stretch which begins near the end need not be cut in two.
        order = tf.concat([order, order], 0)
        counts = tf.gather(tf.constant(self._train.counts, tf.int64), order)
        before = tf.cumsum(counts, exclusive=True)
        skip = tf.clip_by_value(start - before, 0, counts)
        take = tf.clip_by_value(start + length - before, 0, counts) - skip
        some = take > 0
        paths = tf.gather(tf.constant(self._train.paths), order)
        return tuple(tf.boolean_mask(x, some) for x in (paths, skip, take))

    def held_out(self):
        import tensorflow as tf

        files = tf.data.Dataset.from_tensor_slices(
            (list(self._test.paths), np.array(self._test.counts, np.int64))
        )
        return files.flat_map(lambda path, take: tf.data.TFRecordDataset(path).take(take))

    def decode(self, element):
        image, label = records.parse(element, self._channels)
        return self._fit(image), label

    def check(self):
        import tensorflow as tf

        decode = tf.function(self.decode, input_signature=[tf.TensorSpec([], tf.string)])
        for files in filter(None, (self._train, self._test)):
            for path, count in zip(files.paths, files.counts, strict=True):
                found = records.scan(path)
                if len(found.labels) < count:
                    raise UserError(
                        f"{self.name}: {path} {found.damage}; replace it by a whole copy, or have "
                        f"the readable part used (skip unreadable)."
                    )
                for number, record in enumerate(tf.data.TFRecordDataset(path).take(count)):
                    try:
                        decode(record)
                    except tf.errors.OpError:
                        raise _undecodable_record(self.name, path, number) from None


def _undecodable_record(name, path, number) -> UserError:
    return UserError(
        f"{name}: the picture in record {number} of {path} cannot be decoded, or is of another "
        f"size than the others; convert the images again, or choose an image size."
    )
