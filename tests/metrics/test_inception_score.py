"""The score, FID, KID and statistics against the original's recorded numbers, definitions written
out, and torch-fidelity."""

import warnings

import numpy as np
import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.inception_score import (
    best_fraction,
    image_scores_from_logits,
    log_softmax,
    score_from_logits,
    score_from_probabilities,
    warn_if_few,
)
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
    assert best_fraction([1.0, 3.0, 2.0], 1e-12).tolist() == [1]
    with pytest.raises(UserError, match="scores hold NaN"):
        best_fraction([1.0, np.nan, 2.0], 0.5)
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


def test_the_index_names_the_cases():
    from tests.helpers.golden import imagenet_index

    assert {f"big/{name}" for name in BIG} <= set(imagenet_index()["i_inception_score"]["hyper"])
