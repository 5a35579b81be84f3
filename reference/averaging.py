"""The running average of the parameters, in closed form.

Source: `disc_avg_updates` of the training scripts: a <- a + 1e-4 (p - a), starting from a = 0,
where p is the parameter before the training step that runs at the same time.
"""

import numpy as np


def average(history, rate):
    """The average of the parameters p_0, ..., p_{T-1}: sum_t rate (1 - rate)^(T - 1 - t) p_t."""
    steps = len(history)
    weights = rate * (1 - rate) ** np.arange(steps - 1, -1, -1)
    return np.tensordot(weights, np.asarray(history), axes=1)


def debiased(history, rate):
    """The average divided by the sum of its weights, 1 - (1 - rate)^T (D10)."""
    return average(history, rate) / (1 - (1 - rate) ** len(history))
