"""Statistics of features: in batches, in files, of other programs; and what is refused."""

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.kernel import kernel_distance
from improved_gan_tf.metrics.statistics import Statistics
from tests.helpers.features import random_features


def test_statistics_in_batches_equal_those_of_all():
    # Far from 0, where sums of squares would cancel.
    x = random_features(3, 1300, 24, np.float32) + np.float32(50)
    statistics = Statistics(24, kept=2000)
    for start in range(0, 1300, 37):
        statistics.update(x[start : start + 37])
    x64 = x.astype(np.float64)
    np.testing.assert_allclose(statistics.mean, x64.mean(0), rtol=1e-13)
    covariance = np.cov(x64, rowvar=False)
    np.testing.assert_allclose(
        statistics.covariance, covariance, rtol=1e-9, atol=1e-12 * abs(covariance).max()
    )
    assert statistics.count == 1300
    np.testing.assert_array_equal(statistics.features, x)


def test_statistics_files(tmp_path):
    a, b = Statistics(8, "c", kept=100), Statistics(8, "c", kept=100)
    a.update(random_features(1, 90, 8)), b.update(random_features(2, 150, 8))
    expected = a.fid(b), a.kid(b, 5, 50)
    path = a.save(tmp_path / "a.npz")
    again = Statistics.load(path)
    assert (again.fid(b), again.kid(b, 5, 50)) == expected
    assert again.count == 90 and again.classifier == "c"
    # The sample of more rows than are kept: distinct rows of the data.
    assert len(b.features) == 100 and len(np.unique(b.features, axis=0)) == 100
    # Another program's file.
    np.savez(tmp_path / "other.npz", mu=a.mean, sigma=a.covariance)
    other = Statistics.load(tmp_path / "other.npz")
    np.testing.assert_allclose(other.fid(b), expected[0], rtol=1e-9)
    with pytest.raises(UserError, match="hold no features, which all but FID need"):
        other.kid(b)
    with pytest.raises(UserError, match="cannot be compared"):
        Statistics(8, "d").fid(b)


def test_spatial_statistics(tmp_path):
    """In a file of ours, and in one of guided diffusion's."""
    features, places = random_features(1, 90, 8), random_features(2, 90, 5)
    a, b = Statistics(8, num_spatial=5), Statistics(8, num_spatial=5)
    a.update(features, places), b.update(features[::-1] + 1, places[:60] * 2)
    again = Statistics.load(a.save(tmp_path / "a.npz"))
    assert again.sfid(b) == pytest.approx(a.sfid(b), rel=1e-12) and a.sfid(b) != a.fid(b)
    names = {"mu": a.mean, "sigma": a.covariance}
    moments = {"mu_s": a.spatial.mean, "sigma_s": a.spatial.covariance}
    np.savez(tmp_path / "theirs.npz", arr_0=np.zeros(3), **names, **moments)
    assert Statistics.load(tmp_path / "theirs.npz").sfid(b) == pytest.approx(a.sfid(b), rel=1e-12)
    np.savez(tmp_path / "plain.npz", **names)
    with pytest.raises(UserError, match="hold no spatial features, which sFID needs"):
        Statistics.load(tmp_path / "plain.npz").sfid(b)
    with pytest.raises(UserError, match="5 features. cannot be compared with those by .* .4"):
        c = Statistics(8, num_spatial=4)
        c.update(features, places[:, :4])
        c.sfid(b)


def test_statistics_refusals(tmp_path):
    with pytest.raises(UserError, match="no such statistics file"):
        Statistics.load(tmp_path / "absent.npz")
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match="is no file of statistics"):
        Statistics.load(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", images=np.zeros(3))
    with pytest.raises(UserError, match="expected an .npz with mu and sigma"):
        Statistics.load(tmp_path / "y.npz")
    with pytest.raises(UserError, match="2 or more"):
        one = Statistics(4)
        one.update(np.zeros((1, 4)))
        _ = one.covariance
    few = Statistics(8)
    few.update(random_features(1, 7, 8))
    with pytest.warns(UserWarning, match="fewer than the 8 features"):
        few.fid(few)
    with pytest.raises(UserError, match="KID subsets of 1000 images cannot be drawn from 7"):
        kernel_distance(np.zeros((7, 8)), np.zeros((7, 8)))


NOTES = np.frombuffer(b'{"classifier": 3}', np.uint8)


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"sigma": -np.eye(3)}, "negative eigenvalues"),
        ({"sigma": np.diag([1.0, 2.0, -0.1])}, "negative eigenvalues"),
        ({"sigma": np.eye(3) * (1 + 1j)}, "sigma of type complex128; expected real numbers"),
        ({"mu": np.zeros(3, bool)}, "mu of type bool"),
        ({"sigma": np.triu(np.ones((3, 3)))}, "not symmetric"),
        ({"sigma": np.eye(4)}, r"mu \(3,\), sigma \(4, 4\)"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, r"mu \(0,\)"),
        ({"mu": np.array([0, np.nan, 0])}, "mu holds values that are not finite"),
        ({"sigma": np.eye(3) * 1e200}, "sigma holds values that are not finite"),
        ({"mu_s": np.zeros(2)}, "sigma_s is missing"),
        ({"mu_s": np.zeros(2), "sigma_s": -np.eye(2)}, "sigma_s has negative eigenvalues"),
        ({"mu_s": np.zeros(2), "sigma_s": np.eye(3)}, r"mu_s \(2,\), sigma_s \(3, 3\)"),
        ({"count": np.int64(1)}, "count is no number of images, 2 or more"),
        ({"count": np.array([5.5])}, "count is no number"),
        ({"count": np.array([5, 6])}, "count is no number"),
        ({"features": np.zeros((4, 2), "f4"), "seen": np.int64(4)}, r"features \(4, 2\) float32"),
        ({"features": np.full((4, 3), 1e60), "seen": np.int64(4)}, "features that are not finite"),
        ({"features": np.zeros((4, 3), "f4"), "seen": np.int64(3)}, "fewer images seen"),
        ({"features": np.zeros((4, 3), "f4")}, "fewer images seen"),
        ({"logits": np.zeros((4, 5), "f4")}, r"logits \(4, 5\) float32; expected floats \(None"),
        ({"logits": np.full((4, 5), np.nan), "count": np.int64(4)}, "logits that are not finite"),
        ({"about": NOTES}, "notes are not those of statistics"),
        ({"about": np.frombuffer(b"[" * 99999, np.uint8)}, "notes are no JSON"),
    ],
)
def test_statistics_of_no_distribution_are_refused(tmp_path, changes, reason):
    np.savez(tmp_path / "a.npz", **{"mu": np.zeros(3), "sigma": np.eye(3), **changes})
    with pytest.raises(UserError, match=f"is no file of statistics .*{reason}.*; expected an .npz"):
        Statistics.load(tmp_path / "a.npz")


def test_covariances_that_rounding_made_a_little_negative_are_read(tmp_path):
    """Of fewer images than features, in float32."""
    x = random_features(5, 20, 64, np.float64)
    np.savez(tmp_path / "a.npz", mu=x.mean(0), sigma=np.cov(x, rowvar=False).astype(np.float32))
    assert Statistics.load(tmp_path / "a.npz").fid(Statistics.load(tmp_path / "a.npz")) < 1e-3
