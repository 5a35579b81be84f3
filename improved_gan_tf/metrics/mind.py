"""MIND, the Monge Inception distance: how far apart two sets of features are along random lines.

MIND = 3 F mean_u mean_i (sort(X u)_i - sort(Y u)_i)^2, u random directions of length 1: on a line
the cheapest transport pairs the values in their order, so that this is the sliced 2-Wasserstein
distance, squared, times 3 F. Two sets that differ by a shift m have 3 |m|^2. Unlike FID it looks at
whole distributions and not at mean and covariance alone.

Berthet et al., "MIND: Monge Inception Distance for Generative Models Evaluation", 2026. Equal to
metric_mind.py of torch-fidelity 0.5, including its random draws (`torch_draws.py`): if the sets
differ in size, the larger one is randomly subsampled to the size of the smaller one.
"""

from typing import Any

import numpy as np

from improved_gan_tf.errors import check_whole
from improved_gan_tf.metrics import torch_draws
from improved_gan_tf.metrics.pairs import BLOCK, comparable
from improved_gan_tf.metrics.seeds import check_seed

PROJECTIONS = 1000  # torch-fidelity's default
SEED = 2020  # likewise


def monge_distance(
    features_1: Any, features_2: Any, projections: int = PROJECTIONS, seed: int = SEED
) -> float:
    """The Monge Inception distance between two sets of features.

    Args:
        features_1: Array (N, F) of floats; `features_2` (M, F).
        projections: Integer, the number of random directions. Defaults to 1,000.
        seed: Integer, the seed of the directions, and of the part of the larger set. Defaults to
            2020. Both as in torch-fidelity.

    Returns:
        A float, 0 for the same features.

    Raises:
        UserError: Features of different sizes, no direction, or values that are not finite.

    Example: a shift by 1 in each of 16 features is 3 * 16.

    >>> features = np.random.default_rng(0).normal(size=(500, 16))
    >>> 0.9 < monge_distance(features, features + 1.0) / 48 < 1.1
    True
    """
    features_1, features_2 = comparable(features_1, features_2)
    check_directions(projections, seed)
    rng = torch_draws.generator(seed)
    n = min(len(features_1), len(features_2))
    features_1, features_2 = (
        x if len(x) == n else x[torch_draws.permutation(rng, len(x))[:n]]
        for x in (features_1, features_2)
    )
    x, y = (side.astype(np.float32, copy=False) for side in (features_1, features_2))
    directions = torch_draws.normal(rng, projections, x.shape[1])
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), np.float32(1e-12))
    total, step = 0.0, max(1, BLOCK // (8 * n))  # of projections at a time, of both sides
    for start in range(0, projections, step):
        block = directions[start : start + step]
        apart = np.sort(block @ x.T, axis=1) - np.sort(block @ y.T, axis=1)
        total += np.einsum("ij,ij->", apart, apart, dtype=np.float64)
    return float(3.0 * x.shape[1] * total / (n * projections))


def check_directions(projections: int, seed: int) -> None:
    """Raises `UserError` unless there is a direction, and a seed to draw it."""
    check_whole("MIND's number of random directions", projections)
    check_seed("MIND's seed", seed)
