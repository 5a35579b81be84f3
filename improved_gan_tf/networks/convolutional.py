"""The convolutional networks of CIFAR-10 and SVHN."""

import math
from collections.abc import Sequence

import keras
from keras import layers

from improved_gan_tf.layers import (
    CenteredConv2DTranspose,
    HashedGaussianNoise,
    MinibatchDiscrimination,
    UnbiasedBatchNormalization,
    WeightNorm,
)
from improved_gan_tf.layers.checks import check_at_least
from improved_gan_tf.networks.activations import leaky_relu
from improved_gan_tf.networks.width import scaled

_POOLINGS = {"mean": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}


def _start():
    """N(0, 0.05), the initial values of every kernel of these networks."""
    return keras.initializers.RandomNormal(stddev=0.05)


def generator(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    latent_dim: int = 100,
    channels: Sequence[int] = (512, 256, 128),
    width: float = 1.0,
) -> keras.Model:
    """Latent vectors z (N, latent_dim) in [0, 1) -> images (N, *image_shape) in (-1, 1).

    A dense layer gives channels[0] maps of 1 / 2^len(channels) of the size; 5x5 transposed
    convolutions of stride 2 follow. Between them stand batch normalization (after the dense layer
    per unit) and relu. The last transposed convolution is weight-normalized with a trained scale
    and an initial standard deviation of 0.1, and ends in tanh.

    Args:
        image_shape: (height, width, channels) of the images.
        latent_dim: Number of latent variables.
        channels: Channels of the maps before each transposed convolution.
        width: Factor of the numbers of channels; a finite number above 0.

    Raises:
        ValueError: 2^len(channels) does not divide the height or the width of the images.

    Source: train_cifar_feature_matching.py, train_svhn_feature_matching.py, gen_layers.

    Example:
    >>> generator = networks.convolutional.generator((64, 64, 3), channels=(256, 128, 64, 32))
    >>> tuple(generator(np.zeros((4, 100), "float32")).shape)
    (4, 64, 64, 3)
    """
    channels = [scaled(n, width) for n in channels]
    factor = 2 ** len(channels)
    if image_shape[0] % factor or image_shape[1] % factor:
        raise ValueError(
            f"height and width of image_shape must be multiples of {factor}, not {image_shape}"
        )
    maps = (image_shape[0] // factor, image_shape[1] // factor, channels[0])
    check_at_least(1, latent_dim=latent_dim)
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(math.prod(maps), use_bias=False, kernel_initializer=_start())(z)
    x = layers.Activation("relu")(UnbiasedBatchNormalization()(x))
    x = layers.Reshape(maps)(x)
    for n in channels[1:]:
        x = CenteredConv2DTranspose(n, 5, 2, use_bias=False, kernel_initializer=_start())(x)
        x = layers.Activation("relu")(UnbiasedBatchNormalization()(x))
    n, start = image_shape[-1], _start()
    last = CenteredConv2DTranspose(n, 5, 2, activation="tanh", kernel_initializer=start)
    images = WeightNorm(last, train_scale=True, initial_stddev=0.1, name="images")(x)
    return keras.Model(z, images, name="generator")


def discriminator(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    num_classes: int = 10,
    channels: Sequence[int] = (96, 192),
    input_dropout: float = 0.2,
    input_noise: float = 0.0,
    dropout: float = 0.5,
    minibatch_kernels: int | None = None,
    minibatch_dims: int = 5,
    width: float = 1.0,
    pooling: str = "mean",
    train_scale: bool = False,
) -> keras.Model:
    """Images (N, *image_shape) in [-1, 1] -> logits (N, num_classes).

    Three 3x3 convolutions of channels[0], the last of stride 2; three of channels[1], likewise;
    one of channels[1] without padding; two 1x1; the mean over the image; a dense layer. All are
    weight-normalized; leaky relu of slope 0.2 follows each convolution, and dropout stands before
    each block. The layer "features", which feature matching compares, is the mean over the image,
    or what `pooling` says.
    With `minibatch_kernels`, `MinibatchDiscrimination` follows it.

    Args:
        image_shape: (height, width, channels) of the images.
        num_classes: K, the number of classes.
        channels: Channels of the first block, and of the others.
        input_dropout: Dropout rate on the images.
        input_noise: Standard deviation of Gaussian noise on the images.
        dropout: Dropout rate before the second and the third block.
        minibatch_kernels, minibatch_dims: Number of kernels of `MinibatchDiscrimination` and
            dimensions of each. No kernels (default): no such layer.
        width: Factor of the numbers of channels; a finite number above 0.
        pooling: "mean" (default) over the image, as in the original, or "max".
        train_scale: Whether the scale g of every weight-normalized layer is trained; False
            (default): of the last one alone, as in the original.

    Raises:
        ValueError: `pooling` is unknown, or a size is not above 0.

    Source: disc_layers of train_cifar_feature_matching.py,
    train_cifar_minibatch_discrimination.py and of both train_svhn_*.py.

    Example:
    >>> discriminator = networks.convolutional.discriminator((64, 64, 3), 5, width=0.25)
    >>> tuple(discriminator(np.zeros((4, 64, 64, 3), "float32")).shape)
    (4, 5)
    """
    channels = [scaled(n, width) for n in channels]
    if pooling not in _POOLINGS:
        raise ValueError(f"pooling must be one of {', '.join(_POOLINGS)}, not {pooling!r}")

    def conv(n, size=3, strides=1, padding="same"):
        start = _start()
        return WeightNorm(
            layers.Conv2D(
                n, size, strides, padding, activation=leaky_relu, kernel_initializer=start
            ),
            train_scale=train_scale,
        )

    def block(x, n):
        x = conv(n)(conv(n)(x))
        # Keras' "same" pads an even size at stride 2 on one side only, the original on both (D1).
        return conv(n, strides=2, padding="valid")(layers.ZeroPadding2D(1)(x))

    images = keras.Input(image_shape, name="images")
    x = images
    if input_dropout:
        x = layers.Dropout(input_dropout)(x)
    if input_noise:
        x = HashedGaussianNoise(input_noise)(x)
    x = layers.Dropout(dropout)(block(x, channels[0]))
    x = layers.Dropout(dropout)(block(x, channels[1]))
    x = conv(channels[1], padding="valid")(x)
    x = conv(channels[1], size=1)(conv(channels[1], size=1)(x))
    x = _POOLINGS[pooling](name="features")(x)
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels, minibatch_dims)(x)
    last = layers.Dense(num_classes, kernel_initializer=_start())
    logits = WeightNorm(last, train_scale=True, initial_stddev=0.1, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def encoder(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    latent_dim: int = 100,
    channels: Sequence[int] = (128, 256, 512),
    width: float = 1.0,
) -> keras.Model:
    """Images (N, *image_shape) -> means and log standard deviations of z, (N, 2 latent_dim).

    5x5 convolutions of stride 2, each with batch normalization and relu, and a weight-normalized
    dense layer; see `losses.latent_likelihood`.

    Args:
        image_shape: (height, width, channels) of the images.
        latent_dim: Number of latent variables.
        channels: Channels of each convolution.
        width: Factor of the numbers of channels; a finite number above 0.

    Source: Dai et al. (2017), Good Semi-supervised Learning that Requires a Bad GAN, appendix.

    Example:
    >>> encoder = networks.convolutional.encoder((32, 32, 3), latent_dim=20, width=0.25)
    >>> tuple(encoder(np.zeros((4, 32, 32, 3), "float32")).shape)
    (4, 40)
    """
    check_at_least(1, latent_dim=latent_dim)
    images = keras.Input(image_shape, name="images")
    x = images
    for n in channels:
        start = {"use_bias": False, "kernel_initializer": _start()}
        x = layers.Conv2D(scaled(n, width), 5, 2, "same", **start)(x)
        x = layers.Activation("relu")(UnbiasedBatchNormalization()(x))
    last = layers.Dense(2 * latent_dim, kernel_initializer=_start())
    x = WeightNorm(last, train_scale=True, initial_stddev=None)(layers.Flatten()(x))
    return keras.Model(images, x, name="encoder")
