"""The SVHN networks: CIFAR-10's, the discriminator of feature matching with 64 and 128 channels."""

from improved_gan_tf.networks import convolutional
from improved_gan_tf.networks.convolutional import generator

__all__ = ["discriminator", "generator"]


def discriminator(image_shape=(32, 32, 3), num_classes=10, channels=(64, 128), **values):
    """Images (N, *image_shape) in [-1, 1] -> logits (N, num_classes).

    `convolutional.discriminator`, whose other arguments `values` are. The original's script of
    minibatch discrimination has 96 and 192 channels, as on CIFAR-10.

    Source: disc_layers of train_svhn_feature_matching.py.
    """
    return convolutional.discriminator(image_shape, num_classes, channels, **values)
