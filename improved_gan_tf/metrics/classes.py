"""The class labels of a side, images or their statistics: for the figures per class."""

import dataclasses
import os
from typing import Any

import numpy as np

from improved_gan_tf.data import labels_from_file
from improved_gan_tf.data.labels import class_numbers
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.statistics import Statistics

_MOST = 2**31 - 1  # class numbers are below it


@dataclasses.dataclass(frozen=True)
class Classes:
    """Labels of images.

    Attributes:
        numbers: The class number of each image, int32 (N,); -1 is unlabeled.
        names: One name per class; empty where classes have numbers alone.
        own: Whether the numbers are those that the images have, rather than given ones.
    """

    numbers: np.ndarray
    names: tuple[str, ...] = ()
    own: bool = False

    def of_readable(self, images: Any) -> "Classes":
        """Those of the images that were read, of which some may have replaced skipped ones."""
        if not images.skipped:
            return self
        skipped = set(images.skipped)
        keep = np.array([name not in skipped for name in images.names()])
        numbers = np.asarray(images.labels() if self.own else self.numbers, np.int32)
        # Of given numbers there are as many as images were asked for, and none for replacements.
        numbers = np.append(numbers, np.full(len(keep) - len(numbers), -1, np.int32))
        return dataclasses.replace(self, numbers=numbers[keep])


def classes_of(side: Any, given: Any, what: str) -> Classes | None:
    """The classes of a side; None where it has none.

    Args:
        side: `data.Images` or `Statistics`.
        given: Labels that come before the side's own: (N,) integers, or the path of a file of
            them; or None.
        what: How these are called, for messages.

    Raises:
        UserError: They are no class numbers, or not as many as there are images.
    """
    names, count = side.class_names or (), side.count
    if isinstance(side, Statistics) and side.has_features:
        count = len(side.features)
    if isinstance(given, str | os.PathLike):
        numbers = labels_from_file(given, count, _MOST, None, list(side.names()), names)
    else:
        numbers = side.labels() if given is None else class_numbers(given, what)
    if numbers is None:
        return None
    if len(numbers) != count:
        raise UserError(
            f"{what}: {len(numbers)} for {count} images of {side.name}; expected as many"
        )
    wrong = numbers[(numbers < -1) | (numbers >= _MOST)]
    if wrong.size:
        raise UserError(f"{what} hold {wrong[0]}; expected class numbers, -1 for unlabeled")
    return Classes(np.asarray(numbers, np.int32), tuple(names), given is None)


def checked_numbers(labels: Any, count: int) -> np.ndarray:
    """The class number of each of `count` images, -1 or NaN being none, if some have one."""
    numbers = class_numbers(labels, "labels")
    if len(numbers) != count:
        raise UserError(f"labels of shape {numbers.shape} for {count} images")
    if (numbers < 0).all():
        raise UserError("no image that could be read has a label; label some of each class")
    return numbers


def summary(values: dict[int, float], names: dict[int, str]) -> dict[str, Any]:
    """A figure per class as results hold it: mean and standard deviation over the classes, and the
    value of each by its name."""
    found = np.array(list(values.values()))
    named = {names.get(label, str(label)): value for label, value in values.items()}
    return {"mean": float(found.mean()), "std": float(found.std()), "classes": named}
