"""Minibatch discrimination (section 3.2)."""

import math
from typing import Any

import keras
from keras import ops

from improved_gan_tf import keras_compat, replicas
from improved_gan_tf.layers.checks import as_floats, check_at_least, check_shape
from improved_gan_tf.layers.data_dependent import DataDependent, check_spread
from improved_gan_tf.layers.similarities import batch_size, mean_nearest, similarities


@keras.saving.register_keras_serializable("improved_gan_tf")
class MinibatchDiscrimination(DataDependent, keras.layers.Layer):
    """Appends to each example how close it is to the others of its batch (section 3.2).

        W[i,k,d] = theta[i,k,d] exp(log_weight_scale[k,d]) / sqrt(sum_i theta[i,k,d]^2)
        M[n,k,d] = sum_i x[n,i] W[i,k,d]
        f[n,k]   = sum over j != n of exp(-sum_d |M[n,k,d] - M[j,k,d]|)
        output   = concat(x, f + bias)

    It couples the examples of a batch: real and generated images must go through it in separate
    batches. `initialize_from_data` sets log_weight_scale so that the mean distance to the nearest
    neighbour is 2 for every kernel, and the bias so that the features have mean 0. Large problems
    are computed in tiles, so that memory does not grow as N^2 K D (D6). On a replica of a
    `tf.distribute` strategy, which sees only N of the R N examples of a batch, the sum over its own
    examples is multiplied by (R N - 1) / (N - 1), so that its expectation is the sum over the whole
    batch (D23).

    Args:
        num_kernels: K, the number of features to append (the paper's B), an integer from 1.
        dim_per_kernel: D, the dimensions in which they measure distances (the paper's C), an
            integer from 1, 5 by default.
        theta_stddev: The standard deviation of theta's normal initial values, 0.05 by default.

    Input: (N, ...) of rank 2 or more, flattened to (N, I). Output: (N, I + K). Weights: `theta`
    (I, K, D), `log_weight_scale` (K, D), 0 at first, and `bias` (K,), -1 at first.
    Raises: `ValueError` for K or D below 1, or an unknown dimension after the batch.
    Source: mnist_svhn_cifar10/nn.py, MinibatchLayer.

    Example:
    >>> tuple(MinibatchDiscrimination(100)(np.ones((8, 250))).shape)
    (8, 350)
    """

    couples_examples: bool = True

    def __init__(
        self, num_kernels: int, dim_per_kernel: int = 5, theta_stddev: float = 0.05, **kwargs: Any
    ):
        super().__init__(**kwargs)
        check_at_least(1, num_kernels=num_kernels, dim_per_kernel=dim_per_kernel)
        self.num_kernels = num_kernels
        self.dim_per_kernel = dim_per_kernel
        self.theta_stddev = theta_stddev

    def _num_features(self, input_shape):
        features = tuple(input_shape[1:])
        expected = "an input of rank 2 or more with known dimensions after the batch"
        holds = len(features) > 0 and None not in features
        check_shape("MinibatchDiscrimination", input_shape, expected, holds)
        return math.prod(features)

    def build(self, input_shape: tuple) -> None:
        kernels = (self.num_kernels, self.dim_per_kernel)
        self.theta = self.add_weight(
            name="theta",
            shape=(self._num_features(input_shape), *kernels),
            initializer=keras.initializers.RandomNormal(stddev=self.theta_stddev),
        )
        self.log_weight_scale = self.add_weight(
            name="log_weight_scale", shape=kernels, initializer="zeros"
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.num_kernels,),
            initializer=keras.initializers.Constant(-1.0),
        )

    def _projections(self, x):
        """M as (K, D, N), in float32 at least: distances of close examples need its digits."""
        dtype = keras.backend.result_type(x.dtype, "float32")
        theta, scale = ops.cast(self.theta, dtype), ops.cast(self.log_weight_scale, dtype)
        w = theta * (ops.exp(scale) * ops.rsqrt(ops.sum(ops.square(theta), axis=0)))
        columns = self.num_kernels * self.dim_per_kernel
        m = ops.matmul(ops.cast(x, dtype), ops.reshape(w, (-1, columns)))
        return ops.reshape(ops.transpose(m), (self.num_kernels, self.dim_per_kernel, batch_size(x)))

    def call(self, inputs: Any) -> Any:
        x = as_floats(self, inputs)
        x = ops.reshape(x, (batch_size(x), self._num_features(x.shape)))
        if self.initializing:
            self.set_from_data(x)
        f = ops.transpose(similarities(self._projections(x))[:, 0])
        if replicas.count() > 1:
            others, own = (n * batch_size(x) - 1 for n in (replicas.count(), 1))
            f = f * ops.cast(others / ops.maximum(own, 1), f.dtype)
        f = ops.cast(f + ops.cast(self.bias, f.dtype), x.dtype)
        return ops.concatenate([x, f], axis=-1)

    def set_from_data(self, inputs: Any) -> None:
        """log_weight_scale[k] <- . - log(mean_n min_j distance / 2), bias <- -mean_n f."""
        m = self._projections(inputs)
        scale = check_spread(self, 0.5 * mean_nearest(m))
        f = similarities(m / scale[:, None, None])[:, 0]
        with keras_compat.variables_as_stored(self):
            self.log_weight_scale.assign(
                self.log_weight_scale
                - ops.cast(ops.expand_dims(ops.log(scale), -1), self.log_weight_scale.dtype)
            )
            self.bias.assign(ops.cast(-ops.mean(f, axis=-1), self.bias.dtype))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (input_shape[0], self._num_features(input_shape) + self.num_kernels)

    def get_config(self) -> dict[str, Any]:
        names = ("num_kernels", "dim_per_kernel", "theta_stddev")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
