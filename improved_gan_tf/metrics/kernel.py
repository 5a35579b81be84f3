"""KID, the kernel Inception distance between the features of two sets of images.

KID = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j), the
unbiased squared MMD, as a mean over random subsets, with one of the kernels

    polynomial: k(x, y) = (x.y / F + 1)^3
    rbf:        k(x, y) = exp(-|x - y|^2 / (2 sigma^2))

Binkowski et al., "Demystifying MMD GANs", 2018, whose KID has the polynomial kernel. Both are equal
to torch-fidelity's metric_kid.py.
"""

from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError, check_whole
from improved_gan_tf.metrics.pairs import comparable
from improved_gan_tf.metrics.seeds import check_seed

SEED = 2020  # torch-fidelity's default
KERNELS = ("polynomial", "rbf")
SIGMA = 10.0  # of the kernel "rbf"; torch-fidelity's default


def kernel_distance(
    features_1: Any,
    features_2: Any,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = SEED,
    kernel: str = "polynomial",
    sigma: float = SIGMA,
) -> tuple[float, float]:
    """The kernel distance between two sets of features, in float64.

    Args:
        features_1: Array (N, F) of floats; `features_2` (M, F).
        subsets: Integer, the number of pairs of subsets that are drawn. Defaults to 100.
        subset_size: Integer, the images in each, without repetition. Defaults to 1,000.
        seed: Integer for `numpy.random.RandomState`, which draws from the first and the second set
            in turn. Defaults to 2020. Both as in torch-fidelity.
        kernel: "polynomial" (default) or "rbf".
        sigma: Float above 0, the width of the kernel "rbf". Defaults to 10.

    Returns:
        `(mean, std)` over the subsets, two floats. A mean can be slightly negative.

    Raises:
        UserError: There are fewer images than a subset takes, features of different sizes, values
            that are not finite, or subsets or a seed that are no such integers.

    Example:

    >>> features = np.random.default_rng(0).normal(size=(200, 8))
    >>> mean, std = kernel_distance(features, features + 1.0, subsets=5, subset_size=50)
    >>> mean > 3 * std
    True
    """
    features_1, features_2 = comparable(features_1, features_2)
    check_kernel(kernel, sigma)
    check_subsets(min(len(features_1), len(features_2)), subsets, subset_size, seed)
    rng = np.random.RandomState(seed)
    found = np.empty(subsets)
    for i in range(subsets):
        x = features_1[rng.choice(len(features_1), subset_size, replace=False)]
        y = features_2[rng.choice(len(features_2), subset_size, replace=False)]
        found[i] = _mmd2(x.astype(np.float64), y.astype(np.float64), kernel, sigma)
    return float(found.mean()), float(found.std())


def check_subsets(count: int, subsets: int, subset_size: int, seed: int) -> None:
    """Raises `UserError` unless such subsets can be drawn from `count` images."""
    check_whole("KID's number of subsets", subsets)
    check_whole("the size of KID's subsets", subset_size, 2)
    check_seed("KID's seed", seed)
    if count < subset_size:
        raise UserError(
            f"KID subsets of {subset_size} images cannot be drawn from {count}; give more images "
            "or smaller subsets (kid_subset_size, --kid-subset-size)"
        )


def check_kernel(kernel: str, sigma: float) -> None:
    """Raises `UserError` unless there is such a kernel."""
    if kernel not in KERNELS:
        raise UserError(f"there is no kernel {kernel!r}; choose from {', '.join(KERNELS)}")
    if not sigma > 0:
        raise UserError(f"sigma, the width of the kernel, is above 0, not {sigma}")


def _mmd2(x: np.ndarray, y: np.ndarray, kernel: str, sigma: float) -> float:
    n = len(x)

    def of(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if kernel == "polynomial":
            return (a @ b.T / a.shape[1] + 1.0) ** 3
        lengths = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)
        return np.exp((2.0 * (a @ b.T) - lengths) / (2.0 * sigma**2))

    def different(a: np.ndarray) -> float:
        k = of(a, a)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    return different(x) + different(y) - 2.0 * of(x, y).mean()
