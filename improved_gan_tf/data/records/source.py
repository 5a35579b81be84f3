"""The source that reads TFRecord files in sequence."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.data.archives import PictureImages
from improved_gan_tf.data.pictures import Unreadable, graph_reason
from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.records.files import REPLACE, RecordFiles
from improved_gan_tf.data.source import Images, Part, Range, Source, seed_of
from improved_gan_tf.errors import UserError
from improved_gan_tf.pipelines import options

BLOCK_BYTES = 64 * 2**20  # of records shuffled together
_OPEN = 8  # files read at a time
_BATCH = 500  # records decoded together


class RecordSource(Source):
    """TFRecord files, read in sequence.

    An epoch's order: the files in an order drawn anew, one after the other in a ring of all their
    records, and a place drawn on the ring from which num_train records count. Worker w reads the
    w-th stretch of steps * rows of them. So the workers' stretches are of equal length whatever
    the files' lengths are, nearly every file is read by one worker alone, and every record has
    the same chance to be among those that fill no batch. Within its stretch a worker reads eight
    files in turns and shuffles blocks of about 64 MiB.

    `files` is called once for each split. The default `size` is the first record's. The attribute
    `order`, a function of the split, gives the order of the records in `arrays`.
    """

    def __init__(
        self,
        name: str,
        split_names: Sequence[str],
        files: Callable[[str], RecordFiles],
        class_names: Sequence[str] | None,
        channels: int = 3,
        size: tuple[int | None, int | None] | None = None,
    ):
        self.name, self.split_names, self.channels = name, tuple(split_names), channels
        self.class_names = None if class_names is None else tuple(class_names)
        self._files, self._size = cache(files), size
        self.order: Callable[[str], np.ndarray | None] = lambda split: None

    @cached_property
    def size(self) -> tuple[int | None, int | None]:  # type: ignore[override]
        side = self._files(self.split).size
        if self._size or side:
            return self._size or (side, side)
        path, number, record = next(self._records(self.split))
        try:
            return self._parse(record).shape[:2]
        except Unreadable as error:
            raise self._undecodable(path, number, error) from None

    def _records(self, split):
        """(path, number in the file, record) of each record of a split."""
        import tensorflow as tf

        files = self._files(split)
        for path, count in zip(files.paths, files.counts, strict=True):
            number = -1
            with contextlib.suppress(tf.errors.OpError):
                for number, record in enumerate(tf.data.TFRecordDataset(path).take(count)):
                    yield path, number, record
            if number + 1 < count:
                damage = records.scan(path).damage or "cannot be read"
                raise UserError(f"{self.name}: {path} {damage}; {REPLACE}")

    def _parse(self, record):
        """The image of a record, uint8 [H, W, C]."""
        import tensorflow as tf

        try:
            return _functions(self.channels)[0](record).numpy()
        except (tf.errors.OpError, UnicodeDecodeError) as error:  # of TensorFlow's own message
            raise Unreadable(graph_reason(error)) from error

    def _pixels(self, record):
        """The number of a record's pixels, or a bound of it."""
        import tensorflow as tf

        try:
            return int(_functions(self.channels)[1](record)) or limits.PIXELS.value
        except (tf.errors.OpError, UnicodeDecodeError) as error:  # of TensorFlow's own message
            raise Unreadable(graph_reason(error)) from error

    def _load(self, record, admit):
        admit(self._pixels(record))
        return self._parse(record)

    def _undecodable(self, path, number, reason):
        return UserError(
            f"{self.name}: the picture in record {number} of {path} cannot be decoded, or is of "
            f"another size than the others ({reason}); convert the images again, or choose an "
            f"image size"
        )

    @property
    def block(self) -> int:
        """How many records are shuffled together."""
        return max(1, min(8192, BLOCK_BYTES // self._files(self.split).mean_bytes))

    def count(self, split: str) -> int:
        return self._files(split).total

    def ids(self, split: str) -> list[bytes]:
        """The feature `id` of each record, in the stored order."""
        import tensorflow as tf

        spec = {"id": tf.io.FixedLenFeature([], tf.string)}
        batches = self.elements(split).batch(_BATCH)
        found = [tf.io.parse_example(batch, spec)["id"].numpy() for batch in batches]
        return np.concatenate(found).tolist()

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        import tensorflow as tf

        self.one_shape()  # its error would become TensorFlow's in the graph

        def pixels(record):
            image, label = self.decode(record, split)
            return tf.cast(tf.round(image), tf.uint8), label

        def decoded(batch):
            return tf.map_fn(pixels, batch, fn_output_signature=(tf.uint8, tf.int32))

        batches = self.elements(split).batch(_BATCH)
        batches = batches.map(decoded, num_parallel_calls=os.cpu_count()).with_options(options())
        try:
            parts = list(batches.as_numpy_iterator())
        except tf.errors.OpError:
            self._check(split)  # names what is damaged
            raise
        images, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = self.order(split)
        return (images, labels) if order is None else (images[order], labels[order])

    def _images(self, split: str, image_range: Range) -> Images:
        def items():
            for path, number, record in self._records(split):
                yield f"{path} record {number}", len(record.numpy()), partial(self._load, record)

        return PictureImages(f"{self.name}@{split}", self.count(split), items)

    def _image_labels(self, split: str) -> np.ndarray:
        files = self._files(split)
        pairs = zip(files.paths, files.counts, strict=True)
        return np.concatenate([records.scan(path).labels[:count] for path, count in pairs])

    def epoch(self, seed: int, epoch: Any, part: Part) -> Any:
        import tensorflow as tf

        files, random = self._files(self.split), tf.random.experimental
        folded = seed_of(seed, epoch)
        order = random.stateless_shuffle(tf.range(len(files.paths)), folded)
        place = random.stateless_fold_in(folded, 0)
        start = tf.random.stateless_uniform([], place, maxval=files.total, dtype=tf.int64)
        start += part.worker * part.total
        stretch = tf.data.Dataset.from_tensor_slices(_stretch(files, order, start, part.total))
        dataset = stretch.interleave(
            lambda path, skip, take: tf.data.TFRecordDataset(path).skip(skip).take(take),
            cycle_length=min(_OPEN, len(files.paths)),
            block_length=1,
            num_parallel_calls=min(_OPEN, len(files.paths)),
            deterministic=True,
        )

        def shuffled(number, block):
            block = random.stateless_shuffle(block, random.stateless_fold_in(folded, number + 1))
            return tf.data.Dataset.from_tensor_slices(block)

        # Not Dataset.shuffle: its order would also depend on tf.random.set_seed.
        return dataset.batch(self.block).enumerate().prefetch(1).flat_map(shuffled)

    def elements(self, split: str) -> Any:
        import tensorflow as tf

        files = self._files(split)
        paths = tf.data.Dataset.from_tensor_slices((list(files.paths), np.array(files.counts)))
        return paths.flat_map(lambda path, take: tf.data.TFRecordDataset(path).take(take))

    def decode(self, element: Any, split: str) -> tuple[Any, Any]:
        image, label = records.parse(element, self.channels)
        return self.resizing.tensor(image, self.one_shape()), label

    def check(self, quick: bool = False) -> None:
        if not quick:
            self._check(self.split)
            if self.test_split is not None:
                self._check(self.test_split)

    def _check(self, split):
        for path, number, record in self._records(split):
            try:
                shape = self._parse(record).shape
            except Unreadable as error:
                raise self._undecodable(path, number, error) from None
            if shape != self.one_shape() and not self.resizing.size:
                raise self._undecodable(path, number, f"{shape[0]} x {shape[1]}")


@cache
def _functions(channels):
    """Compiled functions of a record: its image, and the number of its pixels."""
    import tensorflow as tf

    spec = [tf.TensorSpec([], tf.string)]
    image = tf.function(lambda record: records.parse(record, channels)[0], spec)
    return image, tf.function(records.pixels, spec)


def _stretch(files, order, start, length):
    """Files with how many records to skip and to take: [start, start + length) on the ring."""
    import tensorflow as tf

    # Twice around, so that a stretch which begins near the end need not be cut in two.
    order = tf.concat([order, order], 0)
    counts = tf.gather(tf.constant(files.counts, tf.int64), order)
    before = tf.cumsum(counts, exclusive=True)
    skip = tf.clip_by_value(start - before, 0, counts)
    take = tf.clip_by_value(start + length - before, 0, counts) - skip
    some = take > 0
    paths = tf.gather(tf.constant(files.paths), order)
    return tuple(tf.boolean_mask(x, some) for x in (paths, skip, take))
