"""The minibatch features of the ImageNet discriminator."""

import keras
from keras import ops

from improved_gan_tf.layers.cross_batch_norm import check_joint_batch
from improved_gan_tf.layers.minibatch_discrimination import (
    batch_size,
    check_kernels,
    similarities,
)


@keras.saving.register_keras_serializable("improved_gan_tf")
class JointMinibatchDiscrimination(keras.layers.Layer):
    """Appends to each row of a joint batch how close it is to the real and to the generated rows.

    For N = 2B rows, B real ones first:

        M[n,k,d] = sum_i x[n,i] W[i,k,d] + b[k,d]
        e[n,k,j] = exp(-sum_d |M[n,k,d] - M[j,k,d]|), and 0 for j = n
        f1[n,k]  = sum over j < B of e[n,k,j] / S,   f2[n,k] = sum over j >= B / S
        output   = concat(x, f1, f2)

    S = B (2B - 1) is the number of pairs with a partner in one half, over all rows: the original
    divides by the sum of the whole mask. Large problems are computed in tiles, as in
    `MinibatchDiscrimination`, so that memory does not grow as N^2 K D.

    Args:
        num_kernels: K, positive.
        dim_per_kernel: D, positive.

    Input: (N, I), N even. Output: (N, I + 2K). Weights: `kernel` (I, K D), N(0, .02) at first,
    and `bias` (K D,), 0 at first.

    Raises:
        ValueError: another rank, an unknown number of features, an odd number of rows, a K or D
            that is not positive.

    Source: imagenet/discriminator.py, discriminator (d_h, f1, f2).
    """

    def __init__(self, num_kernels, dim_per_kernel, **kwargs):
        super().__init__(**kwargs)
        check_kernels(num_kernels, dim_per_kernel)
        self.num_kernels = num_kernels
        self.dim_per_kernel = dim_per_kernel

    def _check(self, shape):
        if len(shape) != 2 or shape[-1] is None:
            raise ValueError(
                "JointMinibatchDiscrimination needs an input (batch, features) with known "
                f"features, not shape {tuple(shape)}."
            )
        check_joint_batch("JointMinibatchDiscrimination", shape[0])
        return shape

    def build(self, input_shape):
        columns = self.num_kernels * self.dim_per_kernel
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self._check(input_shape)[-1], columns),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.bias = self.add_weight(name="bias", shape=(columns,), initializer="zeros")

    def activations(self, inputs):
        """M as (K, D, N), in float32 at least: distances of close examples need its digits."""
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        m = ops.matmul(ops.cast(inputs, dtype), ops.cast(self.kernel, dtype))
        m = ops.transpose(m + ops.cast(self.bias, dtype))
        return ops.reshape(m, (self.num_kernels, self.dim_per_kernel, batch_size(inputs)))

    def call(self, inputs):
        self._check(inputs.shape)
        f = similarities(self.activations(inputs), groups=2)
        rows = ops.cast(ops.shape(f)[-1], f.dtype)
        f = ops.reshape(ops.transpose(f, (2, 1, 0)), (-1, 2 * self.num_kernels))
        f = f / (0.5 * rows * (rows - 1.0))
        return ops.concatenate([inputs, ops.cast(f, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, features = self._check(input_shape)
        return (batch, features + 2 * self.num_kernels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_kernels": self.num_kernels,
            "dim_per_kernel": self.dim_per_kernel,
        }
