"""The batch normalization of the ImageNet discriminator."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf.layers.checks import check_joint_batch, check_shape


@keras.saving.register_keras_serializable("improved_gan_tf")
class CrossBatchNorm(keras.layers.Layer):
    """Batch normalization whose statistics are those of only the real, or only the fake, examples.

    For a joint batch, real examples first, with C channels, mean m0 and population variance v0 of
    the first C / 2 channels over the first half of the examples (and height and width), m1 and v1
    of the other channels over the other examples:

        y[:, c] = gamma0[c] (x[:, c] - m0[c]) / sqrt(v0[c] + epsilon) + beta0[c],  c < C / 2
        y[:, c] = gamma1[c] (x[:, c] - m1[c]) / sqrt(v1[c] + epsilon) + beta1[c],  else

    for all examples. So one half of the channels can tell a generated image from the real ones, the
    other half a real one from the generated. There are no running averages; gradients flow through
    the statistics, which are computed in float32 at least.

    Args:
        epsilon: Added to the variance under the root, a float, 1e-5 by default.

    Input: (N, C) or (N, H, W, C), N and C even. Output: the same shape. Weights: `gamma0` and
    `gamma1` (C / 2,), N(1, 0.02) at first, `beta0` and `beta1`, 0 at first.
    Raises: `ValueError` for another input.
    Source: imagenet/ops.py, batch_norm_cross.

    Example:
    >>> tuple(CrossBatchNorm()(np.random.rand(6, 4, 4, 8)).shape)
    (6, 4, 4, 8)
    """

    couples_examples: bool = True

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def _checked(self, shape):
        name, ranks = "CrossBatchNorm", "(batch, features) or (batch, height, width, channels)"
        check_shape(name, shape, f"an input {ranks}", len(shape) in (2, 4))
        even = shape[-1] is not None and shape[-1] % 2 == 0
        check_shape(name, shape, "an even number of channels", even)
        check_joint_batch(name, shape)
        return shape

    def build(self, input_shape: tuple) -> None:
        # Without autocast: their digits are needed in mixed precision too.
        common = {"shape": (self._checked(input_shape)[-1] // 2,), "autocast": False}

        def gamma(name):
            start = keras.initializers.RandomNormal(1.0, 0.02)
            return self.add_weight(name=name, initializer=start, **common)

        def beta(name):
            return self.add_weight(name=name, initializer="zeros", **common)

        self.gamma0, self.beta0 = gamma("gamma0"), beta("beta0")
        self.gamma1, self.beta1 = gamma("gamma1"), beta("beta1")

    def call(self, inputs: Any) -> Any:
        channels = self._checked(inputs.shape)[-1] // 2
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        real = ops.shape(x)[0] // 2
        mean0, variance0 = moments(x[:real, ..., :channels])
        mean1, variance1 = moments(x[real:, ..., channels:])
        mean = ops.concatenate([mean0, mean1], axis=0)
        variance = ops.concatenate([variance0, variance1], axis=0)
        gamma = ops.concatenate([self.gamma0, self.gamma1], axis=0)
        beta = ops.concatenate([self.beta0, self.beta1], axis=0)
        scale = ops.cast(gamma, x.dtype) / ops.sqrt(variance + self.epsilon)
        return ops.cast((x - mean) * scale + ops.cast(beta, x.dtype), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self._checked(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}


def moments(x: Any) -> tuple[Any, Any]:
    """Mean and population variance of each channel (the last axis) over all others."""
    axes = tuple(range(len(x.shape) - 1))
    mean = ops.mean(x, axis=axes)
    return mean, ops.mean(ops.square(x - mean), axis=axes)
