"""The ImageNet networks, for square images of 8 to 128 pixels at any width."""

import keras
from keras import layers

from improved_gan_tf.layers import (
    CrossBatchNorm,
    DropReference,
    JointMinibatchDiscrimination,
    ReferenceBatch,
    VirtualBatchNorm,
)
from improved_gan_tf.networks.activations import leaky_relu
from improved_gan_tf.networks.width import scaled

# Channels of h0 .. h5 and of the noise maps joined to them, in parts of `channels`; smaller images
# use the first ones.
_CHANNELS = (8, 4, 2, 1, 1, 1)
_NOISE_CHANNELS = (1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 8)
# Channels and strides of the discriminator's convolutions.
_DISCRIMINATOR_CHANNELS = (1, 2, 4, 4, 4, 8, 8)
_STRIDES = (2, 2, 2, 1, 1, 2, 2)


def generator(
    image_shape=(128, 128, 3),
    latent_dim=8192,
    channels=64,
    reference_size=16,
    output_stddev=0.075,
    output_bias=-0.45,
    width=1.0,
):
    """[z, h0z, h1z, ...] in [-1, 1) -> images (N, *image_shape) in (-1, 1).

    A dense layer to 4x4 maps, then 5x5 transposed convolutions of stride 2 up to the size of the
    images, virtual batch normalization and relu after each; every level is joined by a noise map
    of its size (h0z, 4x4, to the dense layer's, ...) before the next layer. Last a 5x5 transposed
    convolution of stride 1 to the image's channels, without normalization, and tanh. With
    128x128 images and channels = 64 the levels have 512, 256, 128, 64, 64, 64 channels and noise
    maps of 64, 64, 32, 16, 8, 8.

    The reference batch of virtual batch normalization, one set of reference_size latent vectors and
    noise maps, is drawn once from U(-1, 1) and kept as non-trainable weights;
    `layers.freeze_reference` folds it into constants.

    Args:
        image_shape: (S, S, C), S one of 8, 16, 32, 64, 128.
        latent_dim: Z.
        channels: gf_dim.
        reference_size: rows of the reference batch.
        output_stddev, output_bias: initial weights and bias of the last layer.
        width: factor of latent_dim and channels.

    Returns:
        keras.Model of 1 + log2(S / 2) inputs, z (N, Z) first.

    Raises:
        ValueError: another size of images, a width that is not above 0.

    Source: imagenet/generator.py, Generator; imagenet/ops.py, linear and deconv2d.
    """
    levels = _halvings(image_shape) + 1
    latent_dim, channels = _scaled(latent_dim, width), _scaled(channels, width)
    maps = [max(1, int(channels * part)) for part in _NOISE_CHANNELS[:levels]]
    sizes = [4 * 2**k for k in range(levels)]
    z = keras.Input((latent_dim,), name="z")
    noise = [
        keras.Input((s, s, n), name=f"h{k}z")
        for k, (s, n) in enumerate(zip(sizes, maps, strict=True))
    ]

    def normalized(x, k):
        return layers.ReLU()(VirtualBatchNorm(reference_size, name=f"g_vbn_{k}")(x))

    def transposed(n, strides, name, stddev=0.02, **values):
        start = keras.initializers.RandomNormal(stddev=stddev)
        return layers.Conv2DTranspose(
            n, 5, strides, padding="same", kernel_initializer=start, name=name, **values
        )

    first = layers.Dense(
        4 * 4 * channels * _CHANNELS[0],
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.02),
        name="g_h0_lin",
    )
    x = first(ReferenceBatch(reference_size, name="z_reference")(z))
    x = normalized(layers.Reshape((4, 4, channels * _CHANNELS[0]))(x), 0)
    for k in range(1, levels + 1):
        joined = ReferenceBatch(reference_size, name=f"h{k - 1}z_reference")(noise[k - 1])
        x = layers.Concatenate()([x, joined])
        if k < levels:
            x = normalized(transposed(channels * _CHANNELS[k], 2, f"g_h{k}")(x), k)
    bias = keras.initializers.Constant(output_bias)
    x = transposed(
        image_shape[-1], 1, f"g_h{levels}", output_stddev, bias_initializer=bias, activation="tanh"
    )(x)
    images = DropReference(reference_size, name="images")(x)
    return keras.Model([z, *noise], images, name="generator")


def discriminator(
    image_shape=(128, 128, 3),
    num_classes=1000,
    channels=64,
    minibatch_kernels=300,
    minibatch_dims=50,
    width=1.0,
):
    """A joint batch of images, real ones first (2B, *image_shape) -> logits (2B, num_classes + 1).

    Seven 3x3 convolutions (strides 2, 2, 2, 1, 1, 2, 2 on 128x128 images; smaller ones have the
    last of these 2s only), a dense layer of 40 channels units, each followed by cross batch
    normalization and leaky relu of slope .2; the minibatch features of the joint batch; a dense
    layer. The last logit is that of "generated", see `losses.gan_logits`.

    Args:
        image_shape: (S, S, C), S one of 8, 16, 32, 64, 128.
        num_classes: K.
        channels: df_dim.
        minibatch_kernels, minibatch_dims: of `JointMinibatchDiscrimination`.
        width: factor of channels (rounded to an even number) and minibatch_kernels.

    Raises:
        ValueError: another size of images, a width that is not above 0.

    Source: imagenet/discriminator.py, discriminator; imagenet/ops.py, conv2d and linear.
    """
    left = len(_STRIDES) - _STRIDES.count(1) - _halvings(image_shape)
    channels = 2 * _scaled(channels / 2, width)

    def normalized(x, k):
        return layers.Activation(leaky_relu)(CrossBatchNorm(name=f"d_bn_{k}")(x))

    def dense(n, name):
        start = keras.initializers.RandomNormal(stddev=0.02)
        return layers.Dense(n, kernel_initializer=start, name=name)

    images = keras.Input(image_shape, name="images")
    x = images
    for k, (n, strides) in enumerate(zip(_DISCRIMINATOR_CHANNELS, _STRIDES, strict=True)):
        if strides == 2 and left > 0:
            strides, left = 1, left - 1
        conv = layers.Conv2D(
            channels * n,
            3,
            strides,
            padding="same",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            name=f"d_h{k}_conv",
        )
        x = normalized(conv(x), k)
    x = normalized(dense(40 * channels, "d_h7")(layers.Flatten()(x)), 7)
    kernels = _scaled(minibatch_kernels, width)
    x = JointMinibatchDiscrimination(kernels, minibatch_dims, name="d_h")(x)
    return keras.Model(images, dense(num_classes + 1, "d_indiv_logits")(x), name="discriminator")


def _halvings(image_shape):
    """log2(S / 4), the levels between 4x4 maps and S x S images."""
    height, width = image_shape[:2]
    halvings = (height // 4).bit_length() - 1
    if height != width or height not in (8, 16, 32, 64, 128):
        raise ValueError(
            "The ImageNet networks need square images of 8, 16, 32, 64 or 128 pixels, not "
            f"{height} x {width}."
        )
    return halvings


def _scaled(size, width):
    (result,) = scaled((size,), width)
    return result
