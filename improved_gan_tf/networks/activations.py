"""Activations that Keras does not have as the original does."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("improved_gan_tf")
def leaky_relu(x: Any) -> Any:
    """max(x, x / 5), whose slope at 0 is not the original's (D3).

    In float64 by that formula, since TensorFlow's own function holds its slope in float32; in the
    other types by that function, whose gradient is one operation. The formula's is several, which
    took a sixth of a narrow CIFAR-10 step.
    """
    if keras.backend.standardize_dtype(x.dtype) == "float64":
        return keras.ops.maximum(x, 0.2 * x)
    return keras.ops.leaky_relu(x, 0.2)
