"""The generators' batch normalization: with a bias, usually without a gain, then the activation.

Source: mnist_svhn_cifar10/nn.py, BatchNormLayer and batch_norm. The wrapped layer loses its bias
and its activation; both come after the normalization.
"""

import numpy as np

from .activations import ACTIVATIONS

EPSILON, MOMENTUM = 1e-6, 0.9


def _moments(x):
    axes = tuple(range(x.ndim - 1))
    mean = np.mean(x, axis=axes)
    return mean, np.mean(np.square(x - mean), axis=axes)


def forward(x, b, g=1.0, activation="identity"):
    """f(g (x - m) / sqrt(1e-6 + v) + b) with the batch's mean m and population variance v.

    x: (N, C) or (N, H, W, C); the statistics are per channel. b, g: (C,).
    """
    mean, variance = _moments(x)
    return deterministic(x, mean, variance, b, g, activation)


def deterministic(x, mean, variance, b, g=1.0, activation="identity"):
    """The same with given statistics, such as the running ones."""
    return ACTIVATIONS[activation][0](g * (x - mean) / np.sqrt(EPSILON + variance) + b)


def running_update(x, running_mean, running_variance):
    """The running statistics after a batch. They start at 0 and 1.

        mean <- 0.9 mean + 0.1 m,    variance <- 0.9 variance + 0.1 N / (N - 1) v

    N is the *batch size alone*, also for images, where an unbiased estimate would count the pixels
    too.
    """
    mean, variance = _moments(x)
    n = x.shape[0]
    return (
        MOMENTUM * running_mean + (1 - MOMENTUM) * mean,
        MOMENTUM * running_variance + (1 - MOMENTUM) * n / (n - 1) * variance,
    )


def gradients(x, b, upstream, g=1.0, activation="identity"):
    """Gradients of sum(forward(...) * upstream), through the statistics: keys x, b, g.

    With h = (x - m) / s, s = sqrt(1e-6 + v), delta at the pre-activation, c = g delta and means
    over all axes but the channels:  dx = (c - mean c - h mean(c h)) / s.
    """
    mean, variance = _moments(x)
    s = np.sqrt(EPSILON + variance)
    h = (x - mean) / s
    delta = upstream * ACTIVATIONS[activation][1](g * h + b)
    axes = tuple(range(x.ndim - 1))
    c = g * delta
    x_gradient = (c - c.mean(axes) - h * (c * h).mean(axes)) / s
    return {"x": x_gradient, "b": delta.sum(axes), "g": (delta * h).sum(axes)}
