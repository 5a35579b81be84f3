"""Hand-derived gradients against finite differences."""

import numpy as np


def numeric_gradient(function, x, step=1e-6):
    """Central differences of a scalar function, one entry at a time."""
    gradient = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = (function(up) - function(down)) / (2 * step)
    return gradient


def agree(function, x, gradient):
    # Central differences of step 1e-6 carry about 1e-9 of rounding error over values of order 1.
    np.testing.assert_allclose(gradient, numeric_gradient(function, x), rtol=1e-6, atol=1e-7)
