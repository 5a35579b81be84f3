"""Precision, recall, density and coverage by their definitions: every pair, float64."""

import numpy as np


def squared_distances(a, b):
    """|a_i - b_j|^2 from the differences themselves."""
    return np.square(a[:, None] - b[None]).sum(axis=-1)


def squared_radii(x, k):
    """The squared distance of every row to its k-th nearest other one."""
    return np.sort(squared_distances(x, x), axis=1)[:, k]


def precision_recall(generated, real, k):
    """Shares of points in, or on the rim of, some ball of the other side."""
    squared = squared_distances(generated, real)
    precision = (squared <= squared_radii(real, k)).any(axis=1).mean()
    return precision, (squared <= squared_radii(generated, k)[:, None]).any(axis=0).mean()


def density_coverage(generated, real, k):
    """The mean number of real balls about a generated point over k; the share of balls hit."""
    inside = squared_distances(generated, real) < squared_radii(real, k)
    return inside.sum(axis=1).mean() / k, inside.any(axis=0).mean()
