"""What a name of data stands for: a `Source`, and `Images`, its images one by one.

Semi-supervised training reads a source into memory (`arrays`), the endless stream takes its
`tf.data` elements (`epoch`, `elements`, `decode`), and the metrics take its `images`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from improved_gan_tf.data.order import mixed_order
from improved_gan_tf.data.pictures import Resizing
from improved_gan_tf.errors import UserError

Range = tuple[float, float] | None  # values of black and full brightness; None: 0 and 255


class Images:
    """Images that are read one after the other; what the metrics consume.

    Args:
        name: Where they come from, for messages and protocols.
        count: The number of images, those that cannot be read included.

    Attributes:
        skipped: Names of the images left out because they could not be read, up to where the
            images were read last.
        class_names: One name per class, or None where there are no labels.
    """

    class_names: tuple[str, ...] | None = None
    _read_labels: Callable[[], np.ndarray] | None = None

    def __init__(self, name: str, count: int):
        self.name, self.count = name, count
        self.skipped: list[str] = []

    def labels(self) -> np.ndarray | None:
        """The class number of each image, [count] integers, those included that cannot be read; -1
        is unlabeled. None where there are no labels."""
        return None if self._read_labels is None else self._read_labels()

    def label(self, read: Callable[[], np.ndarray], class_names: tuple[str, ...]) -> None:
        """Gives the images labels, which `read` returns when they are asked for."""
        self._read_labels, self.class_names = read, class_names

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        """Yields `prepare(image)` for each image, in order; may be called again.

        An image is uint8, or float32 in 0..255, [H, W, 1 or 3]. `prepare` may be called in as many
        threads as there are workers.
        """
        raise NotImplementedError

    def names(self) -> Iterator[str]:
        """Yields the name of each image, in order: its file, or its number."""
        return map(str, range(self.count))


def pick(
    images: Images,
    numbers: np.ndarray,
    prepare: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    workers: int = 2,
) -> list[np.ndarray]:
    """Reads some of the images, as far as the last of them.

    Args:
        images: The images; those that cannot be read have no number.
        numbers: Which, integers without repetition.
        prepare: What is done with each of the images, as they are read.
        workers: Threads that read.

    Returns:
        uint8 [H, W, C] each, in the order of the numbers; fewer where there are not so many.
    """
    place = {int(number): i for i, number in enumerate(numbers)}
    found: dict[int, np.ndarray] = {}
    for number, image in enumerate(images.images(prepare, workers)):
        if number in place:
            found[place[number]] = np.rint(image).astype(np.uint8)
            if len(found) == len(place):
                break
    return [found[i] for i in sorted(found)]


class _Resized(Images):
    def __init__(self, found: Images, resizing: Resizing):
        super().__init__(found.name, found.count)
        self._found, self._resizing, self.skipped = found, resizing, found.skipped

    def images(self, prepare: Callable[[np.ndarray], Any], workers: int) -> Iterator[Any]:
        return self._found.images(lambda image: prepare(self._resizing.image(image)), workers)

    def names(self) -> Iterator[str]:
        return self._found.names()


@dataclass(frozen=True)
class Part:
    """What one worker reads of an epoch: `steps` batches of `rows` examples each."""

    steps: int
    rows: int
    workers: int = 1
    worker: int = 0

    @property
    def total(self) -> int:
        """Examples of this worker per epoch; all workers read as many."""
        return self.steps * self.rows


class Source:
    """Images, usually with class labels; `improved_gan_tf.data.open` returns one for a name.

    Attributes:
        name: The name of the data set, without the chosen split.
        class_names: One name per class, or None where there are no labels.
        split_names: The splits, in order.
        split: The split that is trained on or looked at; "train" unless another was chosen.
        test_split: The split that tests, or None.
        num_unlabeled: How many training images carry no label; their class number is -1.
        held_out: The fraction of each class's labeled images that was split off as the test set
            because the data have none of their own; None where they have.
        maximum: The largest value of a stored pixel: 255, 16 for digits, 1 for floats.
        size: (height, width) as stored; each None where it differs or is unknown.
        channels: 1 if all images are grey, otherwise 3.
        resizing: How images are brought to one size.
        hint: A suggestion that is appended to error messages about missing labels.
    """

    name: str
    class_names: tuple[str, ...] | None = None
    split_names: tuple[str, ...] = ("train",)
    split: str = "train"
    test_split: str | None = None
    num_unlabeled: int = 0
    held_out: float | None = None
    maximum: float = 255.0
    size: tuple[int | None, int | None] = (None, None)
    channels: int = 3
    resizing: Resizing = Resizing()
    hint: str = ""

    @property
    def num_classes(self) -> int:
        """The number of classes, 0 where there are no labels."""
        return len(self.class_names or ())

    @property
    def splits(self) -> dict[str, int]:
        """The number of images of each split."""
        return {split: self.count(split) for split in self.split_names}

    @property
    def image_shape(self) -> tuple[int | None, int | None, int]:
        """(height, width, channels) after resizing; None where sizes differ or are unknown."""
        return *(self.resizing.size or self.size), self.channels

    def one_shape(self) -> tuple[int, int, int]:
        """`image_shape` where it must be known.

        Raises:
            UserError: The images differ in size.
        """
        height, width, channels = self.image_shape
        if height is None or width is None:
            raise UserError(
                f"{self.name}: its images have many sizes; choose an image size, where that is "
                f"offered (image_size, --image-size), or data of one size"
            )
        return height, width, channels

    def select(self, split: str | None) -> str:
        """`split`, or the chosen one for None; raises a UserError if there is no such split."""
        if split is not None and split not in self.split_names:
            raise UserError(
                f"{self.name} has no split {split!r}; choose one of {', '.join(self.split_names)}"
            )
        return self.split if split is None else split

    def count(self, split: str) -> int:
        """The number of images of a split."""
        raise NotImplementedError

    def labels(self, split: str) -> np.ndarray:
        """The class numbers of a split, int32 [N]; -1 is unlabeled."""
        return self.arrays(split)[1]

    def file_names(self, split: str) -> Sequence[str]:
        """The path of each image of a split; empty where the images are no picture files."""
        return ()

    def arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """A split in memory: images [N, H, W, C], uint8 or float32 in 0..maximum; labels int32 [N].

        Raises:
            UserError: Images that cannot be read or differ in size; no labels.
        """
        raise UserError(f"{self.name} has no class labels{self.hint}")

    def images(self, split: str | None = None, image_range: Range = None) -> Images:
        """The images of a split (by default the chosen one); `labels()` of them reads their labels.

        `image_range`, the values of black and full brightness, is for files of floats.
        """
        split = self.select(split)
        found = self._images(split, image_range)
        found = found if self.resizing.size is None else _Resized(found, self.resizing)
        if self.class_names:
            found.label(lambda: self._image_labels(split), self.class_names)
        return found

    def _image_labels(self, split: str) -> np.ndarray:
        """The labels of what `_images` gives."""
        return self.labels(split)

    def _images(self, split: str, image_range: Range) -> Images:
        raise NotImplementedError

    def epoch(self, seed: int, epoch: Any, part: Part) -> Any:
        """A `tf.data.Dataset` of a worker's elements of one epoch (a tensor) of the chosen split.

        Elements are cheap ones, such as row numbers. Their order is a function of the seed and the
        epoch, drawn by TensorFlow's stateless generator inside the pipeline: it has no state that
        a resumed run would have to restore.
        """
        return shuffled_rows(self.count(self.split), seed, epoch, part)

    def elements(self, split: str) -> Any:
        """A `tf.data.Dataset` of all elements of a split, in a fixed order."""
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(mixed_order(self.labels(split)))

    def decode(self, element: Any, split: str) -> tuple[Any, Any]:
        """(image [H, W, C] float32 in 0..maximum, label int32) of an element, in a graph."""
        raise NotImplementedError

    def check(self, quick: bool = False) -> None:
        """Reads and decodes everything once, or what can be afforded before every training.

        Raises:
            UserError: Something cannot be read; it is named.
        """


def shuffled_rows(count: int, seed: int, epoch: Any, part: Part) -> Any:
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


def seed_of(seed: int, epoch: Any) -> Any:
    """The stateless generator's seed of an epoch, [2] int64."""
    import tensorflow as tf

    return tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
