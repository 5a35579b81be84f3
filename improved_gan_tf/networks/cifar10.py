"""The CIFAR-10 networks: `convolutional` at its default sizes (96 and 192 channels)."""

from improved_gan_tf.networks.convolutional import discriminator, generator

__all__ = ["discriminator", "generator"]
