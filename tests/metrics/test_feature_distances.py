"""MIND, MiFID, sFID and KID's second kernel: against their definitions and the reference programs.

`reference/golden/metrics/recorded.json` holds what programs gave that cannot be installed here.
"""

import json

import numpy as np
import pytest

from improved_gan_tf import metrics
from improved_gan_tf.metrics import memorization, mind, spatial, torch_draws
from improved_gan_tf.metrics.kernel import kernel_distance
from reference import feature_distances as oracle
from tests.helpers.features import random_features
from tests.helpers.one_line import refusal_of
from tests.helpers.paths import ROOT
from tests.helpers.torch_fidelity_peer import peer

RESULTS = ROOT / "reference/results/metrics"
RECORDED = json.loads((ROOT / "reference/golden/metrics/recorded.json").read_text())


@pytest.mark.parametrize("case", RECORDED["mind"]["cases"], ids=str)
def test_mind_equals_torch_fidelity_s(case):
    """With the same seed: the draws are PyTorch's."""
    x, y = random_features(1, case["n"], case["f"]), random_features(2, case["m"], case["f"])
    found = metrics.monge_distance(x, y, case["projections"], case["seed"])
    assert found == pytest.approx(case["mind"], rel=1e-6)


def test_mind_by_its_definition():
    x, y = random_features(1, 40, 6), random_features(2, 40, 6)
    directions = torch_draws.normal(torch_draws.generator(5), 30, 6)
    found = metrics.monge_distance(x, y, 30, 5)
    assert found == pytest.approx(oracle.monge_distance(x, y, directions), rel=1e-5)
    assert metrics.monge_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)
    assert metrics.monge_distance(x, y) == metrics.monge_distance(y, x)


def test_mind_of_a_shift():
    """Moving all of a set by m: 3 |m|^2, up to the directions."""
    x = random_features(1, 50, 12)
    assert metrics.monge_distance(x, x + 2, 4000) == pytest.approx(3 * 12 * 4, rel=0.05)


def test_mind_in_blocks(monkeypatch):
    x, y = random_features(1, 40, 6), random_features(2, 50, 6)
    whole = metrics.monge_distance(x, y, 100)
    monkeypatch.setattr(mind, "BLOCK", 8 * 40 * 7)
    assert metrics.monge_distance(x, y, 100) == pytest.approx(whole, rel=1e-12)


def test_draws_are_pytorch_s():
    torch = pytest.importorskip("torch")
    for rows, columns in ((3, 16), (10, 7), (5, 33)):  # the last 16 of the others overlap
        theirs, ours = torch.Generator().manual_seed(2020), torch_draws.generator(2020)
        np.testing.assert_array_equal(
            torch_draws.permutation(ours, 50), torch.randperm(50, generator=theirs)
        )
        expected = torch.randn(rows, columns, generator=theirs, dtype=torch.float32)
        found = torch_draws.normal(ours, rows, columns)
        np.testing.assert_allclose(found, expected.numpy(), atol=2e-6)


@pytest.mark.parametrize("case", RECORDED["mifid"]["cases"], ids=str)
def test_mifid_equals_the_competition_s(case):
    x, y = random_features(1, case["n"], case["f"]), random_features(2, case["m"], case["f"])
    found = memorization.memorization_distance(x, y)
    assert found == pytest.approx(case["distance"], rel=1e-6)
    found = metrics.memorization_informed_distance(x, y)
    assert found == pytest.approx(case["mifid"], rel=1e-6)


def test_mifid_by_its_definition(monkeypatch):
    monkeypatch.setattr(memorization, "BLOCK", 4 * 50 * 16)
    x, y = random_features(1, 60, 9), random_features(2, 50, 9)
    x[7], y[3] = 0, 0  # images without features
    near = y[:40] + 0.003 * x[:40]
    for generated in (x, near, -near):  # far; near; the angle has no sign
        distance = memorization.memorization_distance(generated, y)
        assert distance == pytest.approx(oracle.memorization_distance(generated, y), rel=1e-6)
        found = metrics.memorization_informed_distance(generated, y, 0.05)
        assert found == pytest.approx(oracle.memorization_informed(generated, y, 0.05), rel=1e-6)


def test_copies_of_real_images_raise_mifid():
    """A generator that returns training images has a small FID and a huge MiFID."""
    real = np.abs(random_features(1, 200, 12))
    other = np.abs(random_features(3, 200, 12))
    copied = metrics.frechet_distance_of_features(real[:150], real)
    fresh = metrics.frechet_distance_of_features(other, real)
    assert copied < fresh
    assert metrics.memorization_informed_distance(real[:150], real) > 1e9 * fresh


def test_sfid_by_its_definition():
    rng = np.random.default_rng(0)
    maps = [rng.gamma(1.0, size=(n, 3, 3, 9)) + i for i, n in enumerate((90, 80))]
    expected = oracle.spatial_frechet_distance(*maps)
    flat = [spatial.spatial_features(side) for side in maps]
    assert metrics.frechet_distance_of_features(*flat) == pytest.approx(expected, rel=1e-6)
    sides = [metrics.Statistics(4, num_spatial=63) for _ in maps]
    for side, values in zip(sides, flat, strict=True):
        for start in range(0, len(values), 30):
            part = values[start : start + 30]
            side.update(part[:, :4], part)
    assert sides[0].sfid(sides[1]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n, m, f", [(300, 250, 16), (30, 20, 40), (60, 20, 40)])
def test_frechet_distance_of_features(n, m, f):
    """Of fewer images than features, too."""
    x, y = random_features(1, n, f), random_features(2, m, f)
    expected = metrics.frechet_distance(
        x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False)
    )
    assert metrics.frechet_distance_of_features(x, y) == pytest.approx(expected, rel=1e-9)


def test_rbf_kernel():
    x, y = random_features(1, 30, 6), random_features(2, 30, 6)
    found, std = kernel_distance(x, y, 2, 30, kernel="rbf", sigma=1.5)
    assert found == pytest.approx(oracle.rbf_distance(x, y, 1.5), rel=1e-9) and std < 1e-12
    torch = pytest.importorskip("torch")
    x, y = random_features(1, 90), random_features(2, 80)
    expected = peer("metric_kid").kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=5, kid_subset_size=50,
        kid_kernel="rbf", kid_kernel_rbf_sigma=3, verbose=False,
    )  # fmt: skip
    found = kernel_distance(x, y, 5, 50, kernel="rbf", sigma=3)
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-6)


def test_recorded_comparison_with_the_references():
    """`python tools/metrics.py peers`: every figure there is."""
    found = json.loads((RESULTS / "peers.json").read_text())["figures"]
    assert {row["figure"] for row in found} == {
        *(label for label, _ in metrics.METRICS.values()), "KID, kernel rbf"
    }  # fmt: skip
    assert max(row["relative_difference"] for row in found) < 1e-6


def test_recorded_monte_carlo():
    """`python tools/metrics.py monte-carlo`: one distribution on both sides."""
    found = json.loads((RESULTS / "monte-carlo.json").read_text())
    for row in found["rows"]:
        assert abs(row["kid"]) < 3 * row["kid_error"]
    assert found["fid_exponent"] == pytest.approx(-1, abs=0.05)


def test_bias_of_one_distribution():
    """The same on a small scale: four times the images, a quarter of FID; KID about 0."""
    rng = np.random.default_rng(0)

    def mean(size, distance):
        values = [distance(*rng.normal(size=(2, size, 4))) for _ in range(60)]
        return np.mean(values), np.std(values) / np.sqrt(60)

    few, many = (mean(size, metrics.frechet_distance_of_features)[0] for size in (40, 160))
    assert few / many == pytest.approx(4, rel=0.25)
    kid, error = mean(40, lambda x, y: kernel_distance(x, y, 1, 40)[0])
    assert abs(kid) < 3 * error


def test_bad_input():
    x = random_features(1, 10)
    broken = np.where(np.arange(16) == 3, np.inf, x)
    for function in (
        metrics.monge_distance,
        metrics.clip_discrepancy,
        metrics.precision_recall,
        metrics.density_coverage,
        metrics.memorization_informed_distance,
        metrics.frechet_distance_of_features,
        lambda a, b: kernel_distance(a, b, 2, 5),
    ):
        fails = refusal_of(function)
        fails("features of shape .10, 16. and .10, 5. cannot be compared", x, x[:, :5])
        fails("not finite", x, broken)
        fails("not finite", x, x * 1e60)  # not in float32
        fails("not finite, or too large", x * 1e20, x)  # its square is not
        fails("features of no images cannot be compared; give 1", x, x[:0])
    fails = refusal_of(metrics.monge_distance)
    fails("number of random directions must be a whole number from 1 up, not 0", x, x, 0)
    fails("MIND's seed must be a whole number from 0 to 4294967295, not -1", x, x, 9, -1)
    refusal_of(metrics.memorization_informed_distance)("all features are 0", x, 0 * x)
    refusal_of(metrics.frechet_distance_of_features)("1 images have no covariance", x[:1], x)
    fails = refusal_of(kernel_distance)
    fails("no kernel 'linear'; choose from polynomial, rbf", x, x, 1, 5, 0, "linear")
    fails("sigma, the width of the kernel, is above 0, not 0", x, x, 1, 5, 0, "rbf", 0)
    fails("KID's seed must be a whole number from 0 to 4294967295, not None", x, x, 1, 5, None)
