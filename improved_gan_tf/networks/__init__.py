"""Generators and discriminators, one module a data set: functions that return a `keras.Model`.

A discriminator maps images to the logits of the K classes and has a layer named "features", whose
output feature matching compares.
"""

from improved_gan_tf.networks import cifar10, digits, mnist

__all__ = ["cifar10", "digits", "mnist"]
