"""Every layer in its variants, with shapes and models to try it by."""

import keras
import numpy as np

from improved_gan_tf import layers as ours

LAYERS = {
    "weight_norm_dense": (
        lambda **k: ours.WeightNorm(keras.layers.Dense(3, activation="relu", **k), **k),
        (5,),
    ),
    "weight_norm_dense_no_bias": (
        lambda **k: ours.WeightNorm(
            keras.layers.Dense(3, use_bias=False, **k), train_scale=True, epsilon=0.0, **k
        ),
        (5,),
    ),
    "weight_norm_conv": (
        lambda **k: ours.WeightNorm(
            keras.layers.Conv2D(4, 3, strides=2, padding="same", **k), initial_stddev=0.1, **k
        ),
        (6, 5, 2),
    ),
    "weight_norm_keras_transpose": (
        lambda **k: ours.WeightNorm(
            keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same", **k), **k
        ),
        (3, 4, 2),
    ),
    "weight_norm_transpose": (
        lambda **k: ours.WeightNorm(
            ours.CenteredConv2DTranspose(3, 5, 2, activation="tanh", **k), train_scale=True, **k
        ),
        (3, 4, 2),
    ),
    "conv_transpose": (lambda **k: ours.CenteredConv2DTranspose(3, 5, 2, **k), (3, 4, 2)),
    "minibatch_discrimination": (lambda **k: ours.MinibatchDiscrimination(4, 3, **k), (5,)),
    "minibatch_discrimination_of_images": (
        lambda **k: ours.MinibatchDiscrimination(4, 3, **k),
        (2, 3, 2),
    ),
    "gaussian_noise": (lambda **k: ours.HashedGaussianNoise(0.3, seed=1, **k), (5,)),
    "batch_normalization": (lambda **k: ours.UnbiasedBatchNormalization(**k), (5,)),
    "batch_normalization_of_images": (lambda **k: ours.UnbiasedBatchNormalization(**k), (3, 4, 2)),
    "virtual_batch_norm": (lambda **k: ours.VirtualBatchNorm(2, **k), (5,)),
    "virtual_batch_norm_of_numbers": (lambda **k: ours.VirtualBatchNorm(2, **k), ()),
    "virtual_batch_norm_of_images": (
        lambda **k: ours.VirtualBatchNorm(2, gain="exp", half=2, **k),
        (3, 4, 2),
    ),
    "virtual_batch_norm_per_pixel": (
        lambda **k: ours.VirtualBatchNorm(2, per_pixel=True, **k),
        (3, 4, 2),
    ),
    "virtual_batch_norm_frozen": (lambda **k: ours.VirtualBatchNorm(2, frozen=True, **k), (5,)),
    "reference_batch": (lambda **k: ours.ReferenceBatch(2, minval=0, **k), (3, 4, 2)),
    "drop_reference": (lambda **k: ours.DropReference(2, **k), (5,)),
    "cross_batch_norm": (lambda **k: ours.CrossBatchNorm(**k), (6,)),
    "cross_batch_norm_of_images": (lambda **k: ours.CrossBatchNorm(epsilon=0.1, **k), (3, 4, 2)),
    "split_batch_norm": (lambda **k: ours.SplitBatchNorm(**k), (5,)),
    "split_batch_norm_of_images": (lambda **k: ours.SplitBatchNorm(epsilon=0.1, **k), (3, 4, 2)),
    "joint_minibatch_discrimination": (
        lambda **k: ours.JointMinibatchDiscrimination(4, 3, **k),
        (5,),
    ),
}
INITIALIZED = [k for k in LAYERS if k.startswith(("weight_norm", "minibatch"))]


def sizes(which):
    """Sizes of batches that a layer takes, the least one first.

    Two reference examples need a live one after them, and a joint batch has as many generated
    examples as real ones.
    """
    if which == "drop_reference" or (which.startswith("virtual") and "frozen" not in which):
        return 3, 4, 6
    if which.startswith(("cross", "split", "joint")):
        return 2, 4, 6
    return 1, 2, 5


def batch(shape, examples=4, seed=0):
    return np.random.RandomState(seed).randn(examples, *shape).astype("float32")


def model_of(layer, shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def scrambled(layer, seed=1):
    """The layer with all its (float) variables away from their defaults."""
    rng = np.random.RandomState(seed)
    for v in layer.weights:
        v.assign(rng.uniform(0.5, 1.5, v.shape))
    return layer
