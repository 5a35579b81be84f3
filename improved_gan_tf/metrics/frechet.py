"""FID, the Frechet Inception distance between the features of two sets of images.

FID = |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), m and C the features' mean and covariance.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
2017. Equal to torch-fidelity's metric_fid.py.
"""

import warnings
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.pairs import comparable

ROUNDING = 1e-5  # of a covariance's largest value: float32 files of singular covariances


def is_symmetric(covariance: np.ndarray) -> bool:
    """Whether a matrix (F, F) is symmetric but for float32's rounding, as a covariance is."""
    apart = np.abs(covariance - covariance.T)
    return bool(apart.max(initial=0) <= ROUNDING * np.abs(covariance).max(initial=0))


def frechet_distance(mean_1: Any, covariance_1: Any, mean_2: Any, covariance_2: Any) -> float:
    """The Frechet distance between two normal distributions, in float64.

    The trace of (C1 C2)^(1/2) is the sum of the singular values of C1^(1/2) C2^(1/2), since their
    squares are the eigenvalues of C1 C2. So nothing becomes complex, and singular covariances
    (fewer images than features) need no added diagonal: the eigenvalues of the product itself,
    which other programs take, carry rounding errors whose roots are 1e-8 each and together about
    1e-6 of such a distance.

    Args:
        mean_1: Array (F,), the mean of the first distribution; `mean_2` that of the second.
        covariance_1: Array (F, F), its covariance; `covariance_2` that of the second.

    Raises:
        UserError: The shapes do not fit, values are not finite, or a covariance is not symmetric.

    Example:

    >>> frechet_distance([0.0, 3.0], np.eye(2), [4.0, 0.0], np.eye(2))
    25.0
    """
    mean_1, covariance_1, mean_2, covariance_2 = (
        np.asarray(array, np.float64) for array in (mean_1, covariance_1, mean_2, covariance_2)
    )
    shape = (len(mean_1),) * 2
    if mean_1.shape != mean_2.shape or not covariance_1.shape == covariance_2.shape == shape:
        raise UserError(
            f"statistics of {covariance_1.shape} and {covariance_2.shape} features cannot be "
            "compared; both must come from the same classifier"
        )
    if not all(np.isfinite(a).all() for a in (mean_1, mean_2, covariance_1, covariance_2)):
        raise UserError("the statistics hold values that are not finite; compute them again")
    if not (is_symmetric(covariance_1) and is_symmetric(covariance_2)):
        raise UserError("a covariance is symmetric, and one of these is not; compute it again")
    return _distance(mean_1, _root(covariance_1), mean_2, _root(covariance_2))


def frechet_distance_of_features(features_1: Any, features_2: Any) -> float:
    """The same between the mean and covariance (divided by N - 1) of two sets of features.

    Of fewer images than features, as there are of one class, their number decides what it costs.

    Args:
        features_1: Array (N, F) of floats, N at least 2; `features_2` (M, F).

    Raises:
        UserError: Features of different sizes, fewer than 2 images, or values that are not finite.

    Example:

    >>> features = np.random.default_rng(0).normal(size=(50, 80))
    >>> round(frechet_distance_of_features(features, features + 2.0), 6)
    320.0
    """
    moments = []
    for features in comparable(features_1, features_2):
        if len(features) < 2:
            raise UserError(f"{len(features)} images have no covariance; give 2 or more")
        mean = features.mean(axis=0, dtype=np.float64)
        centered = (features - mean) / np.sqrt(len(features) - 1)
        few = len(features) <= features.shape[1]  # (N - 1) C = A^T A: A^T is a root
        moments += [mean, centered.T if few else _root(centered.T @ centered)]
    return _distance(*moments)


def warn_if_singular(count: int | None, num_features: int, name: str = "FID") -> None:
    """Warns where `count` images (None: unknown) cannot determine the features' covariance."""
    if count is not None and count < num_features:
        warnings.warn(
            f"{name} from {count} images, fewer than the {num_features} features: the covariance "
            "is singular and the distance biased upwards; compare it only with that of as many",
            stacklevel=3,
        )


def _distance(mean_1: Any, root_1: Any, mean_2: Any, root_2: Any) -> float:
    """Of means (F,) and roots R (F, n) of the covariances: R R^T, whose trace is sum R^2."""
    import scipy.linalg

    shared = scipy.linalg.svdvals(root_1.T @ root_2).sum()
    difference = mean_1 - mean_2
    traces = sum(np.einsum("ij,ij->", root, root) for root in (root_1, root_2))
    return float(difference @ difference + traces - 2 * shared)


def _root(covariance: np.ndarray) -> np.ndarray:
    """R (F, rank) with R R^T = covariance; eigenvalues that are rounding errors count as 0.

    The symmetric root is R times a matrix with orthonormal rows, so that the product of two roots
    has the singular values of R1^T R2.
    """
    import scipy.linalg

    values, vectors = scipy.linalg.eigh(covariance)
    kept = values > 10 * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])
