"""The recipe file that `improved-gan recipes --new FILE.py` writes."""

import os
import re
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_text

_TEMPLATE = '''\
"""A recipe of one's own.

    improved-gan train {file}        about a minute on one core
    improved-gan recipes {file}      all its values

A run keeps a copy of this file, and every command on the run executes the copy. What the file
imports must be installed; a file beside it is not found.
"""

import keras
from keras import layers

import improved_gan_tf as ig

recipe = ig.experiments.SemiSupervisedRecipe(
    name="{name}",
    summary="a small network on the embedded 8x8 digits",
    expected="a minute on one core; test error 4.0 %, supervised-only baseline 6.0 % (seed 1)",
    # digits, npz:FILE (x_train, y_train, x_test, y_test), folder:DIR (a folder for each class),
    # or the name of a TensorFlow data set. Left out where data() below returns the images.
    data="digits",
    labels_per_class=10,
    scaling="unit",  # pixels in 0..1, as the sigmoid of the generator; "symmetric": -1..1
    epochs=30,
    batch_size=50,
    average_rate=1e-3,
    # Keyword arguments of the functions below. `--set generator.units=64` changes one.
    generator={{"units": 128}},
    discriminator={{"units": 128, "noise": 0.5}},
    baseline=True,  # also train the supervised-only baseline, to compare
)


# Without these functions: network="dense" or "convolutional" in the recipe.
def generator(image_shape, units):
    """Latent vectors in 0..1 -> images in the range of the recipe's scaling."""
    z = keras.Input((50,))
    x = z
    for _ in range(2):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.Activation("softplus")(ig.layers.UnbiasedBatchNormalization()(x))
    height, width, channels = image_shape
    x = layers.Dense(height * width * channels, activation="sigmoid")(x)
    return keras.Model(z, layers.Reshape(image_shape)(x))


def discriminator(image_shape, num_classes, units, noise):
    """Images -> one logit per class. The layer "features" is what feature matching compares."""
    images = keras.Input(image_shape)
    x = layers.GaussianNoise(0.15)(layers.Flatten()(images))
    x = ig.layers.WeightNorm(layers.Dense(2 * units, activation="relu"))(x)
    x = layers.GaussianNoise(noise)(x)
    x = ig.layers.WeightNorm(layers.Dense(units, activation="relu"), name="features")(x)
    x = layers.GaussianNoise(noise)(x)
    return keras.Model(images, ig.layers.WeightNorm(layers.Dense(num_classes))(x))


# An objective of one's own for the generator, in place of feature matching: functions of some of
# features_real, features_fake, logits_real and logits_fake, or such terms with a weight.
# `losses={{"certainty": 0.1}}` in the recipe, or `--set losses.certainty=0.1`, gives the value.
# def losses(certainty=0.01):
#     def uncertain(logits_fake):
#         return -keras.ops.mean(keras.ops.max(logits_fake, axis=1))
#
#     return [
#         ig.models.Objective(ig.losses.feature_matching),
#         ig.models.Objective(uncertain, weight=certainty),
#     ]


# Images of one's own, in place of `data` in the recipe; data_dir is the command's --data-dir.
# Arrays (N, height, width, 1 or 3), uint8 or floats 0..1; the label -1 is none.
# def data(recipe, data_dir):
#     return (x_train, y_train), (x_test, y_test)
'''


def write(path: str | os.PathLike) -> Path:
    """Writes a recipe that runs as it is, and whose comments say what to change.

    Args:
        path: The file, which must not be there yet and end in .py; the recipe is named after it.

    Returns:
        The path.

    Raises:
        UserError: There is such a file, it does not end in .py or cannot be written.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise UserError(f"{path} does not end in .py; name a Python file")
    if path.exists():
        raise UserError(f"{path} already exists and is not overwritten; choose another file name")
    name = re.sub(r"[^\w-]", "-", path.stem).replace("_", "-").lower()
    return write_text(path, _TEMPLATE.format(file=path, name=name))
