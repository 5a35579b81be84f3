"""CMMD: against its definition and its reference implementation, and by which extractors."""

import json

import keras
import numpy as np
import pytest

from improved_gan_tf import metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics import cmmd
from reference import feature_distances as oracle
from tests.helpers.features import random_features
from tests.helpers.paths import ROOT

CASES = json.loads((ROOT / "reference/golden/metrics/recorded.json").read_text())["cmmd"]["cases"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_equals_its_reference_implementation(case):
    x, y = random_features(1, case["n"], case["f"]), random_features(2, case["m"], case["f"])
    assert metrics.clip_discrepancy(x, 3 * y) == pytest.approx(case["cmmd"], rel=1e-9)
    assert oracle.clip_discrepancy(x, y) == pytest.approx(case["cmmd"], rel=1e-9)


def test_in_blocks(monkeypatch):
    x, y = random_features(1, 70, 6), random_features(2, 50, 6)
    whole = metrics.clip_discrepancy(x, y)
    monkeypatch.setattr(cmmd, "BLOCK", 8 * 70 * 3)
    assert metrics.clip_discrepancy(x, y) == pytest.approx(whole, rel=1e-12)
    assert metrics.clip_discrepancy(y, x) == pytest.approx(whole, rel=1e-12)
    assert metrics.clip_discrepancy(x, x[::-1]) == pytest.approx(0, abs=1e-12)


def test_refusals():
    x = random_features(1, 5, 3)
    with pytest.raises(UserError, match="length 0"):
        metrics.clip_discrepancy(x, 0 * x)
    with pytest.raises(UserError, match="not finite"):
        metrics.clip_discrepancy(x, x * np.nan)
    with pytest.raises(UserError, match="cannot be compared"):
        metrics.clip_discrepancy(x, x[:, 1:])


def test_it_is_of_clip_alone(pixels, classifier, tmp_path):
    """Of images and of stored features."""
    layers = [keras.Input((6, 6, 3)), keras.layers.Flatten()]
    clip = metrics.FeatureExtractor(keras.Sequential(layers), "clip", clip=True)
    asked = {"reference": pixels[50:], "metrics": ("cmmd",)}
    found = metrics.evaluate(pixels[:50], clip, **asked).figures["cmmd"]
    flat = pixels.reshape(97, -1).astype(np.float64)
    assert found == pytest.approx(oracle.clip_discrepancy(flat[:50], flat[50:]), rel=1e-6)
    paths = tmp_path / "a.npz", tmp_path / "b.npz"
    for path, part in zip(paths, (pixels[:50], pixels[50:]), strict=True):
        metrics.statistics_of(part, classifier=clip, keep_features="all").save(path)
    again = metrics.evaluate(paths[0], reference=paths[1], metrics=("cmmd",))
    assert again.figures["cmmd"] == found
    with pytest.raises(UserError, match="cmmd compares embeddings by CLIP; choose one for both"):
        metrics.evaluate(pixels, classifier, **asked)
    other = metrics.statistics_of(pixels, classifier=classifier, keep_features="all")
    with pytest.raises(UserError, match="cmmd compares embeddings by CLIP"):
        metrics.evaluate(other, reference=other, metrics=("cmmd",))
