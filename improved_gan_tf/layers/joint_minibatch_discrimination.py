"""The minibatch features of the ImageNet discriminator."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf.layers.checks import (
    as_floats,
    check_at_least,
    check_joint_batch,
    check_shape,
)
from improved_gan_tf.layers.similarities import batch_size, similarities


@keras.saving.register_keras_serializable("improved_gan_tf")
class JointMinibatchDiscrimination(keras.layers.Layer):
    """Appends to each example how close it is to the real and to the generated ones.

    For a joint batch of N = 2B examples, B real ones first:

        M[n,k,d] = sum_i x[n,i] W[i,k,d] + b[k,d]
        e[n,k,j] = exp(-sum_d |M[n,k,d] - M[j,k,d]|), and 0 for j = n
        f1[n,k]  = sum over j < B of e[n,k,j] / S,   f2[n,k] = sum over j >= B / S
        output   = concat(x, f1, f2)

    S = B (2B - 1) is the number of pairs with a partner in one half, over all examples: the
    original divides by the sum of the whole mask. Large problems are computed in tiles (D6).

    Args:
        num_kernels: K, the number of features for each half, an integer from 1.
        dim_per_kernel: D, the dimensions in which they measure distances, an integer from 1.

    Input: (N, I), N even. Output: (N, I + 2K).
    Weights: `kernel` (I, K D), N(0, 0.02) at first, and `bias` (K D,), 0 at first.
    Raises: `ValueError` for K or D below 1 or another input.
    Source: imagenet/discriminator.py, discriminator (d_h, f1, f2).

    Example:
    >>> tuple(JointMinibatchDiscrimination(3, 2)(np.ones((8, 10))).shape)
    (8, 16)
    """

    couples_examples: bool = True

    def __init__(self, num_kernels: int, dim_per_kernel: int, **kwargs: Any):
        super().__init__(**kwargs)
        check_at_least(1, num_kernels=num_kernels, dim_per_kernel=dim_per_kernel)
        self.num_kernels = num_kernels
        self.dim_per_kernel = dim_per_kernel

    def _checked(self, shape):
        expected = "an input (batch, features) with known features"
        holds = len(shape) == 2 and shape[-1] is not None
        check_shape("JointMinibatchDiscrimination", shape, expected, holds)
        check_joint_batch("JointMinibatchDiscrimination", shape)
        return shape

    def build(self, input_shape: tuple) -> None:
        columns = self.num_kernels * self.dim_per_kernel
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self._checked(input_shape)[-1], columns),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.bias = self.add_weight(name="bias", shape=(columns,), initializer="zeros")

    def activations(self, inputs: Any) -> Any:
        """M as (K, D, N), in float32 at least: distances of close examples need its digits."""
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        m = ops.matmul(ops.cast(inputs, dtype), ops.cast(self.kernel, dtype))
        m = ops.transpose(m + ops.cast(self.bias, dtype))
        return ops.reshape(m, (self.num_kernels, self.dim_per_kernel, batch_size(inputs)))

    def call(self, inputs: Any) -> Any:
        self._checked(inputs.shape)
        inputs = as_floats(self, inputs)
        f = similarities(self.activations(inputs), groups=2)
        examples = ops.cast(ops.shape(f)[-1], f.dtype)
        f = ops.reshape(ops.transpose(f, (2, 1, 0)), (-1, 2 * self.num_kernels))
        f = f / (0.5 * examples * (examples - 1.0))
        return ops.concatenate([inputs, ops.cast(f, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, features = self._checked(input_shape)
        return (batch, features + 2 * self.num_kernels)

    def get_config(self) -> dict[str, Any]:
        names = ("num_kernels", "dim_per_kernel")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
