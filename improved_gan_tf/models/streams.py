"""The batches of semi-supervised training, from arrays and from what a user's data set gives."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf.pipelines import options


def check_arguments(y: Any, given: Any) -> None:
    """Refuses arguments that `fit` of arrays cannot have.

    Args:
        y: The labels.
        given: The names of the others.

    Raises:
        ValueError: There are no labels, or one of the names is not for arrays.
    """
    refused = {"validation_split", "sample_weight", "class_weight"} & set(given)
    if y is None or refused:
        what = " and ".join(sorted(refused)) or "x without y"
        raise ValueError(
            f"fit of arrays takes no {what}: give images x, labels y with -1 for an image without "
            "one, and validation_data=(images, labels)"
        )


def from_arrays(x: Any, y: Any, batch_size: int, seed: int | None) -> tf.data.Dataset:
    """Returns one epoch of shuffled batches for `SemiSupervisedGAN`; each iteration is another.

    Args:
        x: All images, a float array (N, H, W, C) in the model's `image_range`. They make both
            unlabelled streams.
        y: Their classes, N integers; -1, or any below 0, and NaN is unlabelled.
        batch_size: Images of each stream per step, an integer up to N. An epoch is N // batch_size
            steps; the labelled images are repeated as often as that takes.
        seed: The seed of the order; None for another one each time.

    Raises:
        ValueError: Images and labels do not fit, or none is labelled.
    """
    x, y = np.asarray(x, "float32"), np.asarray(y).reshape(-1)
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} images, but y {len(y)} labels")
    labels = np.where(np.isnan(y.astype("float64")), -1, y).astype("int32")
    labeled = np.flatnonzero(labels >= 0)
    if not len(labeled):
        raise ValueError("no image is labelled; y must hold classes from 0, and -1 for no label")
    if not 1 <= batch_size <= len(x):
        raise ValueError(f"batch_size must be from 1 to the {len(x)} images, not {batch_size!r}")

    def shuffled(places, word):
        chosen = None if seed is None else seed + word
        return tf.data.Dataset.from_tensor_slices(places).shuffle(len(places), chosen)

    def images(places):
        return tf.gather(constant, places)

    with tf.device("CPU:0"):
        constant, classes = tf.constant(x), tf.constant(labels)
    everything = np.arange(len(x))
    places = (shuffled(labeled, 0).repeat(), shuffled(everything, 1), shuffled(everything, 2))
    dataset = tf.data.Dataset.zip(places).batch(batch_size, drop_remainder=True)
    dataset = dataset.map(
        lambda a, u, v: {
            "labeled": (images(a), tf.gather(classes, a)),
            "unlabeled": images(u),
            "unlabeled_generator": images(v),
        }
    )
    return dataset.prefetch(2).with_options(options())


def checked(data: Any, unlabeled: bool) -> dict[str, Any]:
    """Returns a batch with all streams: the generator's is the unlabelled one where it is absent.

    Args:
        data: What the data set gives.
        unlabeled: Whether unlabelled images are needed.

    Raises:
        ValueError: It is not as `SemiSupervisedGAN` needs it.
    """
    form = '{"labeled": (images, labels), "unlabeled": images}'
    if not isinstance(data, dict):
        raise ValueError(
            f"training needs batches {form}, not a {type(data).__name__} of {len(data)}; "
            "fit(x, y) makes them of arrays, and data.from_arrays with an order that is resumed"
        )
    needed = {"labeled", "unlabeled"} if unlabeled else {"labeled"}
    missing = sorted(needed - set(data))
    if missing:
        raise ValueError(
            f"training needs batches {form}; {' and '.join(missing)} is missing among "
            f"{', '.join(map(str, data)) or 'no keys'}"
        )
    if not isinstance(data["labeled"], tuple | list) or len(data["labeled"]) != 2:
        raise ValueError(f'training needs batches {form}; "labeled" is no pair')
    return {"unlabeled_generator": data.get("unlabeled"), **data}


def is_array(x: Any) -> bool:
    """Returns whether `fit` was given arrays rather than a data set."""
    return isinstance(x, np.ndarray | list) or keras.ops.is_tensor(x)
