"""The MNIST networks: dense throughout, images flattened in row order."""

import math

import keras
from keras import layers

from improved_gan_tf.layers import (
    HashedGaussianNoise,
    MinibatchDiscrimination,
    UnbiasedBatchNormalization,
    WeightNorm,
)
from improved_gan_tf.networks.width import scaled


def generator(image_shape=(28, 28, 1), latent_dim=100, units=(500, 500), width=1.0):
    """z (N, latent_dim) in [0, 1) -> images (N, *image_shape) in (0, 1).

    Each hidden layer: dense without bias, batch normalization, softplus; the last one is weight
    normalised with a trained scale and no data-dependent initialisation, then a sigmoid. Weights
    start Glorot uniform.

    Args:
        width: factor of the numbers of units.

    Source: train_mnist_feature_matching.py, gen_layers.
    """
    z = keras.Input((latent_dim,), name="z")
    x = z
    for n in scaled(units, width):
        x = layers.Dense(n, use_bias=False)(x)
        x = UnbiasedBatchNormalization()(x)
        x = layers.Activation("softplus")(x)
    last = layers.Dense(math.prod(image_shape), activation="sigmoid")
    x = WeightNorm(last, train_scale=True, initial_stddev=None)(x)
    return keras.Model(z, layers.Reshape(image_shape, name="images")(x), name="generator")


def discriminator(
    image_shape=(28, 28, 1),
    num_classes=10,
    units=(1000, 500, 250, 250, 250),
    input_noise=0.3,
    hidden_noise=0.5,
    minibatch_kernels=None,
    minibatch_dims=5,
    width=1.0,
):
    """Images (N, *image_shape) in [0, 1] -> logits (N, num_classes), an unnormalised log p(y | x).

    Gaussian noise on the input and before each later layer, weight-normed dense layers with relu;
    the layer "features", which feature matching compares, is the last hidden one before its noise.
    With `minibatch_kernels`, `MinibatchDiscrimination` is put after it: the paper's figure 3
    (right), for which the published code has no script.

    Args:
        input_noise, hidden_noise: standard deviations.
        width: factor of the numbers of units.

    Source: train_mnist_feature_matching.py, layers.
    """

    def dense(n, activation=None, train_scale=False, name=None):
        start = keras.initializers.RandomNormal(stddev=0.1)
        inner = layers.Dense(n, activation=activation, kernel_initializer=start)
        return WeightNorm(inner, train_scale=train_scale, epsilon=0.0, name=name)

    images = keras.Input(image_shape, name="images")
    x = layers.Flatten()(images)
    units = scaled(units, width)
    noise = input_noise
    for i, n in enumerate(units):
        x = HashedGaussianNoise(noise)(x)
        x = dense(n, "relu", name="features" if i == len(units) - 1 else None)(x)
        noise = hidden_noise
    if minibatch_kernels:
        x = MinibatchDiscrimination(minibatch_kernels, minibatch_dims)(x)
    x = HashedGaussianNoise(noise)(x)
    logits = dense(num_classes, train_scale=True, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")
