"""A recipe of one's own, whole: data, networks and the generator's objective in one file.

    improved-gan train improved_gan_tf.examples.own_recipe:recipe

or copy the file and name the copy, `improved-gan train my_copy.py`. Every command works on the
run's folder, which keeps the file. A shorter one to begin with is written by
`improved-gan recipes --new my_recipe.py`.
"""

from typing import Any

import keras
import numpy as np
from keras import layers

import improved_gan_tf as ig

recipe = ig.experiments.SemiSupervisedRecipe(
    name="own-recipe",
    summary="rotated digits, of which most have no label",
    expected="a minute on one core; test error 3.8 %, supervised-only baseline 7.8 % (seed 1)",
    labels_per_class=10,
    epochs=100,
    batch_size=50,
    average_rate=1e-3,
    generator={"units": 128},
    discriminator={"units": 128},
    losses={"certainty": 0.01},
    baseline=True,
)


def data(recipe: Any, data_dir: str | None) -> Any:
    """Arrays of one's own: ((images, labels), (test images, labels)); the label -1 is none."""
    source = ig.data.open("digits")
    (x, y), (x_test, y_test) = source.arrays("train"), source.arrays("test")
    x, x_test = (np.rot90(images, axes=(1, 2)) / source.maximum for images in (x, x_test))
    return (x, np.where(np.arange(len(y)) < 500, y, -1)), (x_test, y_test)


def generator(image_shape: tuple[int, ...], units: int) -> keras.Model:
    """Latent vectors in 0..1 to images in the range of the recipe's scaling, 0..1."""
    z = keras.Input((50,))
    x = z
    for _ in range(2):
        x = layers.Dense(units, use_bias=False)(x)
        x = layers.Activation("softplus")(ig.layers.UnbiasedBatchNormalization()(x))
    x = layers.Dense(int(np.prod(image_shape)), activation="sigmoid")(x)
    return keras.Model(z, layers.Reshape(image_shape)(x))


def discriminator(image_shape: tuple[int, ...], num_classes: int, units: int) -> keras.Model:
    """Images to one logit per class; feature matching compares the layer "features"."""
    images = keras.Input(image_shape)
    x = ig.layers.HashedGaussianNoise(0.15)(layers.Flatten()(images))
    for name in (None, "features"):
        x = ig.layers.WeightNorm(layers.Dense(units, activation="relu"), name=name)(x)
        x = ig.layers.HashedGaussianNoise(0.5)(x)
    return keras.Model(images, ig.layers.WeightNorm(layers.Dense(num_classes))(x))


def losses(certainty: float) -> list[Any]:
    """The generator's objective: feature matching, and images that clearly belong to a class."""

    def uncertain(logits_fake: Any) -> Any:
        return -keras.ops.mean(keras.ops.max(logits_fake, axis=1))

    return ["feature_matching", ig.models.Objective(uncertain, weight=certainty)]
