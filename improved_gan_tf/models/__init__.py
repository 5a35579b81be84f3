"""The trainable models: networks, objective and optimizers together."""

from improved_gan_tf import smoothness
from improved_gan_tf.models.imagenet_gan import ImageNetGAN
from improved_gan_tf.models.objectives import DiscriminatorTerm, Objective
from improved_gan_tf.models.semi_supervised_gan import SemiSupervisedGAN
from improved_gan_tf.networks.activations import leaky_relu as _leaky_relu  # noqa: F401  (registers it)

__all__ = ["DiscriminatorTerm", "ImageNetGAN", "Objective", "SemiSupervisedGAN", "smoothness"]
