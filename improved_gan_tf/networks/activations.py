"""Activations that Keras does not have as the original does."""

import keras


@keras.saving.register_keras_serializable("improved_gan_tf")
def leaky_relu(x):
    """max(x, x / 5). TensorFlow's own holds its slope in float32, also for float64."""
    return keras.ops.maximum(x, 0.2 * x)
