"""The score, FID, KID and statistics against the original's recorded numbers, definitions written
out, and torch-fidelity."""

import json
import warnings

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.frechet import frechet_distance
from improved_gan_tf.metrics.inception_score import (
    best_fraction,
    image_scores_from_logits,
    log_softmax,
    score_from_logits,
    score_from_probabilities,
    warn_if_few,
)
from improved_gan_tf.metrics.kernel import kernel_distance
from improved_gan_tf.metrics.statistics import Statistics
from reference import inception_score as oracle
from tests.helpers.torch_fidelity_peer import peer

BIG = {
    "peaked": (11, 1000, 4.0),
    "flat": (12, 1000, 0.3),
    "unit": (13, 1000, 1.0),
    "odd_n": (14, 1003, 3.0),
    "odd_n2": (15, 997, 6.0),
}


def _recorded(golden):
    return golden("imagenet/i_inception_score")


def _logits(name):
    seed, n, scale = BIG[name]
    return np.random.RandomState(seed).standard_normal((n, 1008)) * scale


@pytest.mark.parametrize("name", BIG)
def test_big_cases_of_the_original(golden, name):
    recorded = _recorded(golden)
    logits = _logits(name)
    p = oracle.softmax(logits)
    np.testing.assert_allclose(p[0, :8], recorded[f"big/{name}/P_row0_first8"], rtol=1e-6)
    # The original in float64 does the same operations in another order.
    for found in (score_from_logits(logits), score_from_probabilities(p)):
        np.testing.assert_allclose(found, recorded[f"big/{name}/score64"], rtol=1e-10, atol=1e-12)
    # Its float32 run rounds every term to 6e-8 of it; the deviation over parts keeps that error.
    found = score_from_probabilities(p.astype(np.float32))
    expected = recorded[f"big/{name}/score"]
    np.testing.assert_allclose(found, expected, rtol=1e-5 if name != "flat" else 1e-4, atol=2e-6)
    found = score_from_probabilities(p.astype(np.float32), splits=1)
    expected = recorded[f"big/{name}/score_splits1"]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-9)


def test_small_cases_of_the_original(golden):
    recorded = _recorded(golden)
    for name, splits in (("n57", 10), ("n40", 4)):
        p = recorded[f"small/{name}/P"]
        # P is float32, and so was the original's arithmetic: 6e-8 of the parts' scores (2 to 5),
        # which the deviation, 20 times smaller, carries in full.
        found = score_from_probabilities(p, splits)
        np.testing.assert_allclose(found, recorded[f"small/{name}/score"], rtol=2e-6, atol=5e-7)


def test_where_the_original_gives_nan(golden):
    """A probability of 0 is taken at the limit 0 log 0 = 0 unless the original's NaN is asked for;
    fewer images than parts are an error."""
    recorded = _recorded(golden)
    p = recorded["small/one_hot/P"]
    assert np.isnan(recorded["small/one_hot/score"]).all()
    assert np.isnan(score_from_probabilities(p, 2, zeros="nan")).all()
    mean, std = score_from_probabilities(p, 2)
    # One-hot rows: exp(H(class frequencies)) of each part, at most the number of classes.
    halves = [part.astype(float).mean(0) for part in (p[:12], p[12:])]
    expected = [np.exp(-(q[q > 0] * np.log(q[q > 0])).sum()) for q in halves]
    np.testing.assert_allclose([mean, std], [np.mean(expected), np.std(expected)], atol=1e-12)
    assert np.isnan(recorded["small/n7_splits10/score"]).all()
    with pytest.raises(UserError, match="7 images cannot be split into 10 parts"):
        score_from_probabilities(recorded["small/n7_splits10/P"], 10)


def test_logits_so_far_apart_that_float32_gives_nan():
    logits = np.where(np.eye(20) > 0, 500.0, 0.0).astype(np.float32)
    with np.errstate(divide="ignore"):
        assert np.isnan(oracle.inception_score(oracle.softmax(logits.astype("f4")), 1)[0])
    # 20 certain, different classes: exactly 20, to the rounding of float64.
    np.testing.assert_allclose(score_from_logits(logits, 1), (20.0, 0.0), rtol=1e-12)


def test_score_does_not_depend_on_a_shift_of_the_logits_nor_on_the_order_of_rows_in_a_part():
    logits = np.random.default_rng(0).normal(size=(60, 7))
    expected = score_from_logits(logits, 3)
    np.testing.assert_allclose(score_from_logits(logits + 800.0, 3), expected, rtol=1e-11)
    mixed = logits.reshape(3, 20, 7)[:, ::-1].reshape(60, 7)
    np.testing.assert_allclose(score_from_logits(mixed, 3), expected, rtol=1e-12)
    np.testing.assert_allclose(log_softmax(logits), np.log(oracle.softmax(logits)), atol=1e-12)


def test_shuffle_is_a_permutation_of_the_rows():
    logits = np.random.default_rng(1).normal(size=(1031, 5)) * 3
    order = np.random.RandomState(2020).permutation(1031)
    expected = oracle.inception_score(oracle.softmax(logits[order]), 10)
    np.testing.assert_allclose(score_from_logits(logits, 10, 2020), expected, rtol=1e-12)


def test_score_equals_torch_fidelity():
    import_torch = pytest.importorskip("torch")
    metric = peer("metric_isc")
    logits = np.random.default_rng(2).normal(size=(503, 1008)).astype(np.float32) * 4
    for shuffle in (False, True):
        found = metric.isc_features_to_metric(import_torch.from_numpy(logits), 10, shuffle, 2020)
        expected = found["inception_score_mean"], found["inception_score_std"]
        ours = score_from_logits(logits, 10, 2020 if shuffle else None)
        np.testing.assert_allclose(ours, expected, rtol=1e-9)  # both float64


def test_image_scores_and_the_best():
    logits = np.random.default_rng(3).normal(size=(700, 9)) * 2
    scores = image_scores_from_logits(logits)
    p = oracle.softmax(logits)
    expected = (p * np.log(p / p.mean(0))).sum(1)
    np.testing.assert_allclose(scores, expected, rtol=1e-10)
    # Together they make the score with one part.
    np.testing.assert_allclose(np.exp(scores.mean()), score_from_logits(logits, 1)[0], rtol=1e-12)
    best = best_fraction(scores, 0.01)
    assert len(best) == 7 and set(best) == set(np.argsort(scores)[-7:])
    assert (np.diff(scores[best]) <= 0).all()
    assert best_fraction(np.zeros(5), 0.5).tolist() == [0, 1, 2]
    for fraction in (0.0, 1.5):
        with pytest.raises(UserError, match="fraction"):
            best_fraction(scores, fraction)


def test_refusals():
    logits = np.zeros((20, 4))
    with pytest.raises(UserError, match="splits"):
        score_from_logits(logits, 0)
    with pytest.raises(UserError, match=r"shape \(20,\)"):
        score_from_logits(logits[:, 0])
    logits[7, 2] = np.nan
    with pytest.raises(UserError, match="image 7 "):
        score_from_logits(logits, 2)
    with pytest.raises(UserError, match="are they logits"):
        score_from_probabilities(np.random.default_rng(0).normal(size=(20, 4)))
    with pytest.warns(UserWarning, match="biased"):
        warn_if_few(49_999)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_few(50_000)


def _features(seed, n=300, f=16, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.gamma(1.0, 0.4, (n, f)) @ rng.uniform(0, 0.3, (f, f)) + 0.1 * seed).astype(dtype)


def test_fid_and_kid_by_their_definitions():
    x, y = _features(1), _features(2)
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
        x, y = _features(1, n, f), _features(2, n, f)
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
    """With C = A^T A, A the centred rows over sqrt(n - 1), the roots of C1 C2's eigenvalues are the
    singular values of A1 A2^T: a small matrix, exact to the last digits. Two formulas, float64."""
    x, y = _features(4, n, 100), _features(5, n + 3, 100)
    a, b = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * root
    found = frechet_distance(x.mean(0), np.cov(x.T), y.mean(0), np.cov(y.T))
    assert found == pytest.approx(expected, rel=1e-9)
    same = frechet_distance(x.mean(0), np.cov(x.T), x.mean(0), np.cov(x.T))
    assert abs(same) < 1e-9 * np.trace(np.cov(x.T))


def test_statistics_in_batches_equal_those_of_all():
    # Far from 0, where sums of squares would cancel.
    x = _features(3, 1300, 24, np.float32) + np.float32(50)
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
    a.update(_features(1, 90, 8)), b.update(_features(2, 150, 8))
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
    with pytest.raises(UserError, match="no features for KID"):
        other.kid(b)
    with pytest.raises(UserError, match="cannot be compared"):
        Statistics(8, "d").fid(b)


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
    few.update(_features(1, 7, 8))
    with pytest.warns(UserWarning, match="fewer than the 8 features"):
        few.fid(few)
    with pytest.raises(UserError, match="KID subsets of 1000 images cannot be drawn from 7"):
        kernel_distance(np.zeros((7, 8)), np.zeros((7, 8)))


def test_the_index_names_the_cases():
    from reference.cases import GOLDEN

    index = json.loads((GOLDEN.parent / "imagenet" / "index.json").read_text())
    assert {f"big/{name}" for name in BIG} <= set(index["i_inception_score"]["hyper"])
