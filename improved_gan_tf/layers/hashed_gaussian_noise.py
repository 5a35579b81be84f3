"""Additive Gaussian noise."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf import random


@keras.saving.register_keras_serializable("improved_gan_tf")
class HashedGaussianNoise(keras.layers.Layer):
    """Adds stddev * n with n ~ N(0, 1), independent for every element, in training only.

    Keras' own `GaussianNoise` refuses a `stddev` above 1 (D8), and draws by `keras.random`, which
    under XLA on a CPU costs several times the rest of the MNIST step: hence the hash (D9).

    Args:
        stddev: The standard deviation, a finite float >= 0 in the units of the input.
        seed: An integer, or None (the default) for one drawn from Keras' global seed.

    Input: any shape. Output: the same shape.
    Raises: `ValueError` for a `stddev` that is negative or not finite.
    Source: mnist_svhn_cifar10/nn.py, GaussianNoiseLayer.

    Example:
    >>> noise, x = HashedGaussianNoise(2.0, seed=1), np.zeros((1000, 50), "float32")
    >>> bool(np.all(noise(x) == x)), round(float(np.std(noise(x, training=True))), 1)
    (True, 2.0)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= stddev < float("inf"):
            raise ValueError(f"stddev must be a finite number >= 0, not {stddev!r}")
        self.stddev = stddev
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.stddev == 0:
            return inputs
        return inputs + self.stddev * random.normal(
            ops.shape(inputs), self.seed_generator, inputs.dtype
        )

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
