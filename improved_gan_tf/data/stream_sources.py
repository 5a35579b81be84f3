"""Where a stream's images come from, arrays and picture files; and in which order.

A source gives, for every epoch and worker, a `tf.data.Dataset` of cheap elements (row numbers,
serialized records) in their order, and decodes one element. The order is a function of the seed
and the epoch, drawn by TensorFlow's stateless generator inside the pipeline: it has no state that
a resumed run would have to restore, and no other seed reaches it.
"""

from __future__ import annotations

import concurrent.futures
import os
from dataclasses import dataclass

import numpy as np

from improved_gan_tf.data.arrays import Arrays
from improved_gan_tf.data.order import mixed_order
from improved_gan_tf.data.records import format as records
from improved_gan_tf.data.square import square_tensor
from improved_gan_tf.errors import UserError


@dataclass(frozen=True)
class Part:
    """What one worker reads of an epoch: `steps` batches of `rows` rows each."""

    steps: int
    rows: int
    workers: int = 1
    worker: int = 0

    @property
    def total(self) -> int:
        """Rows of this worker in an epoch; all workers read as many."""
        return self.steps * self.rows


class Source:
    """Labelled images to stream.

    Attributes:
        name, class_names, num_train, num_test: as `ImageStream` has them.
        image_shape: (H, W, C) of the decoded images.
        maximum: the largest value of a stored pixel.
    """

    name: str
    class_names: tuple[str, ...]
    num_train: int
    num_test: int
    image_shape: tuple[int, int, int]
    maximum = 255.0

    def epoch(self, seed: int, epoch, part: Part):
        """The elements of one epoch, in a graph.

        Args:
            seed: of the order.
            epoch: scalar int64 tensor.
            part: which of them; steps * rows * workers <= num_train.

        Returns:
            tf.data.Dataset of `part.total` elements.
        """
        raise NotImplementedError

    def held_out(self):
        """tf.data.Dataset of the test elements, in a fixed order."""
        raise NotImplementedError

    def decode(self, element):
        """(image [H, W, C] float32 in 0..maximum, label int32) of an element, in a graph."""
        raise NotImplementedError

    def decode_held_out(self, element):
        """The same for a test element."""
        return self.decode(element)

    def check(self) -> None:
        """Reads and decodes everything once.

        Raises:
            UserError: something cannot be read; it is named.
        """

    def _fit(self, image):
        """An image, cropped and resized where it is not of the shape wanted already."""
        import tensorflow as tf

        if image.shape != self.image_shape and self._resize:
            image = square_tensor(image, self.image_shape[0])
            return tf.clip_by_value(image, 0.0, self.maximum)  # it rounds beyond by an ulp
        return tf.ensure_shape(tf.cast(image, tf.float32), self.image_shape)

    def _shape(self, own, image_size, channels):
        """Sets `image_shape`; own is (H, W) of all pictures or None."""
        self._resize = image_size is not None
        size = (image_size, image_size) if self._resize else own
        self.image_shape = (int(size[0]), int(size[1]), int(channels))


def shuffled_rows(count: int, seed: int, epoch, part: Part):
    """A worker's row numbers in one epoch, as a dataset.

    The workers' slices of a batch, joined, are the batch of a single worker: how many share the
    work changes nothing in what is trained on.
    """
    import tensorflow as tf

    rows = tf.random.experimental.stateless_shuffle(
        tf.range(count, dtype=tf.int64), seed=seed_of(seed, epoch)
    )
    rows = rows[: part.total * part.workers]
    rows = tf.reshape(rows, (part.steps, part.workers, part.rows))[:, part.worker]
    return tf.data.Dataset.from_tensor_slices(tf.reshape(rows, [-1]))


def seed_of(seed, epoch):
    """The stateless generator's seed of an epoch, [2] int64."""
    import tensorflow as tf

    return tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])


class ArraySource(Source):
    """A data set in memory.

    Args:
        arrays: the data set.
        image_size: side of the squares to make of its images; None leaves them as they are.
    """

    def __init__(self, arrays: Arrays, image_size=None):
        self.name, self.class_names, self.maximum = arrays.name, arrays.class_names, arrays.maximum
        self.num_train, self.num_test = len(arrays.train_labels), len(arrays.test_labels)
        self._shape(arrays.image_shape[:2], image_size, arrays.image_shape[2])
        self._arrays = arrays

    def epoch(self, seed, epoch, part):
        return shuffled_rows(self.num_train, seed, epoch, part)

    def held_out(self):
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(mixed_order(self._arrays.test_labels))

    def decode(self, element):
        return self._row(self._arrays.train_images, self._arrays.train_labels, element)

    def decode_held_out(self, element):
        return self._row(self._arrays.test_images, self._arrays.test_labels, element)

    def _row(self, images, labels, row):
        import tensorflow as tf

        # Outside the pipeline's function, which then refers to the tensor; inside, it would be
        # copied into the graph.
        with tf.init_scope(), tf.device("CPU:0"):
            images, labels = tf.constant(images), tf.constant(labels)
        return self._fit(tf.gather(images, row)), tf.gather(labels, row)


@dataclass(frozen=True)
class Pictures:
    """Picture files and their class numbers."""

    paths: tuple[str, ...]
    labels: np.ndarray


class PictureSource(Source):
    """Picture files in class folders; only their names are in memory.

    Args:
        name: of the data set.
        class_names: one a class.
        train, test: the files; test may be empty.
        size: (H, W) of all pictures, or None where `image_size` is given.
        image_size: side of the squares to make of them.
    """

    def __init__(
        self, name, class_names, train: Pictures, test: Pictures, size=None, image_size=None
    ):
        self.name, self.class_names = name, tuple(class_names)
        self.num_train, self.num_test = len(train.paths), len(test.paths)
        self._train, self._test = train, test
        self._shape(size, image_size, 3)

    def epoch(self, seed, epoch, part):
        return shuffled_rows(self.num_train, seed, epoch, part)

    def held_out(self):
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(mixed_order(self._test.labels))

    def decode(self, element):
        return self._row(self._train, element)

    def decode_held_out(self, element):
        return self._row(self._test, element)

    def _row(self, pictures, row):
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):
            paths = tf.constant(pictures.paths)
            labels = tf.constant(pictures.labels, tf.int32)
        image = records.decode_picture(tf.io.read_file(tf.gather(paths, row)))
        return self._fit(image), tf.gather(labels, row)

    def check(self):
        bad = undecodable(self._train.paths + self._test.paths)
        if bad:
            raise unreadable_picture(self.name, bad[0])


def undecodable(paths) -> list[str]:
    """The picture files among `paths` that TensorFlow cannot decode, in their order."""
    import tensorflow as tf

    def fails(path):
        try:
            records.decode_picture(tf.io.read_file(path))
        except tf.errors.OpError:
            return True
        return False

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [path for path, bad in zip(paths, pool.map(fails, paths), strict=True) if bad]


def unreadable_picture(name, path) -> UserError:
    """The error for a picture that cannot be decoded."""
    return UserError(
        f"{name}: {path} cannot be decoded by TensorFlow as JPEG, PNG, GIF or BMP; replace or "
        f"remove it, have such pictures left out (skip unreadable), or convert the folder by "
        f"tools/convert_imagenet.py."
    )
