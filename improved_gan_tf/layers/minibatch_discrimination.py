"""Minibatch discrimination (section 3.2)."""

import keras
from keras import ops

# Elements of one [kernels, N, N] block of pairwise distances: 16 MiB in float32.
_BLOCK_ELEMENTS = 2**22


def _distances(m):
    """sum_d |M[n,k,d] - M[j,k,d]| + 1e6 [n = j], for m (k, D, N): (k, N, N).

    The sum runs dimension by dimension, so that nothing of size k N N D ever exists. 1e6 removes
    the example's similarity to itself: exp(-1e6) is 0.
    """
    total = 1e6 * ops.eye(ops.shape(m)[-1], dtype=m.dtype)
    for d in range(m.shape[1]):
        total = total + ops.abs(m[:, d, :, None] - m[:, d, None, :])
    return total


@ops.custom_gradient
def _block_similarities(m):
    """f = sum_j exp(-distance) for a block of kernels m (k, D, N): (k, N).

    The backward pass computes the distances again instead of keeping D times N N numbers a
    kernel. With G[n,j] = -(df[n] + df[j]) exp(-distance[n,j]), by the symmetry of n and j,
    dM[n,d] = sum_j G[n,j] sign(M[n,d] - M[j,d]).
    """

    def grad(*args, upstream=None):
        df = args[0] if upstream is None else upstream
        g = -(df[:, :, None] + df[:, None, :]) * ops.exp(-_distances(m))
        parts = [
            ops.sum(g * ops.sign(m[:, d, :, None] - m[:, d, None, :]), axis=-1)
            for d in range(m.shape[1])
        ]
        return ops.stack(parts, axis=1)

    return ops.sum(ops.exp(-_distances(m)), axis=-1), grad


def _nearest(m):
    """mean_n min_j distance[n,j] for a block of kernels m (k, D, N): (k,)."""
    return ops.mean(ops.min(_distances(m), axis=-1), axis=-1)


def _by_blocks(function, m):
    """`function` over the kernels of m (K, D, N), as many at once as one block of memory holds."""
    kernels, dims, batch = m.shape[0], m.shape[1], m.shape[2]
    block = 1
    if batch is not None:
        fitting = (n for n in range(1, kernels + 1) if kernels % n == 0)
        block = max(n for n in fitting if n == 1 or n * batch * batch <= _BLOCK_ELEMENTS)
    if block == kernels:
        return function(m)
    blocks = ops.reshape(m, (kernels // block, block, dims, -1 if batch is None else batch))
    result = ops.map(function, blocks)
    return ops.reshape(result, (kernels, *ops.shape(result)[2:]))


@keras.saving.register_keras_serializable("improved_gan_tf")
class MinibatchDiscrimination(keras.layers.Layer):
    """Appends to each example how close it is to the others of its batch.

        W[i,k,d] = theta[i,k,d] exp(log_weight_scale[k,d]) / sqrt(sum_i theta[i,k,d]^2)
        M[n,k,d] = sum_i x[n,i] W[i,k,d]
        f[n,k]   = sum over j != n of exp(-sum_d |M[n,k,d] - M[j,k,d]|)
        output   = concat(x, f + bias)

    It couples the examples of a batch: real and generated images must go through it in separate
    batches. Memory grows as N^2 times a block of kernels, not as N^2 K D.

    Args:
        num_kernels: K (the paper's B), positive.
        dim_per_kernel: D (the paper's C), positive.
        theta_stddev: standard deviation of theta's normal initial values.

    Input: (N, ...) of rank 2 or more, flattened to (N, I). Output: (N, I + K).

    Raises:
        ValueError: a rank below 2, an unknown feature dimension, a K or D that is not positive.

    Source: mnist_svhn_cifar10/nn.py, MinibatchLayer.
    """

    def __init__(self, num_kernels, dim_per_kernel=5, theta_stddev=0.05, **kwargs):
        super().__init__(**kwargs)
        if num_kernels < 1 or dim_per_kernel < 1:
            raise ValueError(
                "num_kernels and dim_per_kernel must be at least 1, "
                f"not {num_kernels!r} and {dim_per_kernel!r}."
            )
        self.num_kernels = num_kernels
        self.dim_per_kernel = dim_per_kernel
        self.theta_stddev = theta_stddev
        self._initializing = False

    def _num_features(self, input_shape):
        features = input_shape[1:]
        if not features or None in features:
            raise ValueError(
                "MinibatchDiscrimination needs an input of rank 2 or more with known dimensions "
                f"after the batch, not shape {tuple(input_shape)}."
            )
        size = 1
        for n in features:
            size *= n
        return size

    def build(self, input_shape):
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
        return ops.reshape(
            ops.transpose(m), (self.num_kernels, self.dim_per_kernel, _batch_size(x))
        )

    def call(self, inputs):
        x = ops.reshape(inputs, (_batch_size(inputs), self._num_features(inputs.shape)))
        if self._initializing:
            self._set_scale_and_bias(x)
        f = ops.transpose(_by_blocks(_block_similarities, self._projections(x)))
        f = ops.cast(f + ops.cast(self.bias, f.dtype), x.dtype)
        return ops.concatenate([x, f], axis=-1)

    def _set_scale_and_bias(self, x):
        """log_weight_scale[k] <- . - log(mean_n min_j distance / 2), bias <- -mean_n f."""
        m = self._projections(x)
        scale = 0.5 * _by_blocks(_nearest, m)
        self.log_weight_scale.assign(
            self.log_weight_scale
            - ops.cast(ops.expand_dims(ops.log(scale), -1), self.log_weight_scale.dtype)
        )
        f = _by_blocks(_block_similarities, m / scale[:, None, None])
        self.bias.assign(ops.cast(-ops.mean(f, axis=-1), self.bias.dtype))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self._num_features(input_shape) + self.num_kernels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_kernels": self.num_kernels,
            "dim_per_kernel": self.dim_per_kernel,
            "theta_stddev": self.theta_stddev,
        }


def _batch_size(x):
    """N as an integer where it is known, so that the memory of a block can be chosen by it."""
    return x.shape[0] if x.shape[0] is not None else ops.shape(x)[0]
