"""Images and labels in memory, and the checks that they are what training expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Arrays:
    """A data set in memory.

    Attributes:
        train_images, test_images: [N, height, width, channels], uint8 or float32, 0..maximum.
        train_labels, test_labels: [N] int32, 0 <= label < num_classes.
        num_classes: number of classes.
        name: where it came from.
        class_names: one name a class.
        maximum: the largest value a pixel can have.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_classes: int
    name: str
    class_names: tuple[str, ...]
    maximum: float = 255.0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return tuple(self.train_images.shape[1:])
