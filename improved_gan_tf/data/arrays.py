"""Labeled images in memory: the user's own arrays, .npz files, scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf import limits
from improved_gan_tf.data import image_arrays
from improved_gan_tf.data.labels import HELD_OUT, class_numbers, held_out
from improved_gan_tf.data.source import Images, Range, Source
from improved_gan_tf.errors import UserError
from improved_gan_tf.numpy_files import DamagedFile, NpzFile, read_arrays

Arrays = tuple[np.ndarray, np.ndarray]  # images, labels
KEYS = ("x_train", "y_train", "x_test", "y_test")
_DIGITS_TESTED = 500


class ArraySource(Source):
    """Labeled images that fit into memory; `read` is called once for each split."""

    def __init__(
        self,
        name: str,
        counts: Mapping[str, int],
        read: Callable[[str], Arrays],
        class_names: Sequence[str],
        shape: Sequence[int],
        maximum: float = 255.0,
        test_split: str | None = "test",
    ):
        self.name, self.maximum, self.test_split = name, maximum, test_split
        self.class_names, self.split_names = tuple(class_names), tuple(counts)
        self.size, self.channels = (shape[0], shape[1]), shape[2]
        self._counts, self._stored = counts, cache(read)

    def count(self, split: str) -> int:
        return self._counts[split]

    def arrays(self, split: str) -> Arrays:
        images, labels = self._stored(split)
        if self.resizing.size is not None:
            if self.maximum != 255:
                images = images.astype(np.float32)  # their steps are too coarse to round to
            images = np.stack([self.resizing.image(image) for image in images])
        return images, labels

    def _images(self, split: str, image_range: Range) -> Images:
        images = self._stored(split)[0]
        if self.maximum != 255:
            images, image_range = images.astype(np.float32), (0, self.maximum)
        return image_arrays.from_array(images, image_range, f"{self.name}@{split}")

    def check(self, quick: bool = False) -> None:
        self._stored(self.split)  # here, and not where the pipeline is traced

    def decode(self, element: Any, split: str) -> tuple[Any, Any]:
        import tensorflow as tf

        # Outside the pipeline's function, which then refers to the tensor; inside, it would be
        # copied into the graph.
        with tf.init_scope(), tf.device("CPU:0"):
            images, labels = (tf.constant(array) for array in self._stored(split))
        image = self.resizing.tensor(tf.gather(images, element), self.one_shape(), self.maximum)
        return image, tf.gather(labels, element)


def source_from_arrays(
    train_images: Any,
    train_labels: Any,
    test_images: Any = None,
    test_labels: Any = None,
    name: str = "arrays",
    class_names: Sequence[str] | None = None,
    *,
    unlabeled: Any = None,
    validation: tuple[Any, Any] | None = None,
) -> ArraySource:
    """Makes a source of the user's own arrays, for `load` and `load_stream`.

    Args:
        train_images: Training images, [N, H, W, C] or, grey, [N, H, W]; C is 1 or 3. Integers
            0..255 or floats 0..1.
        train_labels: Their class numbers, [N] or [N, 1], counting from 0; -1, None or NaN is
            unlabeled.
        test_images: Test images of the same height, width, channels and type. None (default): the
            validation images test or, without them, a fifth of the labeled training images of
            each class, which are no training images then, see `labels.held_out`.
        test_labels: Their class numbers.
        name: The name of the data set, which begins every message.
        class_names: One name per class; by default the class numbers.
        unlabeled: More training images, without labels.
        validation: (images, labels) of a split "validation".

    Returns:
        A `Source` of uint8 (maximum 255) or float32 (maximum 1) images and int32 labels.

    Raises:
        UserError: Images of a wrong rank, number of channels, type or range; NaN; labels that are
            no class numbers, out of range, or not as many as the images; images of several splits
            that differ in form; no label at all.

    Example:

    >>> x, y = np.zeros((60, 8, 8), np.uint8), np.arange(60) % 3
    >>> source = improved_gan_tf.data.source_from_arrays(x[:50], y[:50], x[50:], y[50:])
    >>> source.splits
    {'train': 50, 'test': 10}
    """
    if (test_images is None) != (test_labels is None):
        raise UserError(f"{name}: give test images and test labels, or neither")
    given = {"train": ("training", train_images, train_labels)}
    if test_images is not None:
        given["test"] = ("test", test_images, test_labels)
    if validation is not None:
        given["validation"] = ("validation", *pair(validation, f"{name}: validation"))
    if unlabeled is not None:
        given["unlabeled"] = ("unlabeled", unlabeled, None)
    parts = {}
    for split, (what, images, labels) in given.items():
        images = _checked_images(images, f"{name}: {what} images")
        if split == "unlabeled":
            labels = np.full(len(images), -1, np.int32)
        else:
            partly, what_labels = split == "train", f"{name}: {what} labels"
            labels = _checked_labels(labels, len(images), what_labels, partly)
        parts[split] = images, labels
        forms = [f"{' x '.join(map(str, x.shape[1:]))} {x.dtype}" for x, _ in parts.values()]
        if forms[0] != forms[-1]:
            raise UserError(
                f"{name}: training images are {forms[0]} but {what} images {forms[-1]}; both must "
                f"have the same height, width and channels, and be uint8 in 0..255 or floats in "
                f"0..1"
            )
    images, labels = parts["train"]
    if labels.max() < 0:
        raise UserError(f"{name}: no training image is labeled; give every class a label")
    if excess := limits.CLASSES.excess(int(labels.max()) + 1):
        raise UserError(f"{name}: training labels make {excess}")
    names = tuple(class_names or map(str, range(int(labels.max()) + 1)))
    for split, (_, numbers) in parts.items():
        if numbers.max() >= len(names):
            raise UserError(
                f"{name}: {given[split][0]} label {numbers.max()} is out of range; the "
                f"{len(names)} classes of the training labels count from 0 to {len(names) - 1}"
            )
    fraction = None
    if not {"test", "validation"} & set(parts):
        test, fraction = held_out(labels), HELD_OUT
        parts["test"] = images[test], labels[test]
        parts["train"] = np.delete(images, test, axis=0), np.delete(labels, test)
    if "unlabeled" in parts:
        joined = zip(parts["train"], parts.pop("unlabeled"), strict=True)
        images, labels = (np.concatenate(arrays) for arrays in joined)
        parts["train"] = images, labels
    source = in_memory(name, parts, names, 255.0 if images.dtype == np.uint8 else 1.0)
    source.held_out = fraction
    source.num_unlabeled = int(np.count_nonzero(parts["train"][1] < 0))
    return source


def pair(value: Any, what: str) -> tuple[Any, Any]:
    """`value` if it is (images, labels), otherwise a UserError."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UserError(f"{what} was given as {type(value).__name__}; expected (images, labels)")
    return value[0], value[1]


def in_memory(
    name: str, parts: Mapping[str, Arrays], class_names: Sequence[str], maximum: float = 255.0
) -> ArraySource:
    """A source of arrays that are known to be right: {split: (images, labels)}."""
    counts = {split: len(labels) for split, (_, labels) in parts.items()}
    shape = next(iter(parts.values()))[0].shape[1:]
    test_split = "test" if "test" in parts else "validation"
    return ArraySource(name, counts, parts.__getitem__, class_names, shape, maximum, test_split)


def open_digits() -> ArraySource:
    """scikit-learn's 1,797 handwritten digits, [8, 8, 1] pixels of 17 grey levels.

    The first 500 images of `RandomState(0).permutation(1797)` are the test set, the other 1,297 the
    training set. Both keep the order of scikit-learn. Pixels stay integers in 0..16 (maximum 16).
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise UserError(
            "digits: reading them needs scikit-learn; run: pip install scikit-learn"
        ) from None
    digits = load_digits()
    images, labels = digits.images.astype(np.uint8)[..., None], digits.target.astype(np.int32)
    shuffled = np.random.RandomState(0).permutation(len(labels))
    test, train = np.sort(shuffled[:_DIGITS_TESTED]), np.sort(shuffled[_DIGITS_TESTED:])
    parts = {"train": (images[train], labels[train]), "test": (images[test], labels[test])}
    return in_memory("digits", parts, "0123456789", 16.0)


def open_npz(path: str) -> ArraySource:
    """The arrays `x_train`, `y_train`, `x_test`, `y_test` of a .npz file, as Keras' mnist.npz.

    There may be `x_unlabeled`; the test arrays may be absent, see `source_from_arrays`.
    """
    file = Path(path).expanduser()
    name = f"npz:{file}"
    expected = f"expected a .npz file with the arrays {', '.join(KEYS)}"
    if not file.is_file():
        raise UserError(f"{name}: there is no such file; {expected}")
    try:
        with NpzFile(file) as archive:
            tested = any(key in archive.names for key in KEYS[2:])
            missing = [key for key in KEYS[: 4 if tested else 2] if key not in archive.names]
            if missing:
                found = ", ".join(archive.names) or "none"
                raise UserError(
                    f"{name}: {', '.join(missing)} missing (found: {found}); {expected}"
                )
        found_arrays = read_arrays(file, (*KEYS, "x_unlabeled"))
    except DamagedFile as error:
        with open(file, "rb") as stream:
            if stream.read(6) == np.lib.format.MAGIC_PREFIX:
                raise UserError(f"{name}: holds a single array; {expected}") from None
        raise UserError(f"{name}: cannot be read as numbers ({error}); {expected}") from None
    x_train, y_train, x_test, y_test, unlabeled = map(found_arrays.get, (*KEYS, "x_unlabeled"))
    return source_from_arrays(x_train, y_train, x_test, y_test, name, unlabeled=unlabeled)


def _checked_images(images, what):
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise UserError(
            f"{what} have shape {images.shape}; expected [N, height, width, channels], or "
            f"[N, height, width] if grey"
        )
    if 0 in images.shape:
        raise UserError(f"{what} have shape {images.shape}; there must be at least one image")
    if images.shape[3] not in (1, 3):
        first = images.shape[1] in (1, 3)
        hint = "move the channels to the last axis" if first else "store 1 channel or 3"
        raise UserError(
            f"{what} have shape {images.shape}, that is {images.shape[3]} channels; expected 1 "
            f"(grey) or 3 (colour) on the last axis; {hint}"
        )
    whole = np.issubdtype(images.dtype, np.integer)
    if not whole and not np.issubdtype(images.dtype, np.floating):
        raise UserError(
            f"{what} are of type {images.dtype}; expected integers 0..255 or floats 0..1"
        )
    low, high = images.min(), images.max()  # NaN if there is one
    if not np.isfinite([low, high]).all():
        raise UserError(f"{what} hold values that are not finite (NaN or infinity)")
    kind, limit = ("integers", 255) if whole else ("floats", 1)
    if low < 0 or high > limit:
        raise UserError(
            f"{what} hold {kind} {low:g} to {high:g}; expected 0 to {limit}; store integers in "
            f"0..255 or floats in 0..1"
        )
    return images.astype(np.uint8 if whole else np.float32, copy=False)


def _checked_labels(labels, count, what, partly):
    labels = class_numbers(labels, what)
    if len(labels) != count:
        raise UserError(f"{what} are {len(labels)} but the images {count}; expected as many")
    lowest = -1 if partly else 0
    if labels.min() < lowest or labels.max() >= 2**31:
        wrong = labels.min() if labels.min() < lowest else labels.max()
        note = ", -1 is unlabeled" if partly else ", and every image needs one here"
        raise UserError(f"{what} hold {wrong}; classes count from 0 without gaps{note}")
    return labels.astype(np.int32)
