"""Batch normalisation by the statistics of some rows of a joint batch, real rows first.

Source: imagenet/ops.py: batch_norm, batch_norm_first_half, batch_norm_second_half,
batch_norm_cross. With m and v the mean and the population variance, per channel, of x[rows] over
rows, height and width, for all rows of x

    y = gamma (x - m) / sqrt(v + 1e-5) + beta.

`rows` is a slice: all of them, the first or the second half. There are no running averages.
"""

import numpy as np

EPSILON = 1e-5


def _normalised(x, rows):
    """h = (x - m) / d, and d."""
    axes = tuple(range(x.ndim - 1))
    mean = x[rows].mean(axes)
    d = np.sqrt(np.square(x[rows] - mean).mean(axes) + EPSILON)
    return (x - mean) / d, d


def forward(x, gamma, beta, rows=slice(None)):
    """x: (N, C) or (N, H, W, C); gamma, beta: (C,)."""
    return gamma * _normalised(x, rows)[0] + beta


def gradients(x, gamma, beta, upstream, rows=slice(None)):
    """Gradients of sum(forward(...) * upstream), through the statistics: keys x, gamma, beta.

    With a = gamma upstream, sums over all but the channels and M members of the counted rows,

        dm = -sum(a) / d,    d(d) = -sum(a h) / d,    dd/dx = h / M on the counted rows,

    so that  dx = a / d - [counted] (sum(a) + h sum(a h)) / (M d).
    """
    h, d = _normalised(x, rows)
    axes = tuple(range(x.ndim - 1))
    a = gamma * upstream
    members = h[rows].size / h.shape[-1]
    x_gradient = a / d
    x_gradient[rows] -= (a.sum(axes) + h[rows] * (a * h).sum(axes)) / (members * d)
    return {"x": x_gradient, "gamma": (upstream * h).sum(axes), "beta": upstream.sum(axes)}


def _halves(x):
    """The rows and the channels that belong together: the first half of both, and the second."""
    rows, channels = len(x) // 2, x.shape[-1] // 2
    first, second = slice(0, rows), slice(rows, None)
    return (first, slice(0, channels)), (second, slice(channels, None))


def cross_forward(x, gamma, beta):
    """The first half of the channels by the first half of the rows, the second by the second.

    gamma, beta: (C,), the two halves (gamma0, gamma1 of the original) one after the other.
    """
    return np.concatenate(
        [forward(x[..., c], gamma[c], beta[c], rows) for rows, c in _halves(x)], axis=-1
    )


def cross_gradients(x, gamma, beta, upstream):
    """As `gradients`: the two halves of the channels have nothing to do with each other."""
    found = [
        gradients(x[..., c], gamma[c], beta[c], upstream[..., c], rows) for rows, c in _halves(x)
    ]
    return {key: np.concatenate([half[key] for half in found], axis=-1) for key in found[0]}
