"""The convolutional networks, described once for CIFAR-10 and SVHN."""

import math

import keras
from keras import layers

from improved_gan_tf.layers import (
    CenteredConv2DTranspose,
    HashedGaussianNoise,
    MinibatchDiscrimination,
    UnbiasedBatchNormalization,
    WeightNorm,
)
from improved_gan_tf.networks.activations import leaky_relu
from improved_gan_tf.networks.width import scaled


def _start():
    """N(0, .05), the initial values of every kernel of these networks."""
    return keras.initializers.RandomNormal(stddev=0.05)


def generator(image_shape=(32, 32, 3), latent_dim=100, channels=(512, 256, 128), width=1.0):
    """z (N, latent_dim) in [0, 1) -> images (N, *image_shape) in (-1, 1).

    A dense layer to channels[0] maps of 1 / 2^len(channels) the size, then 5x5 transposed
    convolutions of stride 2; batch normalization (after the dense layer per unit) and relu between
    them. The last one is weight normalised with a trained scale, initial standard deviation .1,
    and ends in tanh.

    Args:
        width: factor of the number of channels.

    Raises:
        ValueError: a height or width that 2^len(channels) does not divide.

    Source: train_cifar_feature_matching.py, train_svhn_feature_matching.py, gen_layers.
    """
    channels = scaled(channels, width)
    factor = 2 ** len(channels)
    if image_shape[0] % factor or image_shape[1] % factor:
        raise ValueError(f"Height and width must be multiples of {factor}, not {image_shape}.")
    start = (image_shape[0] // factor, image_shape[1] // factor, channels[0])
    z = keras.Input((latent_dim,), name="z")
    x = layers.Dense(math.prod(start), use_bias=False, kernel_initializer=_start())(z)
    x = layers.Activation("relu")(UnbiasedBatchNormalization()(x))
    x = layers.Reshape(start)(x)
    for n in channels[1:]:
        x = CenteredConv2DTranspose(n, 5, 2, use_bias=False, kernel_initializer=_start())(x)
        x = layers.Activation("relu")(UnbiasedBatchNormalization()(x))
    last = CenteredConv2DTranspose(
        image_shape[-1], 5, 2, activation="tanh", kernel_initializer=_start()
    )
    images = WeightNorm(last, train_scale=True, initial_stddev=0.1, name="images")(x)
    return keras.Model(z, images, name="generator")


def discriminator(
    image_shape=(32, 32, 3),
    num_classes=10,
    channels=(96, 192),
    input_dropout=0.2,
    input_noise=0.0,
    dropout=0.5,
    minibatch_kernels=None,
    minibatch_dims=5,
    width=1.0,
):
    """Images (N, *image_shape) in [-1, 1] -> logits (N, num_classes).

    Three 3x3 convolutions of channels[0], the last of stride 2; three of channels[1], likewise;
    one without padding; two 1x1; the mean over the image; a dense layer. All are weight normed,
    leaky relu of slope .2, dropout before each block. The layer "features" is the pooled one
    (with `minibatch_kernels`, `MinibatchDiscrimination` follows it).

    Args:
        input_dropout: rate before the first block (feature matching).
        input_noise: standard deviation of Gaussian noise there (minibatch discrimination: .2, in
            place of the dropout).
        dropout: rate before the second and third blocks.
        width: factor of the number of channels.

    Source: disc_layers of train_cifar_feature_matching.py,
    train_cifar_minibatch_discrimination.py and of both train_svhn_*.py.
    """
    channels = scaled(channels, width)

    def conv(n, size=3, strides=1, padding="same"):
        inner = layers.Conv2D(
            n,
            size,
            strides=strides,
            padding=padding,
            activation=leaky_relu,
            kernel_initializer=_start(),
        )
        return WeightNorm(inner)

    def block(x, n):
        x = conv(n)(conv(n)(x))
        # Keras' "same" pads an even size with stride 2 on one side only, the original on both.
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
    x = layers.GlobalAveragePooling2D(name="features")(x)
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels, minibatch_dims)(x)
    last = layers.Dense(num_classes, kernel_initializer=_start())
    logits = WeightNorm(last, train_scale=True, initial_stddev=0.1, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")
