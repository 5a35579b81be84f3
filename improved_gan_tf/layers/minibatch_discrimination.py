"""Minibatch discrimination (section 3.2)."""

import keras
from keras import ops

# Distances in a tile, times dimensions. Up to the first figure (64 MiB in float32) all is one tile;
# a larger problem is cut into tiles of the second (16 MiB, of which several are at work at once).
_ONE_TILE = 2**24
_TILE = 2**22


def _distances(rows, m, first):
    """sum_d |M[n,k,d] - M[j,k,d]| + 1e6 [n = j]: (k, r, N), of the rows `first`, `first` + 1, ...

    Args:
        rows: M of r examples, (k, D, r); m: M of all N, (k, D, N). The sum runs dimension by
            dimension, so that nothing of size k r N D ever exists. 1e6 removes the example's
            similarity to itself: exp(-1e6) is 0.
    """
    n = first + ops.arange(ops.shape(rows)[-1])
    same = ops.equal(n[:, None], ops.arange(ops.shape(m)[-1])[None, :])
    total = 1e6 * ops.cast(same, m.dtype)
    for d in range(m.shape[1]):
        total = total + ops.abs(rows[:, d, :, None] - m[:, d, None, :])
    return total


def _tile_sizes(kernels, dims, batch):
    """(kernels, rows) of a tile: divisors of K and N; rows None for all of an unknown batch."""
    if batch is None:
        return 1, None
    if kernels * dims * batch**2 <= _ONE_TILE:
        return kernels, batch
    fitting = [k for k in range(1, kernels + 1) if kernels % k == 0]
    k = max(k for k in fitting if k == 1 or k * dims * batch**2 <= _TILE)
    divisors = [r for r in range(1, batch + 1) if batch % r == 0]
    r = max(r for r in divisors if r == 1 or r * dims * batch <= _TILE)
    return k, batch if k > 1 else r


def _over_tiles(function, m, *others):
    """Puts `function(rows, all, first)` of every tile together.

    Args:
        function: takes lists of the tile's rows and of all rows, of m and of `others`, and the
            number of the first row; returns (k, ..., r).
        m: (K, D, N). others: (K, ..., N).

    Returns:
        (K, ..., N).
    """
    kernels, dims, batch = m.shape
    k, r = _tile_sizes(kernels, dims, batch)
    arrays = (m, *others)
    if (k, r) == (kernels, batch):
        return function(arrays, arrays, 0)
    size = batch if batch is not None else ops.shape(m)[-1]
    columns = 1 if r is None else batch // r
    blocks = [ops.reshape(a, (kernels // k, k, *ops.shape(a)[1:])) for a in arrays]

    def tile(t):
        everything = [ops.take(block, t // columns, axis=0) for block in blocks]
        if columns == 1:
            return function(everything, everything, 0)
        first = t % columns * r
        rows = [
            ops.slice(a, (*[0] * (len(a.shape) - 1), first), (*a.shape[:-1], r)) for a in everything
        ]
        return function(rows, everything, first)

    result = ops.map(tile, ops.arange(kernels // k * columns))
    inner = tuple(result.shape[2:-1])
    result = ops.reshape(result, (kernels // k, columns, k, *inner, size if r is None else r))
    result = ops.moveaxis(result, 1, -2)
    return ops.reshape(result, (kernels, *inner, size))


def _sums(e, groups):
    """Sums of e (k, r, N) over each of `groups` equal parts of the columns: (k, groups, r)."""
    shape = ops.shape(e)
    parts = ops.reshape(e, (shape[0], shape[1], groups, -1))
    return ops.moveaxis(ops.sum(parts, axis=-1), -1, 1)


def _pulls(df_rows, df, first, groups):
    """df[n, group of j] + df[j, group of n], (k, r, N), for the rows n from `first` on.

    Args:
        df_rows: gradients of the rows' sums, (k, groups, r); df: of all, (k, groups, N).
    """
    if groups == 1:
        return df_rows[:, 0, :, None] + df
    batch = ops.shape(df)[-1]
    group = ops.arange(batch) // (batch // groups)
    group_rows = (first + ops.arange(ops.shape(df_rows)[-1])) // (batch // groups)
    to = ops.take(ops.moveaxis(df_rows, 1, -1), group, axis=-1)
    return to + ops.take(df, group_rows, axis=1)


def similarities(m, groups=1):
    """f[g,n,k] = sum over j in group g, j != n, of exp(-distance[n,j]).

    The backward pass computes the distances again instead of keeping N N numbers a kernel. With
    G[n,j] = -(df[n, group of j] + df[j, group of n]) exp(-distance[n,j]), by the symmetry of n and
    j, dM[n,d] = sum_j G[n,j] sign(M[n,d] - M[j,d]).

    Args:
        m: M as (K, D, N).
        groups: number of equal parts of the batch, in order; it divides N.

    Returns:
        (K, groups, N).
    """

    def forward(rows, everything, first):
        return _sums(ops.exp(-_distances(rows[0], everything[0], first)), groups)

    def backward(rows, everything, first):
        (rows, df_rows), (all_m, df) = rows, everything
        g = -_pulls(df_rows, df, first, groups) * ops.exp(-_distances(rows, all_m, first))
        parts = [
            ops.sum(g * ops.sign(rows[:, d, :, None] - all_m[:, d, None, :]), axis=-1)
            for d in range(all_m.shape[1])
        ]
        return ops.stack(parts, axis=1)

    @ops.custom_gradient
    def sums(m):
        def grad(*args, upstream=None):
            return _over_tiles(backward, m, args[0] if upstream is None else upstream)

        return _over_tiles(forward, m), grad

    return sums(m)


def _nearest(m):
    """mean_n min_j distance[n,j], for m (K, D, N): (K,)."""

    def minimum(rows, everything, first):
        return ops.min(_distances(rows[0], everything[0], first), axis=-1)

    return ops.mean(_over_tiles(minimum, m), axis=-1)


@keras.saving.register_keras_serializable("improved_gan_tf")
class MinibatchDiscrimination(keras.layers.Layer):
    """Appends to each example how close it is to the others of its batch.

        W[i,k,d] = theta[i,k,d] exp(log_weight_scale[k,d]) / sqrt(sum_i theta[i,k,d]^2)
        M[n,k,d] = sum_i x[n,i] W[i,k,d]
        f[n,k]   = sum over j != n of exp(-sum_d |M[n,k,d] - M[j,k,d]|)
        output   = concat(x, f + bias)

    It couples the examples of a batch: real and generated images must go through it in separate
    batches. Large problems are computed in tiles, so that memory does not grow as N^2 K D.

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
        check_kernels(num_kernels, dim_per_kernel)
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
        return ops.reshape(ops.transpose(m), (self.num_kernels, self.dim_per_kernel, batch_size(x)))

    def call(self, inputs):
        x = ops.reshape(inputs, (batch_size(inputs), self._num_features(inputs.shape)))
        if self._initializing:
            self._set_scale_and_bias(x)
        f = ops.transpose(similarities(self._projections(x))[:, 0])
        f = ops.cast(f + ops.cast(self.bias, f.dtype), x.dtype)
        return ops.concatenate([x, f], axis=-1)

    def _set_scale_and_bias(self, x):
        """log_weight_scale[k] <- . - log(mean_n min_j distance / 2), bias <- -mean_n f."""
        m = self._projections(x)
        scale = 0.5 * _nearest(m)
        self.log_weight_scale.assign(
            self.log_weight_scale
            - ops.cast(ops.expand_dims(ops.log(scale), -1), self.log_weight_scale.dtype)
        )
        f = similarities(m / scale[:, None, None])[:, 0]
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


def check_kernels(num_kernels, dim_per_kernel):
    """Refuses sizes that make no features."""
    if num_kernels < 1 or dim_per_kernel < 1:
        raise ValueError(
            "num_kernels and dim_per_kernel must be at least 1, "
            f"not {num_kernels!r} and {dim_per_kernel!r}."
        )


def batch_size(x):
    """N as an integer where it is known, so that the tiles can be chosen by it."""
    return x.shape[0] if x.shape[0] is not None else ops.shape(x)[0]
