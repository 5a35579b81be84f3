"""DCGAN's batch normalization of a joint batch."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf.layers.checks import check_joint_batch, check_shape
from improved_gan_tf.layers.cross_batch_norm import moments


@keras.saving.register_keras_serializable("improved_gan_tf")
class SplitBatchNorm(keras.layers.Layer):
    """Normalizes the real examples by their own statistics, the generated ones by theirs.

    For a joint batch, real examples first, with mean m_h and population variance v_h of each
    channel over half h of the examples (and over height and width):

        y[n, c] = gamma[c] (x[n, c] - m_h[c]) / sqrt(v_h[c] + epsilon) + beta[c],  n in half h

    That is a DCGAN discriminator, which is given a batch of real images and a batch of generated
    ones, one after the other; `CrossBatchNorm` lets each half see the other's statistics. There are
    no running averages; gradients flow through the statistics, which are computed in float32 at
    least.

    Args:
        epsilon: Added to the variance under the root, a float, 1e-5 by default.

    Input: (N, C) or (N, H, W, C), N even. Output: the same shape. Weights: `gamma` (C,), N(1, 0.02)
    at first, and `beta` (C,), 0 at first.
    Raises: `ValueError` for another input.

    Example:
    >>> tuple(SplitBatchNorm()(np.random.rand(6, 4, 4, 3)).shape)
    (6, 4, 4, 3)
    """

    couples_examples: bool = True

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def _checked(self, shape):
        name, ranks = "SplitBatchNorm", "(batch, features) or (batch, height, width, channels)"
        check_shape(name, shape, f"an input {ranks}", len(shape) in (2, 4))
        check_shape(name, shape, "a known number of channels", shape[-1] is not None)
        check_joint_batch(name, shape)
        return shape

    def build(self, input_shape: tuple) -> None:
        # Without autocast: their digits are needed in mixed precision too.
        common = {"shape": (self._checked(input_shape)[-1],), "autocast": False}
        start = keras.initializers.RandomNormal(1.0, 0.02)
        self.gamma = self.add_weight(name="gamma", initializer=start, **common)
        self.beta = self.add_weight(name="beta", initializer="zeros", **common)

    def call(self, inputs: Any) -> Any:
        self._checked(inputs.shape)
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        real = ops.shape(x)[0] // 2

        def normalized(half):
            mean, variance = moments(half)
            scale = ops.cast(self.gamma, x.dtype) / ops.sqrt(variance + self.epsilon)
            return (half - mean) * scale + ops.cast(self.beta, x.dtype)

        y = ops.concatenate([normalized(x[:real]), normalized(x[real:])], axis=0)
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self._checked(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
