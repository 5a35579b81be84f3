"""The running average of the parameters, in closed form.

Source: `disc_avg_updates` of the training scripts: a <- a + 1e-4 (p - a) from a = 0, where p is
the parameter from before the step that runs beside it.
"""

import numpy as np


def average(history, rate):
    """a after the parameters p_0, ..., p_{T-1}: sum_t rate (1 - rate)^(T - 1 - t) p_t."""
    steps = len(history)
    weights = rate * (1 - rate) ** np.arange(steps - 1, -1, -1)
    return np.tensordot(weights, np.asarray(history), axes=1)


def debiased(history, rate):
    """The same weights scaled to sum to 1: a / (1 - (1 - rate)^T)."""
    return average(history, rate) / (1 - (1 - rate) ** len(history))
