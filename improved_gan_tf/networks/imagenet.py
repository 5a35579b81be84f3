"""The ImageNet networks, for square images of 8 to 128 pixels at any width (D22)."""

import math

import keras
from keras import layers

from improved_gan_tf.layers import (
    CrossBatchNorm,
    DropReference,
    JointMinibatchDiscrimination,
    ReferenceBatch,
    SplitBatchNorm,
    VirtualBatchNorm,
)
from improved_gan_tf.networks.activations import leaky_relu
from improved_gan_tf.networks.width import scaled

# Channels of the levels h0 .. h5 and of the noise maps that join them, as factors of `channels`;
# smaller images use the first ones.
_CHANNELS = (8, 4, 2, 1, 1, 1)
_NOISE_CHANNELS = (1, 1, 1 / 2, 1 / 4, 1 / 8, 1 / 8)
# The discriminator's convolutions: channels, as factors of `channels`, and strides.
_DISCRIMINATOR_CHANNELS = (1, 2, 4, 4, 4, 8, 8)
_STRIDES = (2, 2, 2, 1, 1, 2, 2)


def generator(
    image_shape: tuple[int, int, int] = (128, 128, 3),
    latent_dim: int = 8192,
    channels: int = 64,
    reference_size: int = 16,
    output_stddev: float = 0.075,
    output_bias: float = -0.45,
    normalization: str = "virtual",
    noise_maps: bool = True,
    width: float = 1.0,
) -> keras.Model:
    """Latents [z, h0z, h1z, ...] in [-1, 1) -> images (N, *image_shape) in (-1, 1).

    A dense layer gives 4x4 maps; 5x5 transposed convolutions of stride 2 follow, up to the size of
    the images, with virtual batch normalization and relu after each. A noise map of its size joins
    every level before the next layer (h0z, 4x4, joins the dense layer's output). The last layer is
    a 5x5 transposed convolution of stride 1 to the image's channels, without normalization, with
    tanh. With 128x128 images and 64 `channels` the levels have 512, 256, 128, 64, 64, 64 channels
    and noise maps of 64, 64, 32, 16, 8, 8.

    The reference batch of virtual batch normalization is one set of `reference_size` latent
    vectors and noise maps, drawn once from U[-1, 1) and kept as non-trainable weights (D20).
    `layers.freeze_reference` folds it into constants. With ordinary batch normalization there is
    none: an image is then normalized by the other ones of its batch in training, and by running
    averages elsewhere.

    Args:
        image_shape: (S, S, C); S is 8, 16, 32, 64 or 128.
        latent_dim: Z, the number of latent variables.
        channels: The original's gf_dim, of which every level's channels are a multiple.
        reference_size: Examples in the reference batch.
        output_stddev, output_bias: Initial standard deviation and bias of the last layer.
        normalization: "virtual", or "batch": Keras' `BatchNormalization` with momentum 0.9, and
            epsilon and initial gain as virtual batch normalization has them.
        noise_maps: Whether noise maps join the levels; without, z is the only input.
        width: Factor of `latent_dim` and `channels`; a finite number above 0.

    Returns:
        Model of log2(S / 4) + 2 inputs: z (N, Z) first, then the noise maps h0z, h1z, ...; or of
        z alone.

    Raises:
        ValueError: Images of another size, or an unknown normalization.

    Source: imagenet/generator.py, Generator; imagenet/ops.py, linear and deconv2d.

    Example:
    >>> generator = networks.imagenet.generator((16, 16, 3), latent_dim=32, channels=8)
    >>> [latent.name for latent in generator.inputs]
    ['z', 'h0z', 'h1z', 'h2z']
    >>> latents = [np.zeros((4, *latent.shape[1:]), "float32") for latent in generator.inputs]
    >>> tuple(generator(latents).shape)
    (4, 16, 16, 3)
    """
    virtual = _is_own(normalization, "virtual")
    levels = _halvings(image_shape) + 1
    latent_dim, channels = scaled(latent_dim, width), scaled(channels, width)
    z = keras.Input((latent_dim,), name="z")
    noise = [
        keras.Input((4 * 2**k, 4 * 2**k, max(1, int(channels * part))), name=f"h{k}z")
        for k, part in enumerate(_NOISE_CHANNELS[: levels if noise_maps else 0])
    ]

    def referenced(x, name):
        return ReferenceBatch(reference_size, name=f"{name}_reference")(x) if virtual else x

    def normalized(x, k):
        if virtual:
            return layers.ReLU()(VirtualBatchNorm(reference_size, name=f"g_vbn_{k}")(x))
        start = keras.initializers.RandomNormal(1.0, 0.02)
        values = {"momentum": 0.9, "epsilon": 1e-5, "gamma_initializer": start}
        return layers.ReLU()(layers.BatchNormalization(name=f"g_bn_{k}", **values)(x))

    def transposed(n, strides, name, stddev=0.02, **values):
        start = keras.initializers.RandomNormal(stddev=stddev)
        return layers.Conv2DTranspose(
            n, 5, strides, padding="same", kernel_initializer=start, name=name, **values
        )

    maps, start = (4, 4, channels * _CHANNELS[0]), keras.initializers.RandomNormal(stddev=0.02)
    first = layers.Dense(math.prod(maps), kernel_initializer=start, name="g_h0_lin")
    x = first(referenced(z, "z"))
    x = normalized(layers.Reshape(maps)(x), 0)
    for k in range(1, levels + 1):
        if noise_maps:
            x = layers.Concatenate()([x, referenced(noise[k - 1], f"h{k - 1}z")])
        if k < levels:
            x = normalized(transposed(channels * _CHANNELS[k], 2, f"g_h{k}")(x), k)
    bias = keras.initializers.Constant(output_bias)
    x = transposed(
        image_shape[-1], 1, f"g_h{levels}", output_stddev, bias_initializer=bias, activation="tanh"
    )(x)
    images = DropReference(reference_size, name="images")(x) if virtual else x
    return keras.Model([z, *noise] if noise_maps else z, images, name="generator")


def discriminator(
    image_shape: tuple[int, int, int] = (128, 128, 3),
    num_classes: int = 1000,
    channels: int = 64,
    minibatch_kernels: int | None = 300,
    minibatch_dims: int = 50,
    normalization: str = "cross",
    width: float = 1.0,
) -> keras.Model:
    """A joint batch of images, real ones first (2B, *image_shape) -> logits (2B, num_classes + 1).

    Seven 3x3 convolutions (strides 2, 2, 2, 1, 1, 2, 2 for 128x128 images; smaller ones have only
    the last of these 2s) and a dense layer of 40 * `channels` units, each followed by cross batch
    normalization and leaky relu of slope 0.2; the minibatch features of the joint batch; a dense
    layer. The last logit is that of the class "generated", see `losses.gan_logits`.

    Args:
        image_shape: (S, S, C); S is 8, 16, 32, 64 or 128.
        num_classes: K, the number of classes; with 0 the only logit is that of D itself.
        channels: The original's df_dim, of which every layer's channels are a multiple.
        minibatch_kernels: Kernels of `JointMinibatchDiscrimination`; 0 or None: no such layer.
        minibatch_dims: Dimensions of each of these kernels.
        normalization: "cross"; or "batch", which is DCGAN's: `SplitBatchNorm`, statistics of the
            real and of the generated images apart, and none after the first convolution.
        width: Factor of `channels` (rounded to an even number) and `minibatch_kernels`; a finite
            number above 0.

    Raises:
        ValueError: Images of another size, or an unknown normalization.

    Source: imagenet/discriminator.py, discriminator; imagenet/ops.py, conv2d and linear.

    Example:
    >>> discriminator = networks.imagenet.discriminator((16, 16, 3), 5, channels=8)
    >>> joint = np.zeros((8, 16, 16, 3), "float32")  # four real images, then four generated ones
    >>> tuple(discriminator(joint).shape)
    (8, 6)
    """
    cross = _is_own(normalization, "cross")
    left = len(_STRIDES) - _STRIDES.count(1) - _halvings(image_shape)
    channels = 2 * scaled(channels / 2, width)

    def normalized(x, k):
        if cross or k:
            x = (CrossBatchNorm if cross else SplitBatchNorm)(name=f"d_bn_{k}")(x)
        return layers.Activation(leaky_relu)(x)

    def dense(n, name):
        start = keras.initializers.RandomNormal(stddev=0.02)
        return layers.Dense(n, kernel_initializer=start, name=name)

    images = keras.Input(image_shape, name="images")
    x = images
    for k, (n, strides) in enumerate(zip(_DISCRIMINATOR_CHANNELS, _STRIDES, strict=True)):
        if strides == 2 and left > 0:
            strides, left = 1, left - 1
        values = {"kernel_initializer": keras.initializers.TruncatedNormal(stddev=0.02)}
        conv = layers.Conv2D(channels * n, 3, strides, "same", name=f"d_h{k}_conv", **values)
        x = normalized(conv(x), k)
    x = normalized(dense(40 * channels, "d_h7")(layers.Flatten()(x)), 7)
    if minibatch_kernels:
        kernels = scaled(minibatch_kernels, width)
        x = JointMinibatchDiscrimination(kernels, minibatch_dims, name="d_h")(x)
    return keras.Model(images, dense(num_classes + 1, "d_indiv_logits")(x), name="discriminator")


def _is_own(normalization, own):
    """Whether it is the kind that the original has; otherwise it must be "batch"."""
    if normalization not in (own, "batch"):
        raise ValueError(f"normalization must be one of {own}, batch, not {normalization!r}")
    return normalization == own


def _halvings(image_shape):
    """log2(S / 4): how often S x S images are halved on the way to 4x4 maps."""
    height, width = image_shape[:2]
    halvings = (height // 4).bit_length() - 1
    if height != width or height not in (8, 16, 32, 64, 128):
        raise ValueError(
            "image_shape must be that of square images of 8, 16, 32, 64 or 128 pixels, not "
            f"{height} x {width}"
        )
    return halvings
