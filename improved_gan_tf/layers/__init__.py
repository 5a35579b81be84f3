"""The paper's layers, in `keras.ops` alone: for the TensorFlow, JAX and PyTorch backends."""

from improved_gan_tf.layers.batch_normalization import BatchNormalization
from improved_gan_tf.layers.conv_transpose import Conv2DTranspose
from improved_gan_tf.layers.gaussian_noise import GaussianNoise
from improved_gan_tf.layers.initialize import initialize_from_data
from improved_gan_tf.layers.minibatch_discrimination import MinibatchDiscrimination
from improved_gan_tf.layers.weight_norm import WeightNorm

__all__ = [
    "BatchNormalization",
    "Conv2DTranspose",
    "GaussianNoise",
    "MinibatchDiscrimination",
    "WeightNorm",
    "initialize_from_data",
]
