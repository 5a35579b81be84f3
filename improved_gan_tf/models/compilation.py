"""Whether XLA compiles the steps where nobody says."""

from typing import Any

import tensorflow as tf

from improved_gan_tf.layers.data_dependent import walk


def pays(gan: Any) -> bool:
    """Returns whether XLA makes a model's steps faster, by the device and the networks.

    It fuses the many small operations of a step. On a CPU its convolutions are four times slower
    than TensorFlow's own, so that there it is for networks without any (weights of four
    dimensions). For several replicas it is not: TensorFlow cannot compile their exchange of
    gradients, on any device; nor for networks with a layer that says it cannot be compiled.

    Args:
        gan: The model.
    """
    several = gan.distribute_strategy.num_replicas_in_sync > 1
    if several or not all(layer.supports_jit for layer in walk(gan)):
        return False
    convolutions = any(len(variable.shape) == 4 for variable in gan.weights)
    return bool(tf.config.list_physical_devices("GPU")) or not convolutions
