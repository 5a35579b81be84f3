"""Consistency terms of the discriminator's loss: similar images should have similar logits.

    gan.compile(discriminator_terms=[DiscriminatorTerm(virtual_adversarial, radius=0.3)])

Their parameters are the quantities that a `DiscriminatorTerm` passes by name, and own options.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from improved_gan_tf import losses, random, transformations
from improved_gan_tf.keras_compat import require_tensorflow, without_updates

_TINY = 1e-30


@keras.saving.register_keras_serializable("improved_gan_tf")
def generated_consistency(
    latents: Any,
    logits_fake: Any,
    generator: Callable[[Any], Any],
    discriminator: Callable[[Any], Any],
    seed_generator: keras.random.SeedGenerator,
    distance: float = 1e-5,
) -> Any:
    """mean || l(G(z)) - l(G(z + d)) ||^2 with || d || = distance: `losses.consistency` near z.

    It is the manifold regularization of Lecouat et al. (2018, Semi-Supervised Learning with GANs:
    Revisiting Manifold Regularization, section 2), whose weight is 1e-3. Each pass of the
    discriminator has noise and dropout of its own. At the published distance these change the
    logits more than d does, and the term mainly teaches the discriminator to ignore them; in
    bfloat16 z + d is z, and it does nothing else.

    Args:
        latents: z, a float tensor (N, Z).
        logits_fake: l(G(z)), (N, K).
        generator: From latent vectors to images.
        discriminator: From images to logits (N, K).
        seed_generator: Gives the directions of d, uniform on the sphere.
        distance: The norm of d, a float, 1e-5 by default.

    Example:
    >>> z, seeds = np.zeros((4, 3), "float32"), keras.random.SeedGenerator(1)
    >>> same = lambda x: x
    >>> round(float(generated_consistency(z, z, same, same, seeds, distance=2.0)), 3)
    4.0
    """
    direction = _unit(random.normal(ops.shape(latents), seed_generator, latents.dtype))
    with without_updates():  # the generator's averages count its images once
        near = generator(latents + distance * direction)
    return losses.consistency(logits_fake, discriminator(ops.stop_gradient(near)))


@keras.saving.register_keras_serializable("improved_gan_tf")
def virtual_adversarial(
    images_unlabeled: Any,
    discriminator: Callable[[Any], Any],
    seed_generator: keras.random.SeedGenerator,
    radius: float = 0.3,
) -> Any:
    """mean KL(p(y | x) || p(y | x + r)), r of norm `radius` in the direction that changes p most.

    The direction is found by one power iteration from a random u, as r ~ H u where H is the second
    derivative of KL(p(y | x) || p(y | x + r)) at r = 0. With the logits' derivative J and F =
    diag(p) - p p^T, that is H = J^T F J, and H u is computed as it stands: forwards by J, which is
    twice backwards, and backwards by J^T. The published code takes a quotient of differences of
    step xi = 1e-6 for it, whose limit this is. In float32 that step is lost in rounding: with the
    MNIST recipe's network its directions have a mean cosine of 0.11 with the true ones (0.999 at
    xi = 1e-3).

    p(y | x) is over the K classes, and a constant. All passes have the same noise and dropout.

    Args:
        images_unlabeled: x, a float tensor (N, H, W, C).
        discriminator: From images to logits (N, K).
        seed_generator: Gives u.
        radius: The norm of r (epsilon in the paper), a float, 0.3 by default: the published one for
            MNIST with 100 labels and pixels in 0..1. Others are 2.5 (SVHN) and 10 (CIFAR-10).

    Raises:
        ImportError: Keras computes by another backend than TensorFlow, whose gradient tapes it
            needs.

    Source: Miyato et al. (2017), Virtual Adversarial Training, algorithm 1; their weight is 1.

    Example:
    >>> x, seeds = np.random.rand(4, 2, 2, 1).astype("float32"), keras.random.SeedGenerator(1)
    >>> loss = virtual_adversarial(tf.constant(x), lambda x: tf.reshape(x, (4, 4)), seeds, 0.5)
    >>> 0 < float(loss) < 0.1
    True
    """
    require_tensorflow("virtual adversarial losses")
    x = ops.convert_to_tensor(images_unlabeled)
    start = _unit(random.normal(ops.shape(x), seed_generator, x.dtype.name))
    # Random states and batch statistics move in the last pass only, which has the same noise.
    with without_updates():
        logits, direction = _power_iteration(discriminator, x, start)
    near = discriminator(x + ops.stop_gradient(radius * direction))
    return losses.divergence(ops.stop_gradient(logits), near)


@keras.saving.register_keras_serializable("improved_gan_tf")
def transformed(
    labels: Any,
    images_labeled: Any,
    images_unlabeled: Any,
    averaged: Callable[[Any], Any],
    discriminator: Callable[[Any], Any],
    seed_generator: keras.random.SeedGenerator,
    shift: float = 0.1,
    zoom: float = 0.1,
    shear: float = 0.2,
    threshold: float = 0.8,
) -> Any:
    """Consistency of the classes under random affine transformations T (`random_affine`).

        L_supervised(T(x), y) of the labeled images
        + mean [max_k p_k > threshold] KL(p || p(y | T(x))) of the unlabeled ones

    p are the class probabilities of the untransformed x, computed with the averaged parameters and
    without noise; no gradient flows through them. The averaged classifier acts as a teacher because
    it is more accurate than the current one. Unlabeled images whose largest probability is not
    above the threshold contribute 0, but still count in the mean.

    Args:
        labels: y, an integer tensor (N,).
        images_labeled: Float images (N, H, W, C).
        images_unlabeled: Float images (M, H, W, C).
        averaged: From images to logits (M, K), by the averaged parameters.
        discriminator: From images to logits (N + M, K).
        seed_generator: Gives the transformations.
        shift, zoom, shear: See `transformations.random_affine`.
        threshold: The least probability of the likeliest class, a float in 0..1, 0.8 by default.

    Source: Sajjadi et al. (2016), Regularization With Stochastic Transformations and Perturbations
    (transformations, MNIST with 100 labels); Tarvainen and Valpola (2017), Mean teachers are better
    role models; Sohn et al. (2020), FixMatch, equation 4 (the threshold).

    Example:
    >>> x, seeds = np.random.rand(4, 6, 6, 1).astype("float32"), keras.random.SeedGenerator(1)
    >>> y, classifier = np.arange(4), lambda x: tf.reshape(x, (len(x), -1))
    >>> still = transformed(y, x, x, classifier, classifier, seeds, shift=0.0, zoom=0.0, shear=0.0)
    >>> np.allclose(still, losses.supervised(y, classifier(x)))
    True
    """
    images = ops.concatenate([images_labeled, images_unlabeled], axis=0)
    moved = transformations.random_affine(images, seed_generator, shift, zoom, shear)
    count = ops.shape(images_labeled)[0]
    logits = discriminator(moved)
    target = ops.stop_gradient(averaged(images_unlabeled))
    certain = ops.max(ops.softmax(target), axis=-1, keepdims=True) > threshold
    # The divergence of the target from itself is 0 and has no gradient.
    near = ops.where(certain, logits[count:], target)
    return losses.supervised(labels, logits[:count]) + losses.divergence(target, near)


def _power_iteration(function, x, u):
    """The logits l of x, and J^T F J u as unit vectors."""
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as outer:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as inner:
            inner.watch(x)
            logits = function(x)
        weights = tf.zeros_like(logits)
        outer.watch(weights)
        # J^T w is linear in w, so that its derivative along u is J u, whatever w.
        along = tf.reduce_sum(u * inner.gradient(logits, x, output_gradients=weights))
    change = outer.gradient(along, weights)
    p = tf.nn.softmax(logits)
    change = p * (change - tf.reduce_sum(p * change, axis=-1, keepdims=True))
    # Only its direction counts: as a unit vector it does not leave the range of low types.
    return logits, _unit(inner.gradient(logits, x, output_gradients=_unit(change)))


def _unit(x):
    """Each example divided by its norm; 0 stays 0."""
    axes = list(range(1, len(x.shape)))
    x = x / ops.maximum(ops.max(ops.abs(x), axes, keepdims=True), _TINY)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axes, keepdims=True), _TINY))
