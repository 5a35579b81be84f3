"""Density and coverage of generated images: precision and recall that are robust to outliers.

Each real image is the center of a ball whose radius is the distance to its k-th nearest neighbor
among the other real images.

    density  = 1/k mean_j #{real balls that g_j lies in}
    coverage = mean_i 1[some generated image lies in the ball of r_i]

A real outlier has a large ball. A generated image that lies in this ball alone counts fully for
precision, whereas for density it lies in only one of many balls. Images from the real distribution
have a density of 1 on average and a coverage of 1 - prod_{i=1}^{k} (M - i) / (N + M - i), which is
0.97 for k = 5 and N = M.

Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020. A point on the
boundary of a ball does not belong to it, as in the authors' package prdc, whose values are equal.
"""

from typing import Any

import numpy as np

from improved_gan_tf.metrics.neighbours import Counted, count_memberships

NEIGHBOURS = 5  # the paper's k


def density_coverage(
    generated: Any, real: Any, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Density and coverage of the features of generated images.

    Args:
        generated: Features of the generated images, an array (N, F) of floats.
        real: Those of the real images, (M, F), by the same classifier.
        neighbours: k, an integer from 1. Defaults to 5, as in the paper.

    Returns:
        `(density, coverage)`, floats; the density is at least 0, and above 1 where generated images
        crowd among the real ones; the coverage lies in 0..1.

    Raises:
        UserError: Features of different sizes, fewer images than k + 1, or values that are not
            finite.

    Example: from the same distribution.

    >>> real, generated = np.random.default_rng(0).normal(size=(2, 500, 4))
    >>> density, coverage = density_coverage(generated, real)
    >>> 0.9 < density < 1.1 and coverage > 0.94
    True
    """
    found = count_memberships(generated, real, [DensityCoverage(neighbours)])
    return found["density"], found["coverage"]


class DensityCoverage(Counted):
    """Both, from blocks of distances; see `neighbours.Counted`."""

    figures = ("density", "coverage")
    generated_balls = False

    def begin(self, generated: np.ndarray, real: np.ndarray) -> None:
        self._real = real
        self._images = self._balls = 0
        self._covered = np.zeros(len(real), bool)

    def update(self, rows: slice, squared: np.ndarray) -> None:
        inside = squared < self._real
        self._images += len(inside)
        self._balls += int(np.count_nonzero(inside))
        self._covered |= inside.any(axis=0)

    def result(self) -> tuple[float, ...]:
        density = self._balls / self._images / self.neighbours
        return density, float(self._covered.mean())
