"""KID, the kernel Inception distance between the features of two sets of images.

KID = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j), the
unbiased squared MMD with the kernel k(x, y) = (x.y / F + 1)^3, as a mean over random subsets.

Binkowski et al., "Demystifying MMD GANs", 2018. Equal to torch-fidelity's metric_kid.py.
"""

from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError

SEED = 2020  # torch-fidelity's default


def kernel_distance(
    features_1: Any, features_2: Any, subsets: int = 100, subset_size: int = 1000, seed: int = SEED
) -> tuple[float, float]:
    """The kernel distance between two sets of features, in float64.

    Args:
        features_1: Array (N, F) of floats; `features_2` (M, F).
        subsets: Integer, the number of pairs of subsets that are drawn. Defaults to 100.
        subset_size: Integer, the images in each, without repetition. Defaults to 1,000.
        seed: Integer for `numpy.random.RandomState`, which draws from the first and the second set
            in turn. Defaults to 2020. Both as in torch-fidelity.

    Returns:
        `(mean, std)` over the subsets, two floats. A mean can be slightly negative.

    Raises:
        UserError: There are fewer images than a subset takes, features of different sizes, or
            values that are not finite.

    Example:

    >>> features = np.random.default_rng(0).normal(size=(200, 8))
    >>> mean, std = kernel_distance(features, features + 1.0, subsets=5, subset_size=50)
    >>> mean > 3 * std
    True
    """
    features_1, features_2 = np.asarray(features_1), np.asarray(features_2)
    if features_1.ndim != 2 or features_1.shape[1:] != features_2.shape[1:]:
        raise UserError(
            f"features of shape {features_1.shape} and {features_2.shape} cannot be compared; "
            "both must come from the same classifier"
        )
    check_subsets(min(len(features_1), len(features_2)), subsets, subset_size)
    rng = np.random.RandomState(seed)
    found = np.empty(subsets)
    for i in range(subsets):
        x = features_1[rng.choice(len(features_1), subset_size, replace=False)]
        y = features_2[rng.choice(len(features_2), subset_size, replace=False)]
        found[i] = _mmd2(x.astype(np.float64), y.astype(np.float64))
    if not np.isfinite(found).all():
        raise UserError("the features hold values that are not finite; compute them again")
    return float(found.mean()), float(found.std())


def check_subsets(count: int, subsets: int, subset_size: int) -> None:
    """Raises `UserError` unless such subsets can be drawn from `count` images."""
    if subsets < 1 or subset_size < 2:
        raise UserError(
            f"KID takes 1 subset or more of 2 images or more, not {subsets} of {subset_size}"
        )
    if count < subset_size:
        raise UserError(
            f"KID subsets of {subset_size} images cannot be drawn from {count}; give more images "
            "or smaller subsets (kid_subset_size, --kid-subset-size)"
        )


def _mmd2(x: np.ndarray, y: np.ndarray) -> float:
    n = len(x)

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a @ b.T / a.shape[1] + 1.0) ** 3

    def different(a: np.ndarray) -> float:
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    return different(x) + different(y) - 2.0 * kernel(x, y).mean()
