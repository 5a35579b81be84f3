"""The networks of the embedded 8x8 digits: those of MNIST at a smaller size."""

from improved_gan_tf.networks import mnist


def generator(image_shape=(8, 8, 1), latent_dim=50, units=(128, 128), width=1.0):
    """z (N, latent_dim) in [0, 1) -> images (N, *image_shape) in (0, 1); see `mnist.generator`."""
    return mnist.generator(image_shape, latent_dim, units, width)


def discriminator(
    image_shape=(8, 8, 1),
    num_classes=10,
    units=(256, 128, 64, 64, 64),
    input_noise=0.15,
    hidden_noise=0.5,
    minibatch_kernels=None,
    minibatch_dims=5,
    width=1.0,
):
    """Images in [0, 1] -> logits (N, num_classes); see `mnist.discriminator`.

    The input has half MNIST's noise: an 8x8 digit has a twelfth of the pixels to average it over.
    """
    return mnist.discriminator(
        image_shape,
        num_classes,
        units,
        input_noise,
        hidden_noise,
        minibatch_kernels,
        minibatch_dims,
        width,
    )
