"""Precision, recall, density and coverage: against their definitions, torch-fidelity and prdc."""

import numpy as np
import pytest

from improved_gan_tf import metrics
from improved_gan_tf.metrics import neighbours
from improved_gan_tf.metrics.density_coverage import DensityCoverage
from improved_gan_tf.metrics.figures import PER_CLASS
from improved_gan_tf.metrics.precision_recall import PrecisionRecall
from reference import memberships as oracle
from tests.helpers.features import random_features
from tests.helpers.one_line import refusal_of
from tests.helpers.torch_fidelity_peer import peer


def _all(generated, real, k=3, other=5):
    found = neighbours.count_memberships(
        generated, real, [PrecisionRecall(k), DensityCoverage(other)]
    )
    return [found[name] for name in ("precision", "recall", "density", "coverage")]


@pytest.mark.parametrize("n, m, f, k", [(150, 200, 8, 3), (90, 70, 40, 5), (6, 6, 2, 5)])
def test_by_their_definitions(n, m, f, k):
    real = random_features(1, m, f) + 7  # far from 0, where squares round
    generated = random_features(1, n, f)[::-1] * 1.1 + 7
    expected = [
        *oracle.precision_recall(generated, real, k),
        *oracle.density_coverage(generated, real, k),
    ]
    assert _all(generated, real, k, k) == expected
    assert metrics.precision_recall(generated, real, k) == tuple(expected[:2])
    assert metrics.density_coverage(generated, real, k) == tuple(expected[2:])
    # Exchanged, precision is recall.
    assert metrics.precision_recall(real, generated, k) == tuple(expected[1::-1])


def test_blocks_change_nothing(monkeypatch):
    generated, real = random_features(1, 130), random_features(2, 110)
    whole = _all(generated, real)
    monkeypatch.setattr(neighbours, "BLOCK", 4 * 110 * 16)
    assert len(list(neighbours.blocks(np.float32(generated), np.float32(real)))) == 9
    assert _all(generated, real) == whole


def test_equal_to_torch_fidelity():
    torch = pytest.importorskip("torch")
    generated, real = random_features(3, 300), random_features(2, 250) * 1.2
    found = peer("metric_prc").prc_features_to_metric(
        torch.from_numpy(generated),
        torch.from_numpy(real),
        prc_neighborhood=3,
        prc_batch_size=100,
        save_cpu_ram=False,
        verbose=False,
    )
    expected = found["precision"], found["recall"]
    np.testing.assert_allclose(metrics.precision_recall(generated, real), expected, rtol=1e-6)


def test_equal_to_prdc():
    """The package of density's and coverage's authors."""
    prdc = pytest.importorskip("prdc", reason="the comparison needs prdc (pip install --no-deps)")
    generated, real = random_features(3, 300), random_features(2, 250) * 1.2
    expected = prdc.compute_prdc(real, generated, 5)
    names = ("precision", "recall", "density", "coverage")
    np.testing.assert_allclose(_all(generated, real, 5), [expected[k] for k in names], rtol=1e-9)


def _clusters(seed, n=200, f=8, deviation=1.0):
    """Features in two clusters, each at the same distance from the mean."""
    rng = np.random.default_rng(seed)
    return np.repeat([[1000.0], [-1000.0]], n // 2, axis=0) + deviation * rng.normal(size=(n, f))


@pytest.mark.parametrize("deviation", [1.0, 0.1])
@pytest.mark.parametrize("few", [0, 1], ids=["by products", "one by one"])
def test_small_clusters_far_from_the_mean(monkeypatch, deviation, few):
    """Their distances are a thousandth of the features' lengths, and less."""
    monkeypatch.setattr(neighbours, "_FEW", few)
    monkeypatch.setattr(neighbours, "BLOCK", 4 * 200 * 70)  # three blocks, which end unevenly
    generated, real = _clusters(1, deviation=deviation), _clusters(2, deviation=deviation)
    expected = oracle.density_coverage(generated, real, 5)
    assert min(expected) > 0.5
    expected = [*oracle.precision_recall(generated, real, 3), *expected]
    np.testing.assert_allclose(_all(generated, real), expected, atol=0.01)


def test_the_same_image_is_at_no_distance():
    """Also where its features were computed in another batch, and however many such pairs are."""
    for real in (np.float32(random_features(1, 90, 2048)) + 3, _clusters(1, 90).astype(np.float32)):
        again = real * np.float32(1 + 1e-6)
        some = np.arange(90) // 30
        for other, column in ((real, np.arange(90)), (again, np.arange(90)), (again[some], some)):
            ((_, squared),) = neighbours.blocks(real, other)
            np.testing.assert_array_equal(squared == 0, np.arange(90)[:, None] == column)


def test_a_collapsed_generator():
    """One of the real images many times: precise, without diversity."""
    real = random_features(1, 400, 32)
    precision, recall, density, coverage = _all(np.tile(real[:1], (200, 1)), real)
    assert precision == 1 and recall <= 1 / 400 and coverage < 0.05 and density > 0


def test_outliers():
    """Noise near ten real outliers is all precise, and of little density."""
    rng = np.random.default_rng(0)
    real, outliers = rng.normal(size=(500, 16)), 10 * np.eye(16)[:10]
    noise = np.repeat(0.6 * outliers, 30, axis=0) + 0.1 * rng.normal(size=(300, 16))
    precision, _, density, _ = _all(noise, real, 5)
    assert precision < 0.05 and density < 0.05
    precision, _, density, _ = _all(noise, np.concatenate([real, outliers]), 5)
    assert precision == 1 and density < 0.35


def test_real_images_against_real_ones():
    """The expectations of density and coverage under one distribution."""
    rng = np.random.default_rng(3)
    found = [metrics.density_coverage(*rng.normal(size=(2, 300, 4))) for _ in range(40)]
    density, coverage = np.mean(found, axis=0)
    i = np.arange(1, 6)
    assert density == pytest.approx(1, abs=0.02)
    assert coverage == pytest.approx(1 - np.prod((300 - i) / (600 - i)), abs=0.005)


def test_bad_input():
    x, fails = random_features(1, 10), refusal_of(metrics.precision_recall)
    fails("10 images have no 10 neighbours each; give 11 or more", x, x, 10)
    fails("neighbours must be a whole number from 1 up, not 0", x, x, 0)
    fails("features of shape .10, 16. and .10, 5. cannot be compared", x, x[:, :5])
    fails("not finite", x, np.where(np.arange(16) == 3, np.nan, x))


def test_evaluate_and_files(classifier, pixels, tmp_path):
    """All figures from one pass; again, but for the score, from stored features alone."""
    other = pixels[::-1][:60] // 2
    options = {"metrics": "all", "kid_subset_size": 20, "kid_subsets": 3}
    found = metrics.evaluate(pixels, classifier, reference=other, **options, splits=4)
    assert list(found.figures) == [n for n in metrics.METRICS if n not in ("cmmd", *PER_CLASS)]
    sides = []
    for name, images in (("generated", pixels), ("real", other)):
        kept = metrics.statistics_of(images, classifier=classifier, keep_features="all")
        sides.append(kept.save(tmp_path / f"{name}.npz"))
    features = [metrics.Statistics.load(side).features for side in sides]
    assert [found.figures[name] for name in ("precision", "recall", "density", "coverage")] == (
        [*oracle.precision_recall(*features, 3), *oracle.density_coverage(*features, 5)]
    )
    names = [name for name in found.figures if name != "inception_score"]
    again = metrics.evaluate(sides[0], reference=sides[1], **{**options, "metrics": names})
    for name in names:
        pair = [result.figures[name] for result in (again, found)]
        pair = [value["mean"] if name == "kid" else value for value in pair]
        assert pair[0] == pytest.approx(pair[1], rel=1e-6)
    assert found.protocol["neighbours"] == {"precision, recall": 3, "density, coverage": 5}
    line = "5 neighbours (density, coverage), 3 neighbours (precision, recall), 4 splits"
    assert f"1000 projections of seed 2020 (mind), {line}" in found.lines()[-1]
    fails = refusal_of(metrics.evaluate)
    fails("97 images have no 97 n", pixels, classifier, reference=pixels, metrics=["recall"],
          precision_neighbours=97)  # fmt: skip
    fails("recall needs a reference", pixels, classifier, metrics=["recall"])


def test_kid_does_not_depend_on_what_else_is_computed(monkeypatch):
    """More features are held for precision than KID alone keeps."""
    monkeypatch.setattr("improved_gan_tf.metrics.statistics.KEPT", 50)
    features, figures = random_features(1, 120), []
    for kept in (50, 120):
        one, other = metrics.Statistics(16, kept=kept), metrics.Statistics(16, kept=kept)
        for start in range(0, 120, 30):
            one.update(features[start : start + 30])
            other.update(features[::-1][start : start + 30] + 0.1)
        figures.append(one.kid(other, subsets=4, subset_size=20))
    assert figures[0] == figures[1]
