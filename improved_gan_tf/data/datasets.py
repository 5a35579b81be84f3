"""The streams of semi-supervised training from the user's own pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from improved_gan_tf.data.order import checked_batch_size, checked_seed
from improved_gan_tf.data.scaling import Scaling
from improved_gan_tf.errors import UserError
from improved_gan_tf.pipelines import options


@dataclass(frozen=True)
class DatasetStreams:
    """Pipelines for `gan.fit(streams.train, validation_data=streams.validation)`.

    Attributes:
        train: A `tf.data.Dataset` of {"labeled": (x [B, H, W, C] float32, y [B] int32),
            "unlabeled": x, "unlabeled_generator": x}; an epoch is one pass of the unlabeled
            images, of which those that fill no batch are left out.
        validation: A `tf.data.Dataset` of (x float32, y int32) batches, or None.
        image_shape: (height, width, channels).
        scaling: The `Scaling` from pixels to floats; None where the images were scaled already.
        batch_size: Images per step of each stream.
    """

    train: Any
    validation: Any
    image_shape: tuple[int, int, int]
    scaling: Scaling | None
    batch_size: int


def from_datasets(
    labeled: Any,
    unlabeled: Any,
    validation: Any = None,
    *,
    batch_size: int = 100,
    scaling: str | None = None,
    shuffle: int = 1000,
    seed: int = 1,
) -> DatasetStreams:
    """Makes the streams of semi-supervised training from the user's own pipelines.

    Each is a `tf.data.Dataset` or a `keras.utils.PyDataset`, of single images or of batches of any
    size; batches are made anew. The labeled images are repeated as long as there are unlabeled
    ones. To use the labeled images without their labels too, as the original does, add them to
    `unlabeled`. The number of steps per epoch is known in advance only if `unlabeled` yields single
    images; otherwise Keras prints a warning after the first epoch, which can be ignored.

    Args:
        labeled: (image, class number) elements; those with the label -1 are passed over.
        unlabeled: Images, or (image, ...) elements of which only the image is used.
        validation: (image, class number) elements to validate on, each with its label, or None.
        batch_size: Images per step of each stream.
        scaling: "unit", "cifar10" or "symmetric", see `Scaling`, for pixels 0..255. None
            (default): floats, within -1..1, stay as they are; integers are scaled by "unit" if
            they are grey, otherwise by "symmetric".
        shuffle: Size of the buffers that mix each stream on its own; 0 keeps the order.
        seed: Seed of the mixing, 0 <= seed < 2**32.

    Returns:
        `DatasetStreams`.

    Raises:
        UserError: A pipeline of another kind; elements that are no images of one size, or no
            labels; images that seem to be pixels without `scaling`; fewer images than a batch.

    Example:

    >>> import tensorflow as tf
    >>> x, y = np.zeros((30, 8, 8, 1), np.uint8), np.arange(30) % 3
    >>> labeled = tf.data.Dataset.from_tensor_slices((x, y)).take(6)
    >>> unlabeled = tf.data.Dataset.from_tensor_slices(x).batch(7)
    >>> streams = improved_gan_tf.data.from_datasets(labeled, unlabeled, batch_size=10)
    >>> len(list(streams.train))
    3
    """
    import tensorflow as tf

    checked_batch_size(batch_size)
    checked_seed(seed)
    if shuffle < 0:
        raise UserError(f"shuffle {shuffle} given; expected the size of a buffer, 0 for none")
    given = {
        "labeled": _elements(labeled, "labeled", True),
        "unlabeled": _elements(unlabeled, "unlabeled", False),
    }
    if validation is not None:
        given["validation"] = _elements(validation, "validation", True)
    specs = {what: tf.nest.flatten(part.element_spec)[0] for what, part in given.items()}
    first = specs["labeled"]
    for what, spec in specs.items():
        if spec.shape != first.shape or spec.dtype != first.dtype:
            raise UserError(
                f"images of labeled are {_form(first)} but those of {what} {_form(spec)}; expected "
                f"the same form"
            )
    chosen = None
    if scaling is not None or first.dtype.is_integer:
        default = "unit" if first.shape[2] == 1 else "symmetric"
        chosen = Scaling(scaling or default, 255.0)

    assert_cardinality = tf.data.experimental.assert_cardinality

    def batches(what: str, salt: int = 0) -> Any:
        part = given[what]
        if shuffle and what != "validation":
            part = part.shuffle(shuffle, seed=seed + salt)
        if what == "labeled":
            part = part.repeat().apply(assert_cardinality(tf.data.INFINITE_CARDINALITY))
        part = part.batch(batch_size, drop_remainder=what != "validation")
        return part.map(scaled)

    def scaled(x: Any, *y: Any) -> Any:
        x = tf.cast(x, tf.float32)
        x = x if chosen is None else chosen.apply(x)
        return (x, *y) if y else x

    for what, part in given.items():
        _check_values(part, what, chosen, 1 if what != "unlabeled" else batch_size)
    train = tf.data.Dataset.zip(
        {
            "labeled": batches("labeled"),
            "unlabeled": batches("unlabeled", 1),
            "unlabeled_generator": batches("unlabeled", 2),
        }
    )
    validated = batches("validation").with_options(options()) if "validation" in given else None
    train = train.prefetch(2).with_options(options())
    return DatasetStreams(train, validated, tuple(first.shape), chosen, batch_size)


def _elements(given, what, with_label):
    """Single elements: an image [H, W, C], or (image, label int32)."""
    import keras
    import tensorflow as tf

    if isinstance(given, keras.utils.PyDataset):
        given = _of_batches(given, what)
    if not isinstance(given, tf.data.Dataset):
        raise UserError(
            f"{what} is a {type(given).__name__}; expected a tf.data.Dataset or a "
            f"keras.utils.PyDataset (arrays: data.from_arrays)"
        )
    spec = given.element_spec
    parts = spec if isinstance(spec, tuple) else (spec,)
    if not all(isinstance(part, tf.TensorSpec) for part in parts[: 1 + with_label]) or (
        with_label and len(parts) != 2
    ):
        form = "(image, class number)" if with_label else "images"
        raise UserError(f"elements of {what} are {spec}; expected {form}")
    image = parts[0]
    if image.shape.rank == 4:
        given = given.unbatch()
        parts = tuple(tf.TensorSpec(part.shape[1:], part.dtype) for part in parts)
        image = parts[0]
    good = image.dtype.is_integer or image.dtype.is_floating
    if not good or image.shape.rank != 3 or None in image.shape or image.shape[2] not in (1, 3):
        raise UserError(
            f"images of {what} are {_form(image)}; expected numbers [height, width, channels], "
            f"known sizes and 1 or 3 channels, single or in batches (resize them, or set_shape)"
        )
    if not with_label:
        return given.map(lambda x, *_: x)
    label = parts[1]
    if not label.dtype.is_integer or tuple(label.shape) not in ((), (1,)):
        raise UserError(
            f"labels of {what} are {_form(label)}; expected one integer per image, the class "
            f"number (one-hot labels: tf.argmax)"
        )

    def numbered(x, y):
        y = tf.reshape(tf.cast(y, tf.int32), [])
        if what == "validation":  # a filter would hide how many there are
            tf.debugging.assert_non_negative(y, "every validation image needs a label")
        return x, y

    given = given.map(numbered)
    return given.filter(lambda x, y: y >= 0) if what == "labeled" else given


def _of_batches(given, what):
    """A `tf.data.Dataset` of the batches of a `keras.utils.PyDataset`."""
    import tensorflow as tf

    def batch(number):
        found = given[number]
        parts = found if isinstance(found, tuple) else (found,)
        return tuple(np.asarray(part) for part in parts)

    if len(given) < 1:
        raise UserError(f"{what} has no batch; expected one at least")
    first = batch(0)
    signature = tuple(
        tf.TensorSpec((None, *part.shape[1:]), tf.as_dtype(part.dtype)) for part in first
    )

    def every():
        for number in range(len(given)):
            yield batch(number)
        given.on_epoch_end()

    return tf.data.Dataset.from_generator(every, output_signature=signature)


def _check_values(part, what, scaling, count):
    """Refuses a pipeline without `count` images, and floats that look like pixels."""
    first = next(iter(part.batch(count, drop_remainder=True).take(1)), None)
    if first is None:
        needed = "no labeled image" if count == 1 else f"fewer images than a batch, {count}"
        raise UserError(f"{what} has {needed}; give more" + (", or smaller batches" * (count > 1)))
    images = (first[0] if isinstance(first, tuple) else first).numpy()
    low, high = images.min(), images.max()
    if scaling is None and not (low >= -1.01 and high <= 1.01):
        raise UserError(
            f"images of {what} hold floats {low:g} to {high:g}; scale them to -1..1 or 0..1, or "
            f"give scaling for pixels 0..255"
        )


def _form(spec):
    return f"{list(spec.shape)} {spec.dtype.name}" if spec.shape.rank is not None else "of any rank"
