"""Similarities between the examples of a batch, for both kinds of minibatch discrimination.

The original holds N K D N numbers at once. Here distances are summed dimension by dimension over
tiles of kernels and examples, and computed again in the backward pass (D6).
"""

import math
from collections.abc import Callable
from typing import Any

from keras import ops

# Distances in a tile, times dimensions. Up to the first figure (64 MiB in float32) all is one tile;
# a larger problem is cut into tiles of the second (16 MiB, of which several are at work at once).
_ONE_TILE = 2**24
_TILE = 2**22


def similarities(m: Any, groups: int = 1) -> Any:
    """f[k,g,n] = sum over j in group g, j != n, of exp(-sum_d |m[k,d,n] - m[k,d,j]|).

    The backward pass computes the distances again instead of keeping N N numbers per kernel. With
    G[n,j] = -(df[n, group of j] + df[j, group of n]) exp(-distance[n,j]), by the symmetry of n and
    j, dm[d,n] = sum_j G[n,j] sign(m[d,n] - m[d,j]).

    Args:
        m: The projections, a float tensor (K, D, N).
        groups: The number of equal parts of the batch, in order, an integer; 1 by default.

    Returns:
        A float tensor (K, groups, N).
    """

    def forward(part, everything, first):
        return _sums(ops.exp(-_distances(part[0], everything[0], first)), groups)

    def backward(part, everything, first):
        (part_m, part_df), (all_m, df) = part, everything
        g = -_pulls(part_df, df, first, groups) * ops.exp(-_distances(part_m, all_m, first))
        sums = [
            ops.sum(g * ops.sign(part_m[:, d, :, None] - all_m[:, d, None, :]), axis=-1)
            for d in range(all_m.shape[1])
        ]
        return ops.stack(sums, axis=1)

    @ops.custom_gradient
    def sums(m):
        def grad(*args, upstream=None):
            return _over_tiles(backward, m, args[0] if upstream is None else upstream)

        return _over_tiles(forward, m), grad

    return sums(m)


def mean_nearest(m: Any) -> Any:
    """mean_n min_{j != n} distance[n,j] of each kernel: (K, D, N) -> (K,)."""

    def minimum(part, everything, first):
        return ops.min(_distances(part[0], everything[0], first), axis=-1)

    return ops.mean(_over_tiles(minimum, m), axis=-1)


def batch_size(x: Any) -> Any:
    """N as an integer where it is known, so that the tiles can be chosen by it."""
    return x.shape[0] if x.shape[0] is not None else ops.shape(x)[0]


def _distances(part, m, first):
    """sum_d |part[k,d,n] - m[k,d,j]| + 1e6 [n = j]: (k, r, N).

    `part` holds the r examples of the batch m from number `first` on. The sum runs dimension by
    dimension, so that nothing of size k r N D ever exists. exp(-1e6) is 0: no similarity to itself.
    """
    n = first + ops.arange(ops.shape(part)[-1])
    same = ops.equal(n[:, None], ops.arange(ops.shape(m)[-1])[None, :])
    total = 1e6 * ops.cast(same, m.dtype)
    for d in range(m.shape[1]):
        total = total + ops.abs(part[:, d, :, None] - m[:, d, None, :])
    return total


def _tile_sizes(kernels: int, dims: int, batch: int | None) -> tuple[int, int | None]:
    """(kernels, examples) of a tile; None for all of an unknown batch.

    The kernels are a divisor of K. The examples need not be one of N: they are as few as the number
    of tiles allows, so that the last tile repeats fewer than there are tiles.
    """
    if batch is None:
        return 1, None
    if kernels * dims * batch**2 <= _ONE_TILE:
        return kernels, batch
    fitting = [k for k in range(1, kernels + 1) if kernels % k == 0]
    k = max(k for k in fitting if k == 1 or k * dims * batch**2 <= _TILE)
    columns = math.ceil(batch / max(1, _TILE // (dims * batch)))
    return k, batch if k > 1 else math.ceil(batch / columns)


def _over_tiles(function: Callable, m: Any, *others: Any) -> Any:
    """Puts `function(part, everything, first)` of every tile together.

    `function` takes two lists of arrays, of the tile's examples and of the whole batch, from m
    (K, D, N) and from `others` (K, ..., N), and the number of the tile's first example. It returns
    (k, ..., r); together they are (K, ..., N).
    """
    kernels, dims, batch = m.shape
    k, r = _tile_sizes(kernels, dims, batch)
    arrays = (m, *others)
    if (k, r) == (kernels, batch):
        return function(arrays, arrays, 0)
    size = batch if batch is not None else ops.shape(m)[-1]
    rows: Any = size if r is None else r
    columns = 1 if r is None else math.ceil(batch / r)
    blocks = [ops.reshape(a, (kernels // k, k, *ops.shape(a)[1:])) for a in arrays]

    def tile(t):
        everything = [ops.take(block, t // columns, axis=0) for block in blocks]
        if columns == 1:
            return function(everything, everything, 0)
        first = ops.minimum(t % columns * rows, size - rows)
        part = [
            ops.slice(a, (*[0] * (len(a.shape) - 1), first), (*a.shape[:-1], rows))
            for a in everything
        ]
        return function(part, everything, first)

    result = ops.map(tile, ops.arange(kernels // k * columns))
    inner = tuple(result.shape[2:-1])
    result = ops.reshape(result, (kernels // k, columns, k, *inner, rows))
    result = ops.moveaxis(result, 1, -2)
    if columns == 1:
        return ops.reshape(result, (kernels, *inner, size))
    result = ops.reshape(result, (kernels, *inner, columns * rows))
    last = size - (columns - 1) * rows  # what the last tile holds that the one before it does not
    return ops.concatenate([result[..., : size - last], result[..., -last:]], axis=-1)


def _sums(e, groups):
    """Sums of e (k, r, N) over each of `groups` equal parts of the columns: (k, groups, r)."""
    shape = ops.shape(e)
    parts = ops.reshape(e, (shape[0], shape[1], groups, -1))
    return ops.moveaxis(ops.sum(parts, axis=-1), -1, 1)


def _pulls(part_df, df, first, groups):
    """df[n, group of j] + df[j, group of n], (k, r, N), for the examples n from `first` on.

    The gradients of the sums are (k, groups, r) in `part_df` and (k, groups, N) in `df`.
    """
    if groups == 1:
        return part_df[:, 0, :, None] + df
    batch = ops.shape(df)[-1]
    group = ops.arange(batch) // (batch // groups)
    part_group = (first + ops.arange(ops.shape(part_df)[-1])) // (batch // groups)
    to = ops.take(ops.moveaxis(part_df, 1, -1), group, axis=-1)
    return to + ops.take(df, part_group, axis=1)
