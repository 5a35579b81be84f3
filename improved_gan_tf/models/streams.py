"""The batches of semi-supervised training, from arrays and from what a user's data set gives."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf.models import arrays
from improved_gan_tf.pipelines import options


def of_arrays(gan: Any, x: Any, y: Any, arguments: dict[str, Any]) -> tf.data.Dataset:
    """Returns the batches of `SemiSupervisedGAN.fit(x, y, ...)`, see `from_arrays`.

    Args:
        gan: The model.
        x, y: The arrays.
        arguments: The other arguments of `fit`; those that concern the batches are taken out.

    Raises:
        ValueError: Images or labels are not as the model needs them, or an argument is not for
            arrays.
    """
    known = "class_weight", "sample_weight", "validation_split"
    refused = [name for name in known if arguments.get(name) is not None]
    if y is None or refused:
        what = " and ".join(refused) or "x without y"
        raise ValueError(
            f"fit of arrays takes no {what}: give images x, labels y with -1 for an image without "
            "one, and validation_data=(images, labels)"
        )
    arrays.check_images(x, gan)
    labels = arrays.class_numbers(y, len(x), gan.num_classes, unlabeled=True)
    batch_size, shuffle = arguments.pop("batch_size", None), arguments.pop("shuffle", True)
    arguments["shuffle"] = False  # Keras would warn that it does not shuffle a data set
    seed = None if gan.seed is None else (gan.seed, int(gan.discriminator_optimizer.iterations))
    size = 32 if batch_size is None else batch_size
    images = np.asarray(x, gan.generator.variable_dtype)
    return from_arrays(images, labels, size, seed, shuffle)


def from_arrays(
    x: np.ndarray,
    y: np.ndarray,
    batch_size: int,
    seed: tuple[int, int] | None,
    shuffle: bool = True,
) -> tf.data.Dataset:
    """Returns one epoch of shuffled batches for `SemiSupervisedGAN`; each iteration is another.

    Args:
        x: All images, a float array (N, H, W, C) in the model's `image_range`. They make both
            unlabeled streams.
        y: Their classes, int32 (N,); -1 is unlabeled.
        batch_size: Images of each stream per step, an integer up to N. An epoch is N // batch_size
            steps; the labeled images are repeated as often as that takes.
        seed: The seed of the order, the model's and the number of its updates so far, so that a
            second `fit` has another order; None for another one each time.
        shuffle: Whether the images are shuffled, True by default.

    Raises:
        ValueError: No image is labeled, or `batch_size` is out of its range.
    """
    labeled = np.flatnonzero(y >= 0)
    if not len(labeled):
        raise ValueError("no image is labeled; y must hold classes from 0, and -1 for no label")
    if not 1 <= batch_size <= len(x):
        raise ValueError(f"batch_size must be from 1 to the {len(x)} images, not {batch_size!r}")

    def shuffled(places, word):
        dataset = tf.data.Dataset.from_tensor_slices(places)
        if not shuffle:
            return dataset
        words = None if seed is None else [*(n % 2**32 for n in seed), word]
        chosen = np.random.SeedSequence(words).generate_state(1)[0]
        return dataset.shuffle(len(places), int(chosen))

    def images(places):
        return tf.gather(constant, places)

    with tf.device("CPU:0"):
        constant, classes = tf.constant(x), tf.constant(y)
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


def checked(data: Any, gan: Any) -> dict[str, Any]:
    """Returns a batch with all streams: the generator's is the unlabeled one where it is absent.

    Args:
        data: What a data set, a generator or `train_on_batch` gives.
        gan: The model, in whose type the images are returned.

    Raises:
        ValueError: It is not as `SemiSupervisedGAN` needs it.
    """
    form = '{"labeled": (images, labels), "unlabeled": images}'
    given = f"tuple of {len(data)}" if isinstance(data, tuple) else type(data).__name__
    data, *others = keras.utils.unpack_x_y_sample_weight(data)
    if not isinstance(data, dict) or others != [None, None]:
        raise ValueError(
            f"training needs batches {form}, not a {given}; "
            "fit(x, y) makes them of arrays, and data.from_arrays with an order that is resumed"
        )
    needed = {"labeled", "unlabeled"} if gan.trains_generator else {"labeled"}
    missing = sorted(needed - set(data))
    if missing:
        raise ValueError(
            f"training needs batches {form}; {' and '.join(missing)} is missing among "
            f"{', '.join(map(str, data)) or 'no keys'}"
        )
    if not isinstance(data["labeled"], tuple | list) or len(data["labeled"]) != 2:
        raise ValueError(f'training needs batches {form}; "labeled" is no pair')
    images, labels = data["labeled"]
    found = {"labeled": (_images(images, gan, "labeled"), flat_labels(labels))}
    if gan.trains_generator:
        found["unlabeled"] = _images(data["unlabeled"], gan, "unlabeled")
        name = "unlabeled_generator"
        found[name] = _images(data[name], gan, name) if name in data else found["unlabeled"]
    return found


def flat_labels(labels: Any) -> tf.Tensor:
    """Returns the labels of a batch, of shape (N,) or (N, 1) as Keras' CIFAR-10 has, as (N,).

    Raises:
        ValueError: They have another shape.
    """
    labels = tf.convert_to_tensor(labels)
    if labels.shape.rank not in (None, 1) and tuple(labels.shape[1:]) not in ((1,), (None,)):
        raise ValueError(
            "the labels of a batch must have shape (N,), one class number per image, not "
            f"{tuple(labels.shape)}; convert one-hot labels with argmax(axis=-1)"
        )
    return tf.reshape(labels, [-1])


def checked_pair(data: Any) -> tuple[Any, tf.Tensor]:
    """Returns images and labels of a batch for testing.

    Raises:
        ValueError: The batch has weights of examples or no labels, or these have another shape.
    """
    images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None or labels is None:
        raise ValueError("testing needs batches (images, labels), without weights of examples")
    return images, flat_labels(labels)


def _images(images, gan, name):
    """Images in the type of generated ones, with which they become one batch."""
    images = tf.convert_to_tensor(images)
    if not images.dtype.is_floating:
        raise ValueError(
            f"{name} images must be numbers of a floating type in the GAN's image_range "
            f"{gan.image_range}, not {images.dtype.name}; scale them first"
        )
    if images.shape.rank is not None:
        arrays.check_shape(tuple(images.shape), gan, name)
    return tf.cast(images, gan.generator.variable_dtype)
