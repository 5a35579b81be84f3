"""Activations and their derivatives, as the original code defines them (nn.py: relu, lrelu)."""

import numpy as np


def softplus(x):
    """log(1 + exp x) = max(x, 0) + log1p(exp(-|x|)), which neither overflows nor loses digits.

    Theano's softplus, which the recordings contain, returns exactly x above 16 in float64, up to
    1.1e-7 less than this one (D5).
    """
    x = np.asarray(x, float)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x):
    """1 / (1 + exp(-x)), computed through the exponential that cannot overflow."""
    x = np.asarray(x, float)
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


# name: (f(x), f'(x)). At 0 the derivative is the right-hand one for relu and the left-hand one for
# the leaky relu; the recordings have no value there (D3).
ACTIVATIONS = {
    "identity": (lambda x: x, np.ones_like),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x >= 0).astype(float)),
    "lrelu": (lambda x: np.maximum(x, 0.2 * x), lambda x: np.where(x > 0, 1.0, 0.2)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    "softplus": (softplus, sigmoid),
}
