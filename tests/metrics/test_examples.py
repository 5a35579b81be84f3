"""The examples in the room's docstrings and in its chapter run."""

import doctest
import importlib
import pkgutil
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import images, metrics
from improved_gan_tf.metrics import extractors
from tests.helpers.paths import ROOT
from tests.helpers.small_model import small_model

MODULES = [module.name for module in pkgutil.iter_modules(metrics.__path__)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_model(channels=1, size=8, classes=10).save("digits.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)
    module = importlib.import_module(f"improved_gan_tf.metrics.{name}")
    assert doctest.testmod(module, extraglobs={"images": pixels}).failed == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_readme(tmp_path, monkeypatch):
    """Every Python block of the chapter, by a small network with Inception's name."""
    monkeypatch.chdir(tmp_path)
    small = metrics.OtherClassifier(small_model(), "inception")
    monkeypatch.setattr(extractors, "Inception", lambda: small)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    images.save_folder("samples", pixels)
    images.save_folder("real", pixels[::-1])
    shutil.make_archive("real", "zip", "real")
    text = (ROOT / "improved_gan_tf" / "metrics" / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) == 5
    names = {"images": pixels, "gan": _Gan(), "data": _Data()}
    for block in blocks:
        exec(block.replace("epochs=300", "epochs=1").replace("5000", "50"), names)
    assert {"fid", "precision", "recall"} <= set(names["gan"].history.history)
    assert len(names["best"]) == 1 and names["about"]["epochs"] == 8
    assert 5 < names["mean"] <= 10


class _Gan(keras.Model):
    """Trains nothing; draws images as a GAN does."""

    image_range = (0.0, 1.0)

    def __init__(self):
        super().__init__(name="gan")
        self.dense = keras.layers.Dense(1)
        self.compile("sgd", "mse")

    def call(self, x):
        return self.dense(x)

    def sample(self, n, seed=None):
        return np.random.default_rng(seed).uniform(0, 1, (n, 6, 6, 3))


class _Data:
    train = tf.data.Dataset.from_tensors((np.zeros((4, 2)), np.zeros((4, 1))))
