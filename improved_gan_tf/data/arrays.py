"""Images and labels in memory, and the checks that they are what training expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from improved_gan_tf.errors import UserError


@dataclass(frozen=True)
class Arrays:
    """A data set in memory.

    Attributes:
        train_images, test_images: [N, height, width, channels], uint8 or float32, 0..maximum.
        train_labels, test_labels: [N] int32, 0 <= label < num_classes.
        num_classes: number of classes.
        name: where it came from.
        class_names: one name a class.
        maximum: the largest value a pixel can have: 255, 16 for digits, 1 for floats.
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


def checked_arrays(
    train_images, train_labels, test_images, test_labels, name: str, class_names=None
) -> Arrays:
    """Makes `Arrays` of what a user's file holds, or says in one line why it cannot be used.

    Args:
        train_images, test_images: [N, H, W, C] or, grey, [N, H, W]; C is 1 or 3. Integers 0..255
            or floats 0..1. Both must have the same shape (but for N) and kind.
        train_labels, test_labels: [N] or [N, 1] integers, counting from 0.
        name: where they came from; begins every message.
        class_names: one name a class; by default the labels themselves.

    Returns:
        Arrays with uint8 (maximum 255) or float32 (maximum 1) images and int32 labels.

    Raises:
        UserError: wrong rank, channels, kind or range of images; NaN; labels not integers, of
            another number than the images, or out of range; train and test images unlike.
    """
    train_images = _checked_images(train_images, f"{name}: training images")
    test_images = _checked_images(test_images, f"{name}: test images")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UserError(
            f"{name}: training images are {_shape(train_images)} but test images "
            f"{_shape(test_images)}; both must have the same height, width and channels."
        )
    if train_images.dtype != test_images.dtype:
        raise UserError(
            f"{name}: training images are {train_images.dtype} but test images "
            f"{test_images.dtype}; store both as uint8 in 0..255 or both as floats in 0..1."
        )
    train_labels = _checked_labels(train_labels, len(train_images), f"{name}: training labels")
    test_labels = _checked_labels(test_labels, len(test_images), f"{name}: test labels")
    classes = len(class_names) if class_names is not None else int(train_labels.max()) + 1
    for labels, part in ((train_labels, "training"), (test_labels, "test")):
        if labels.max() >= classes:
            raise UserError(
                f"{name}: {part} label {labels.max()} is out of range; the {classes} classes of "
                f"the training labels count from 0 to {classes - 1}."
            )
    if class_names is None:
        class_names = tuple(map(str, range(classes)))
    return Arrays(
        train_images,
        train_labels,
        test_images,
        test_labels,
        num_classes=classes,
        name=name,
        class_names=tuple(class_names),
        maximum=255.0 if train_images.dtype == np.uint8 else 1.0,
    )


def _shape(images) -> str:
    return " x ".join(map(str, images.shape[1:]))


def _checked_images(images, what: str) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise UserError(
            f"{what} have shape {images.shape}; expected [N, height, width, channels], or "
            f"[N, height, width] if grey."
        )
    if 0 in images.shape:
        raise UserError(f"{what} have shape {images.shape}; there must be at least one image.")
    if images.shape[3] not in (1, 3):
        hint = (
            "move the channels to the last axis"
            if images.shape[1] in (1, 3)
            else ("store grey images with 1 channel and colour ones with 3")
        )
        raise UserError(
            f"{what} have shape {images.shape}, that is {images.shape[3]} channels; expected 1 "
            f"or 3 on the last axis; {hint}."
        )
    if images.dtype == np.uint8:
        return images
    if np.issubdtype(images.dtype, np.integer):
        low, high = int(images.min()), int(images.max())
        if low < 0 or high > 255:
            raise UserError(f"{what} hold integers {low} to {high}; expected 0 to 255.")
        return images.astype(np.uint8)
    if np.issubdtype(images.dtype, np.floating):
        low, high = float(images.min()), float(images.max())  # NaN if there is one
        if not np.isfinite([low, high]).all():
            raise UserError(f"{what} hold values that are not finite (NaN or infinity).")
        if low < 0.0 or high > 1.0:
            raise UserError(
                f"{what} hold floats {low:g} to {high:g}; expected 0 to 1; store integers 0 to "
                f"255, or rescale."
            )
        return images.astype(np.float32)
    raise UserError(f"{what} are of type {images.dtype}; expected integers 0..255 or floats 0..1.")


def _checked_labels(labels, count: int, what: str) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(
            f"{what} have shape {labels.shape} and type {labels.dtype}; expected [N] integers, "
            f"one class number an image."
        )
    if len(labels) != count:
        raise UserError(f"{what} are {len(labels)} but the images {count}; expected as many.")
    if labels.min() < 0:
        raise UserError(f"{what} hold {labels.min()}; classes count from 0.")
    if labels.max() >= 2**31:
        raise UserError(f"{what} hold {labels.max()}; classes count from 0 without gaps.")
    return labels.astype(np.int32)
