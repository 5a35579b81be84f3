"""Generators and discriminators, one module a data set: functions that return a `keras.Model`.

A discriminator of the semi-supervised networks maps images to the logits of the K classes and has a
layer named "features", whose output feature matching compares; ImageNet's takes a joint batch of
real and generated images and has a logit more, that of "generated".
"""

from improved_gan_tf.networks import cifar10, digits, imagenet, mnist, svhn

__all__ = ["cifar10", "digits", "imagenet", "mnist", "svhn"]
