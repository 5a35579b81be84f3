"""The trainable models: networks, objective and optimizers together."""

from improved_gan_tf.models.imagenet_gan import ImageNetGAN
from improved_gan_tf.models.semi_supervised_gan import SemiSupervisedGAN

__all__ = ["ImageNetGAN", "SemiSupervisedGAN"]
