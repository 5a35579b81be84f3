"""Weight normalization with data-dependent initialization.

Source: mnist_svhn_cifar10/nn.py, WeightNormLayer and weight_norm; with epsilon 0 also the older
DenseLayer of MNIST, whose weight_scale is g. l2normalize is `forward` with a trained g and without
the initialization.
"""

import numpy as np

from .activations import ACTIVATIONS


def _other_axes(v, output_axis):
    return tuple(i for i in range(v.ndim) if i != output_axis % v.ndim)


def _along(vector, v, output_axis):
    shape = [1] * v.ndim
    shape[output_axis] = -1
    return np.reshape(vector, shape)


def kernel(v, g, epsilon=1e-6, output_axis=-1):
    """w = g v / sqrt(epsilon + sum v^2), with the sum over all axes but the output channels."""
    square = np.sum(np.square(v), axis=_other_axes(v, output_axis))
    return v * _along(g / np.sqrt(epsilon + square), v, output_axis)


def kernel_gradients(v, g, upstream, epsilon=1e-6, output_axis=-1):
    """Gradients of sum(kernel(v, g) * upstream) with respect to v and g.

    With s = epsilon + sum v^2:  dg = (upstream . v) / sqrt(s)
                                 dv = g / sqrt(s) (upstream - v (upstream . v) / s)
    """
    axes = _other_axes(v, output_axis)
    s = epsilon + np.sum(np.square(v), axis=axes)
    inner = np.sum(upstream * v, axis=axes)
    scale, share = (_along(a, v, output_axis) for a in (g / np.sqrt(s), inner / s))
    return scale * (upstream - v * share), inner / np.sqrt(s)


def forward(linear, x, v, g, b, activation="identity", epsilon=1e-6):
    """f(linear(x, w) + b): the bias and the activation come after the normalized linear map.

    Args:
        linear: Dense, Convolution or TransposedConvolution of `reference.convolution`.
        x: The input, channels last.
        v: The direction of the kernel, in the layout of `linear`.
        g: The scale, (out,).
        b: The bias, (out,).
        activation: A name in `reference.activations.ACTIVATIONS`.
        epsilon: The constant under the root.
    """
    w = kernel(v, g, epsilon, linear.output_axis)
    return ACTIVATIONS[activation][0](linear.forward(x, w) + b)


def gradients(linear, x, v, g, b, upstream, activation="identity", epsilon=1e-6):
    """Gradients of sum(forward(...) * upstream): a dict with the keys x, v, g, b."""
    w = kernel(v, g, epsilon, linear.output_axis)
    delta = upstream * ACTIVATIONS[activation][1](linear.forward(x, w) + b)
    x_gradient, w_gradient = linear.gradients(x, w, delta)
    v_gradient, g_gradient = kernel_gradients(v, g, w_gradient, epsilon, linear.output_axis)
    b_gradient = np.sum(delta, axis=tuple(range(delta.ndim - 1)))
    return {"x": x_gradient, "v": v_gradient, "g": g_gradient, "b": b_gradient}


def initialize(linear, x, v, g, activation="identity", initial_stddev=1.0, epsilon=1e-6):
    """The data-dependent initialization (D4). Returns (output, new g, new b).

    With y = linear(x, w), m its mean and s its population standard deviation over all axes but
    the channels (no epsilon):  inv = initial_stddev / s,  g <- g inv,  b <- -m inv,  so that the
    pre-activation has mean 0 and standard deviation `initial_stddev`. The old b is not used, and
    g changes whether or not it is trained.
    """
    y = linear.forward(x, kernel(v, g, epsilon, linear.output_axis))
    axes = tuple(range(y.ndim - 1))
    m = np.mean(y, axis=axes)
    inv = initial_stddev / np.sqrt(np.mean(np.square(y - m), axis=axes))
    return ACTIVATIONS[activation][0]((y - m) * inv), g * inv, -m * inv
