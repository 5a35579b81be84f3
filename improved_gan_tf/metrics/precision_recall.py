"""Precision and recall of generated images: fidelity and diversity apart.

A ball lies about each real image, as far as its k-th nearest other real one, and about each
generated image likewise.

    precision = mean_j 1[g_j lies in the ball of some real image]
    recall    = mean_i 1[r_i lies in the ball of some generated image]

A point on the rim lies in the ball.

Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019.
Equal to torch-fidelity's metric_prc.py.
"""

from typing import Any

import numpy as np

from improved_gan_tf.metrics.neighbours import Counted, count_memberships

NEIGHBOURS = 3  # the paper's k


def precision_recall(
    generated: Any, real: Any, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Precision and recall of the features of generated images.

    Args:
        generated: Features of the generated images, an array (N, F) of floats.
        real: Those of the real images, (M, F), by the same classifier. Exchanged with `generated`,
            precision and recall are exchanged too.
        neighbours: k, an integer from 1. Defaults to 3, as in the paper.

    Returns:
        `(precision, recall)`, two floats in 0..1.

    Raises:
        UserError: Features of different sizes, fewer images than k + 1, or values that are not
            finite.

    Example: a generator that draws one of the real images again and again.

    >>> real = np.random.default_rng(0).normal(size=(200, 8))
    >>> precision, recall = precision_recall(np.tile(real[:1], (100, 1)), real)
    >>> precision, recall < 0.05
    (1.0, True)
    """
    found = count_memberships(generated, real, [PrecisionRecall(neighbours)])
    return found["precision"], found["recall"]


class PrecisionRecall(Counted):
    """Both, from blocks of distances; see `neighbours.Counted`."""

    figures = ("precision", "recall")
    generated_balls = True

    def begin(self, generated: np.ndarray, real: np.ndarray) -> None:
        self._generated, self._real = generated, real
        self._precise = np.zeros(len(generated), bool)
        self._recalled = np.zeros(len(real), bool)

    def update(self, rows: slice, squared: np.ndarray) -> None:
        self._precise[rows] = (squared <= self._real).any(axis=1)
        self._recalled |= (squared <= self._generated[rows, None]).any(axis=0)

    def result(self) -> tuple[float, ...]:
        return float(self._precise.mean()), float(self._recalled.mean())
