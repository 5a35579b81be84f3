"""What `fit` and `evaluate` ask of arrays of images and class numbers."""

import contextlib
from typing import Any

import keras
import numpy as np

from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.networks import players

_SLACK = 1e-3  # of the range: what rounding or resizing may add to it


def is_array(x: Any) -> bool:
    """Returns whether `fit` was given arrays rather than a data set."""
    return isinstance(x, np.ndarray | list) or keras.ops.is_tensor(x)


def check_images(x: Any, gan: Any, name: str = "x") -> None:
    """Checks images before any work is done with them.

    Args:
        x: An array (N, H, W, C).
        gan: The model, whose `image_shape` and `image_range` the images must have.
        name: The name of the array in errors.

    Raises:
        ValueError: The shape differs, or a value is not finite or outside the range.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "iuf" and x.dtype.name != "bfloat16":
        raise ValueError(f"{name} must be an array of numbers, not of type {x.dtype}")
    check_shape(x.shape, gan, name)
    if not x.size:
        raise ValueError(f"{name} holds no image")
    low, high, (black, white) = float(x.min()), float(x.max()), gan.image_range
    if not np.isfinite([low, high]).all():
        raise ValueError(f"{name} holds values that are not finite (NaN or infinity)")
    slack = _SLACK * (white - black)
    if low < black - slack or high > white + slack:
        raise ValueError(
            f"{name} holds values from {low:g} to {high:g}, but the GAN's image_range is "
            f"({black:g}, {white:g}); scale the images, or make the GAN with their range"
        )


def check_shape(shape: tuple[int | None, ...], gan: Any, name: str) -> None:
    """Checks the shape (N, H, W, C) of images, of which None is not known; see `check_images`."""
    if not players.fits((None, *shape[1:]), (None, *gan.image_shape)):
        hint = f"; give {name}[..., None]" if (*shape[1:], 1) == gan.image_shape else ""
        raise ValueError(
            f"{name} has shape {shape}, but the images of the GAN are {gan.image_shape}{hint}"
        )


def class_numbers(
    y: Any, count: int, num_classes: int, unlabeled: bool = False, name: str = "y"
) -> np.ndarray:
    """Returns checked labels, an int32 array (N,).

    Args:
        y: An array (N,) or (N, 1) of class numbers.
        count: The number of images, N.
        num_classes: The number of classes, K.
        unlabeled: Whether images may be without a label: a number below 0, None or NaN, all of
            which become -1. False by default.
        name: The name of the array in errors.

    Raises:
        ValueError: There are not as many labels as images, or one is not an integer in 0..K-1.
    """
    found = np.asarray(y)
    if found.dtype == object:
        with contextlib.suppress(TypeError, ValueError):
            found = found.astype("float64")  # None becomes NaN
    if found.dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold class numbers, not values of type {found.dtype}")
    if found.ndim != 1 and found.shape[1:] != (1,):
        raise ValueError(
            f"{name} must have shape (N,), one class number per image, not {found.shape}; convert "
            f"one-hot labels with {name}.argmax(axis=-1)"
        )
    found = found.reshape(-1)
    if len(found) != count:
        raise ValueError(f"there are {count} images, but {name} has {len(found)} labels")
    if unlabeled:
        found = np.where(np.isnan(found) | (found < 0), -1, found)
    lowest = -1 if unlabeled else 0
    wrong = found[~((found >= lowest) & (found < num_classes) & (found % 1 == 0))]
    if wrong.size:
        note = ", or -1 for an image without a label" if unlabeled else ""
        raise ValueError(
            f"{name} holds {wrong[0]}, but the discriminator has {num_classes} classes; expected "
            f"integers from 0 to {num_classes - 1}{note}"
        )
    return found.astype("int32")


def check_call(
    gan: Any, x: Any, y: Any, num_classes: int | None, arguments: dict[str, Any]
) -> None:
    """Checks what `fit` or `evaluate` is given, where every image has a label.

    Args:
        gan: The model.
        x, y: Arrays as `check_images` and `class_numbers` describe them; or anything else, which is
            left to Keras.
        num_classes: The number of classes; None without.
        arguments: The other arguments, with which `validation_data` of arrays is checked.

    Raises:
        ValueError: Images or labels are not as the model needs them, or there are weights.
    """
    for name in ("sample_weight", "class_weight"):
        if arguments.get(name) is not None:
            raise ValueError(f"{type(gan).__name__} takes no {name}: every image counts once")
    _check_pair(gan, x, y, num_classes, "")
    check_validation(gan, num_classes, arguments)


def check_validation(gan: Any, num_classes: int | None, arguments: dict[str, Any]) -> None:
    """Checks `validation_data` of arrays, see `check_call`."""
    data = arguments.get("validation_data")
    if isinstance(data, tuple | list) and len(data) == 2:
        x, y = data
        _check_pair(gan, x, y, num_classes, " of validation_data")


def _check_pair(gan, x, y, num_classes, of):
    if is_array(x):
        check_images(x, gan, f"x{of}")
        if num_classes is not None and y is not None:
            class_numbers(y, len(x), num_classes, name=f"y{of}")


def check_in_memory(data: InMemory, gan: Any, steps_per_epoch: int | None = None) -> None:
    """Checks that data in memory have images as the GAN draws them, and no more classes.

    Args:
        data: The data.
        gan: The model.
        steps_per_epoch: What `fit` is given, if anything.

    Raises:
        ValueError: Their shape or range differs, they have more classes than there are logits, or
            their epochs another number of steps.
    """
    if steps_per_epoch not in (None, data.steps_per_epoch):
        raise ValueError(
            f"an epoch of data in memory is {data.steps_per_epoch} steps, not {steps_per_epoch}; "
            "leave out steps_per_epoch, or give fit data.train.repeat()"
        )
    if tuple(data.image_shape) != gan.image_shape:
        raise ValueError(
            f"the data have images of shape {tuple(data.image_shape)}, but the GAN has "
            f"{gan.image_shape}"
        )
    if not np.allclose(data.image_range, gan.image_range):
        raise ValueError(
            f"the images of the data are in the range {data.image_range}, but the GAN's "
            f"image_range is {gan.image_range}; load the data with another scaling, or make the "
            "GAN with image_range=data.image_range"
        )
    if data.num_classes > gan.num_classes:
        raise ValueError(
            f"the data have {data.num_classes} classes, but the discriminator only "
            f"{gan.num_classes} logits"
        )
