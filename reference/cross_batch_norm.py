"""Batch normalization of a joint batch, real examples first, by the statistics of some of them.

Source: imagenet/ops.py: batch_norm, batch_norm_first_half, batch_norm_second_half,
batch_norm_cross. With m and v the mean and the population variance, per channel, of x[examples]
over examples, height and width, for all examples of x

    y = gamma (x - m) / sqrt(v + 1e-5) + beta.

`examples` is a slice: all of them, the first or the second half. There are no running averages.
"""

import numpy as np

EPSILON = 1e-5


def _normalized(x, examples):
    """h = (x - m) / d, and d."""
    axes = tuple(range(x.ndim - 1))
    mean = x[examples].mean(axes)
    d = np.sqrt(np.square(x[examples] - mean).mean(axes) + EPSILON)
    return (x - mean) / d, d


def forward(x, gamma, beta, examples=slice(None)):
    """x: (N, C) or (N, H, W, C); gamma, beta: (C,)."""
    return gamma * _normalized(x, examples)[0] + beta


def gradients(x, gamma, beta, upstream, examples=slice(None)):
    """Gradients of sum(forward(...) * upstream), through the statistics: keys x, gamma, beta.

    With a = gamma upstream, sums over all axes but the channels, and M values per channel in the
    counted examples,

        dm = -sum(a) / d,    d(d) = -sum(a h) / d,    dd/dx = h / M on the counted examples,

    so that  dx = a / d - [counted] (sum(a) + h sum(a h)) / (M d).
    """
    h, d = _normalized(x, examples)
    axes = tuple(range(x.ndim - 1))
    a = gamma * upstream
    members = h[examples].size / h.shape[-1]
    x_gradient = a / d
    x_gradient[examples] -= (a.sum(axes) + h[examples] * (a * h).sum(axes)) / (members * d)
    return {"x": x_gradient, "gamma": (upstream * h).sum(axes), "beta": upstream.sum(axes)}


def _halves(x):
    """The examples and the channels that belong together: the first half of both, the second."""
    examples, channels = len(x) // 2, x.shape[-1] // 2
    first, second = slice(0, examples), slice(examples, None)
    return (first, slice(0, channels)), (second, slice(channels, None))


def cross_forward(x, gamma, beta):
    """The first half of the channels by the first half of the examples, the second by the second.

    gamma, beta: (C,), the original's two halves (gamma0, gamma1) concatenated.
    """
    return np.concatenate(
        [forward(x[..., c], gamma[c], beta[c], part) for part, c in _halves(x)], axis=-1
    )


def cross_gradients(x, gamma, beta, upstream):
    """As `gradients`; the two halves of the channels are independent of each other."""
    found = [
        gradients(x[..., c], gamma[c], beta[c], upstream[..., c], part) for part, c in _halves(x)
    ]
    return {key: np.concatenate([half[key] for half in found], axis=-1) for key in found[0]}
