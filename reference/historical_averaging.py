"""Historical averaging, section 3.3 of the paper: || theta - (1/t) sum_{i=1..t} theta[i] ||^2.

The mean is taken over all past values at once, not online.
"""

import numpy as np


def penalty(theta, past, weight):
    """The penalty of one variable; `past` is the list of theta[1], ..., theta[t], t >= 1."""
    return weight * np.sum((theta - np.mean(past, axis=0)) ** 2)


def gradient(theta, past, weight):
    """Its gradient with respect to theta, the past being constant."""
    return 2 * weight * (theta - np.mean(past, axis=0))
