"""FID and KID: how far the features of two sets of images are apart."""

import warnings

import numpy as np

from improved_gan_tf.errors import UserError


def frechet_distance(mean_1, covariance_1, mean_2, covariance_2):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), the FID of Heusel et al. 2017.

    The trace of the square root is the sum of the singular values of C1^(1/2) C2^(1/2), since
    their squares are the eigenvalues of C1 C2. So nothing becomes complex, and singular covariances
    (fewer images than features) need no added diagonal: eigenvalues of the product itself, as
    other programs take them, carry rounding errors whose roots are 1e-8 each and together some
    1e-6 of such a distance. Float64 throughout.

    Args:
        mean_1, mean_2: (F,).
        covariance_1, covariance_2: (F, F).

    Raises:
        UserError: shapes that do not fit, values that are not finite.
    """
    mean_1, mean_2 = np.asarray(mean_1, np.float64), np.asarray(mean_2, np.float64)
    covariance_1 = np.asarray(covariance_1, np.float64)
    covariance_2 = np.asarray(covariance_2, np.float64)
    shape = (len(mean_1),) * 2
    if mean_1.shape != mean_2.shape or not covariance_1.shape == covariance_2.shape == shape:
        raise UserError(
            f"statistics of {covariance_1.shape} and {covariance_2.shape} features cannot be "
            "compared; both must come from the same classifier"
        )
    if not all(np.isfinite(a).all() for a in (mean_1, mean_2, covariance_1, covariance_2)):
        raise UserError("the statistics hold values that are not finite; compute them again")
    import scipy.linalg

    trace = scipy.linalg.svdvals(_root(covariance_1).T @ _root(covariance_2)).sum()
    difference = mean_1 - mean_2
    return float(
        difference @ difference + np.trace(covariance_1) + np.trace(covariance_2) - 2 * trace
    )


def _root(covariance):
    """R of (F, rank) with R R^T = covariance; eigenvalues that are rounding errors count as 0.

    The symmetric root is R times a matrix with orthonormal rows, so that products of two of them
    have the singular values of R1^T R2.
    """
    import scipy.linalg

    values, vectors = scipy.linalg.eigh(covariance)
    kept = values > 10 * np.finfo(np.float64).eps * max(values[-1], 0.0)
    return vectors[:, kept] * np.sqrt(values[kept])


def warn_if_singular(n, features):
    """Warns where n images cannot determine a covariance of that many features."""
    if n is not None and n < features:
        warnings.warn(
            f"FID from {n} images, fewer than the {features} features: the covariance is singular "
            "and the distance biased upwards; compare it only with distances of as many",
            stacklevel=3,
        )


def kernel_distance(features_1, features_2, subsets=100, subset_size=1000, seed=2020):
    """(mean, std) of KID over random subsets: the unbiased MMD^2 with the kernel (x.y / F + 1)^3.

    Binkowski et al. 2018: mean over pairs of different rows within either set, minus twice the mean
    over all pairs across. Slightly negative values are possible. Float64.

    Args:
        features_1, features_2: (N, F), (M, F).
        subsets: how many pairs of subsets are drawn.
        subset_size: rows of each, without repetition.
        seed: of numpy.random.RandomState, which draws from the first and the second set in turn,
            as in torch-fidelity (whose default seed this is).

    Raises:
        UserError: fewer rows than a subset takes; other numbers of features; not finite.
    """
    features_1, features_2 = np.asarray(features_1), np.asarray(features_2)
    if features_1.ndim != 2 or features_1.shape[1:] != features_2.shape[1:]:
        raise UserError(
            f"features of shape {features_1.shape} and {features_2.shape} cannot be compared; "
            "both must come from the same classifier"
        )
    if subsets < 1 or subset_size < 2:
        raise UserError(
            f"KID takes 1 subset or more of 2 rows or more, not {subsets} of {subset_size}"
        )
    fewest = min(len(features_1), len(features_2))
    if fewest < subset_size:
        raise UserError(
            f"KID subsets of {subset_size} images cannot be drawn from {fewest}; give more images "
            "or smaller subsets (--kid-subset-size)"
        )
    rng = np.random.RandomState(seed)
    found = np.empty(subsets)
    for i in range(subsets):
        x = features_1[rng.choice(len(features_1), subset_size, replace=False)]
        y = features_2[rng.choice(len(features_2), subset_size, replace=False)]
        found[i] = _mmd2(x.astype(np.float64), y.astype(np.float64))
    if not np.isfinite(found).all():
        raise UserError("the features hold values that are not finite; compute them again")
    return float(found.mean()), float(found.std())


def _mmd2(x, y):
    n = len(x)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1.0) ** 3

    def different(a):
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    return different(x) + different(y) - 2.0 * kernel(x, y).mean()
