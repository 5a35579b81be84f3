"""The dense networks of MNIST and of the embedded 8x8 digits."""

import math
from collections.abc import Sequence

import keras
from keras import layers

from improved_gan_tf.layers import (
    Dense,
    HashedGaussianNoise,
    MinibatchDiscrimination,
    UnbiasedBatchNormalization,
    WeightNorm,
)
from improved_gan_tf.layers.checks import check_at_least
from improved_gan_tf.networks.width import scaled


def generator(
    image_shape: tuple[int, ...] = (28, 28, 1),
    latent_dim: int = 100,
    units: Sequence[int] = (500, 500),
    width: float = 1.0,
    matmul_precision: str = "float32",
) -> keras.Model:
    """Latent vectors z (N, latent_dim) in [0, 1) -> images (N, *image_shape) in (0, 1).

    Each hidden layer is dense without bias, batch normalization, softplus. The last layer is
    weight-normalized with a trained scale and no data-dependent initialization, and ends in a
    sigmoid. Kernels start Glorot uniform.

    Args:
        image_shape: (height, width, channels) of the images, by default MNIST's.
        latent_dim: Number of latent variables.
        units: Units of each hidden layer.
        width: Factor of the numbers of units; a finite number above 0.
        matmul_precision: See `layers.Dense`.

    Raises:
        ValueError: A number of units or latent variables is not above 0.

    Source: train_mnist_feature_matching.py, gen_layers.

    Example:
    >>> generator = networks.dense.generator((8, 8, 1), latent_dim=50, units=(64,))
    >>> tuple(generator(np.zeros((4, 50), "float32")).shape)
    (4, 8, 8, 1)
    """
    check_at_least(1, latent_dim=latent_dim)
    z = keras.Input((latent_dim,), name="z")
    x = z
    for n in units:
        x = Dense(scaled(n, width), matmul_precision, use_bias=False)(x)
        x = layers.Activation("softplus")(UnbiasedBatchNormalization()(x))
    last = Dense(math.prod(image_shape), matmul_precision, activation="sigmoid")
    x = WeightNorm(last, train_scale=True, initial_stddev=None)(x)
    return keras.Model(z, layers.Reshape(image_shape, name="images")(x), name="generator")


def discriminator(
    image_shape: tuple[int, ...] = (28, 28, 1),
    num_classes: int = 10,
    units: Sequence[int] = (1000, 500, 250, 250, 250),
    input_noise: float = 0.3,
    hidden_noise: float = 0.5,
    minibatch_kernels: int | None = None,
    minibatch_dims: int = 5,
    width: float = 1.0,
    train_scale: bool = False,
    matmul_precision: str = "float32",
) -> keras.Model:
    """Images (N, *image_shape) in [0, 1] -> logits (N, num_classes).

    Images are flattened in row order. Gaussian noise is added to the input and before each later
    layer; the dense layers are weight-normalized, with relu. The layer "features", which feature
    matching compares, is the last hidden one before its noise. With `minibatch_kernels`,
    `MinibatchDiscrimination` follows it: the paper's figure 3 (right), for which the published
    code has no script (D16).

    Args:
        image_shape: (height, width, channels) of the images, by default MNIST's.
        num_classes: K, the number of classes.
        units: Units of each hidden layer.
        input_noise: Standard deviation of the noise on the images.
        hidden_noise: Standard deviation of the noise before each later layer.
        minibatch_kernels, minibatch_dims: Number of kernels of `MinibatchDiscrimination` and
            dimensions of each. No kernels (default): no such layer.
        width: Factor of the numbers of units; a finite number above 0.
        train_scale: Whether the scale g of every layer is trained; False (default): of the last
            one alone, as in the original.
        matmul_precision: See `layers.Dense`.

    Source: train_mnist_feature_matching.py, layers.

    Example:
    >>> discriminator = networks.dense.discriminator((8, 8, 1), num_classes=3, units=(64, 32))
    >>> tuple(discriminator(np.zeros((4, 8, 8, 1), "float32")).shape)
    (4, 3)
    >>> discriminator.get_layer("features").output.shape
    (None, 32)
    """

    def dense(n, activation=None, train_scale=train_scale, name=None):
        start = keras.initializers.RandomNormal(stddev=0.1)
        inner = Dense(n, matmul_precision, activation=activation, kernel_initializer=start)
        return WeightNorm(inner, train_scale=train_scale, epsilon=0.0, name=name)

    images = keras.Input(image_shape, name="images")
    x = layers.Flatten()(images)
    noise = input_noise
    for i, n in enumerate(units):
        x = HashedGaussianNoise(noise)(x)
        name = "features" if i == len(units) - 1 else None
        x = dense(scaled(n, width), "relu", name=name)(x)
        noise = hidden_noise
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels, minibatch_dims)(x)
    x = HashedGaussianNoise(noise)(x)
    logits = dense(num_classes, train_scale=True, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def encoder(
    image_shape: tuple[int, ...] = (28, 28, 1),
    latent_dim: int = 100,
    units: Sequence[int] = (500, 500),
    width: float = 1.0,
    matmul_precision: str = "float32",
) -> keras.Model:
    """Images (N, *image_shape) -> means and log standard deviations of z, (N, 2 latent_dim).

    Each hidden layer is dense without bias, batch normalization, relu; the last one is
    weight-normalized. See `losses.latent_likelihood`; it is `convolutional.encoder` without
    convolutions.

    Args:
        image_shape: (height, width, channels) of the images, by default MNIST's.
        latent_dim: Number of latent variables.
        units: Units of each hidden layer.
        width: Factor of the numbers of units; a finite number above 0.
        matmul_precision: See `layers.Dense`.

    Example:
    >>> encoder = networks.dense.encoder((8, 8, 1), latent_dim=50, units=(64,))
    >>> tuple(encoder(np.zeros((4, 8, 8, 1), "float32")).shape)
    (4, 100)
    """
    check_at_least(1, latent_dim=latent_dim)
    images = keras.Input(image_shape, name="images")
    x = layers.Flatten()(images)
    for n in units:
        x = Dense(scaled(n, width), matmul_precision, use_bias=False)(x)
        x = layers.Activation("relu")(UnbiasedBatchNormalization()(x))
    last = Dense(2 * latent_dim, matmul_precision)
    x = WeightNorm(last, train_scale=True, initial_stddev=None)(x)
    return keras.Model(images, x, name="encoder")
