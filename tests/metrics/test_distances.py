"""FID and KID against their definitions written out, and torch-fidelity."""

import numpy as np
import pytest

from improved_gan_tf.metrics.frechet import frechet_distance
from improved_gan_tf.metrics.kernel import kernel_distance
from reference import inception_score as oracle
from tests.helpers.features import random_features
from tests.helpers.one_line import refusal_of
from tests.helpers.torch_fidelity_peer import peer


def test_fid_and_kid_by_their_definitions():
    x, y = random_features(1), random_features(2)
    stats = [(a.mean(0), np.cov(a, rowvar=False)) for a in (x, y)]
    np.testing.assert_allclose(
        frechet_distance(*stats[0], *stats[1]), oracle.frechet_distance(x, y), rtol=1e-9
    )
    assert abs(frechet_distance(*stats[0], *stats[0])) < 1e-10
    x, y = x[:40], y[:40]
    mean, std = kernel_distance(x, y, subsets=3, subset_size=40)
    np.testing.assert_allclose(mean, oracle.kernel_distance(x, y), rtol=1e-9)
    assert std < 1e-12  # every subset is the whole


def test_fid_and_kid_equal_torch_fidelity():
    torch = pytest.importorskip("torch")
    fid, kid = peer("metric_fid"), peer("metric_kid")
    # Fewer images than features as well: singular covariances.
    for n, f in ((300, 16), (60, 80)):
        x, y = random_features(1, n, f), random_features(2, n, f)
        stats = [fid.fid_features_to_statistics(torch.from_numpy(a)) for a in (x, y)]
        expected = fid.fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
        ours = [(s["mu"], s["sigma"]) for s in stats]
        # The peer takes roots of the product's eigenvalues: with singular ones, 1e-8 off each.
        np.testing.assert_allclose(frechet_distance(*ours[0], *ours[1]), expected, rtol=1e-6)
        found = kid.kid_features_to_metric(
            torch.from_numpy(x),
            torch.from_numpy(y),
            kid_subsets=20,
            kid_subset_size=50,
            verbose=False,
        )
        expected = list(found.values())
        np.testing.assert_allclose(kernel_distance(x, y, 20, 50), expected, rtol=1e-9)


@pytest.mark.parametrize("n", (5, 60, 200))
def test_fid_of_singular_covariances(n):
    """With C = A^T A, A the centered rows over sqrt(n - 1), the roots of the eigenvalues of C1 C2
    are the singular values of A1 A2^T: a small matrix, exact to the last digits. Two formulas,
    float64."""
    x, y = random_features(4, n, 100), random_features(5, n + 3, 100)
    a, b = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * root
    found = frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert found == pytest.approx(expected, rel=1e-9)
    same = frechet_distance(x.mean(0), np.cov(x.T), x.mean(0), np.cov(x.T))
    assert abs(same) < 1e-9 * np.trace(np.cov(x.T))


def test_a_covariance_is_symmetric():
    """But for what float32 rounds; eigenvalues of another matrix would be those of a half of it."""
    x = random_features(1, 60, 16)
    mean, covariance = x.mean(0), np.cov(x.T)
    rounded = covariance.astype(np.float32)
    rounded[np.tril_indices(16)] *= np.float32(1 + 1e-6)
    assert abs(frechet_distance(mean, rounded, mean, covariance)) < 1e-5 * np.trace(covariance)
    fails = refusal_of(frechet_distance)
    for sides in ((np.triu(covariance), covariance), (covariance, np.triu(covariance))):
        fails("a covariance is symmetric, and one of these is not", mean, sides[0], mean, sides[1])
