"""Generators and discriminators: functions that return a `keras.Model`.

Each module has `generator(...)`, latent vectors -> images, and `discriminator(...)`, images ->
logits. The sizes that belong to a data set (units, channels, noise) stand in its recipe.

`dense` and `convolutional` also have `encoder(...)`, images -> what they were generated from.

A discriminator of `dense` and `convolutional` has a logit for each of the K classes and a layer
named "features", whose output feature matching compares. The one of `imagenet` takes a joint batch
of real and generated images and has one logit more, that of the class "generated".
"""

from types import ModuleType

from improved_gan_tf.networks import convolutional, dense, imagenet

NETWORKS: dict[str, ModuleType] = {
    "dense": dense,
    "convolutional": convolutional,
    "imagenet": imagenet,
}
"""What a recipe's value `network` can be."""

__all__ = ["NETWORKS", "convolutional", "dense", "imagenet"]
