"""The batch normalization of the ImageNet discriminator."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("improved_gan_tf")
class CrossBatchNorm(keras.layers.Layer):
    """Normalises half of the channels by the real rows, the other half by the generated ones.

    For a joint batch, real rows first, with C channels, mean m0 and population variance v0 of the
    first C / 2 channels over the first half of the rows (and height and width), m1 and v1 of the
    other channels over the other rows:

        y[:, c] = gamma0[c] (x[:, c] - m0[c]) / sqrt(v0[c] + epsilon) + beta0[c],  c < C / 2
        y[:, c] = gamma1[c] (x[:, c] - m1[c]) / sqrt(v1[c] + epsilon) + beta1[c],  else

    for all rows. So one half of the channels can tell a generated image from the real ones, the
    other half a real one from the generated. There are no running averages; gradients flow through
    the statistics, which are computed in float32 at least.

    Args:
        epsilon: inside the square root.

    Input: (N, C) or (N, H, W, C), N and C even. Output: the same shape.

    Raises:
        ValueError: another rank, an odd or unknown number of channels, an odd number of rows.

    Source: imagenet/ops.py, batch_norm_cross.
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def _check(self, shape):
        if len(shape) not in (2, 4):
            raise ValueError(
                "CrossBatchNorm needs an input (batch, features) or (batch, height, width, "
                f"channels), not shape {tuple(shape)}."
            )
        if shape[-1] is None or shape[-1] % 2:
            raise ValueError(
                f"CrossBatchNorm needs an even number of channels, not shape {tuple(shape)}."
            )
        check_joint_batch("CrossBatchNorm", shape[0])
        return shape

    def build(self, input_shape):
        # Without autocast: their digits are needed in mixed precision too.
        common = {"shape": (self._check(input_shape)[-1] // 2,), "autocast": False}

        def gamma(name):
            start = keras.initializers.RandomNormal(1.0, 0.02)
            return self.add_weight(name=name, initializer=start, **common)

        def beta(name):
            return self.add_weight(name=name, initializer="zeros", **common)

        self.gamma0, self.beta0 = gamma("gamma0"), beta("beta0")
        self.gamma1, self.beta1 = gamma("gamma1"), beta("beta1")

    def call(self, inputs):
        channels = self._check(inputs.shape)[-1] // 2
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        rows = ops.shape(x)[0] // 2
        mean0, variance0 = _moments(x[:rows, ..., :channels])
        mean1, variance1 = _moments(x[rows:, ..., channels:])
        mean = ops.concatenate([mean0, mean1], axis=0)
        variance = ops.concatenate([variance0, variance1], axis=0)
        gamma = ops.concatenate([self.gamma0, self.gamma1], axis=0)
        beta = ops.concatenate([self.beta0, self.beta1], axis=0)
        scale = ops.cast(gamma, x.dtype) / ops.sqrt(variance + self.epsilon)
        return ops.cast((x - mean) * scale + ops.cast(beta, x.dtype), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return self._check(input_shape)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


def _moments(x):
    """Mean and population variance of each channel."""
    axes = tuple(range(len(x.shape) - 1))
    mean = ops.mean(x, axis=axes)
    return mean, ops.mean(ops.square(x - mean), axis=axes)


def check_joint_batch(layer, rows):
    """Refuses a batch that is known not to have as many generated rows as real ones."""
    if rows is not None and (rows % 2 or rows == 0):
        raise ValueError(
            f"{layer} needs a joint batch, as many generated rows as real ones, not {rows} rows."
        )
