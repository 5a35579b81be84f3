"""Additive Gaussian noise."""

import keras
from keras import ops

from improved_gan_tf import random


@keras.saving.register_keras_serializable("improved_gan_tf")
class HashedGaussianNoise(keras.layers.Layer):
    """x + stddev * n, n ~ N(0, 1) independent per element, in training only.

    Keras' own `GaussianNoise` refuses a `stddev` above 1 and draws by `keras.random`, which under
    XLA on a CPU costs several times the rest of the MNIST step; see `improved_gan_tf.random`.

    Args:
        stddev: sigma, a float >= 0, in the units of the input.
        seed: integer or None (drawn from Keras' global seed).

    Raises:
        ValueError: a negative or non-finite `stddev`.

    Source: mnist_svhn_cifar10/nn.py, GaussianNoiseLayer.
    """

    def __init__(self, stddev, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= stddev < float("inf"):
            raise ValueError(f"stddev must be a finite number >= 0, not {stddev!r}.")
        self.stddev = stddev
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs, training=False):
        if not training or self.stddev == 0:
            return inputs
        return inputs + self.stddev * random.normal(
            ops.shape(inputs), self.seed_generator, inputs.dtype
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
