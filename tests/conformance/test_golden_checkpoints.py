"""Models and runs that an earlier version saved load, and give the numbers that they gave."""

import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from improved_gan_tf import experiments, models
from tests.helpers.golden_checkpoints import FOLDER, RECIPES, computed
from tests.helpers.paths import ROOT

every_kind = pytest.mark.parametrize("kind", RECIPES)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
KINDS = {"semi_supervised": models.SemiSupervisedGAN, "imagenet": models.ImageNetGAN}


def compare(gan, kind):
    with np.load(FOLDER / f"{kind}_expected.npz") as arrays:
        expected = dict(arrays)
    found = computed(gan)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@every_kind
def test_saved_model(kind):
    gan = keras.saving.load_model(FOLDER / f"{kind}.keras")
    assert type(gan) is KINDS[kind]
    compare(gan, kind)


@every_kind
def test_saved_model_in_a_new_process(kind):
    """The models' import registers all that their files hold."""
    code = "import sys, keras, improved_gan_tf.models; "
    code += "print(type(keras.saving.load_model(sys.argv[1])).__name__)"
    command = [sys.executable, "-c", code, str(FOLDER / f"{kind}.keras")]
    found = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert found.stdout.split()[-1:] == [KINDS[kind].__name__], found.stderr[-2000:]


@every_kind
def test_run(kind, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(FOLDER / f"{kind}_run", run)
    recipe, gan, epochs = experiments.load_generator(run)
    assert (recipe.name, epochs) == (RECIPES[kind][0], 2)
    compare(gan, kind)


@every_kind
def test_run_goes_on(kind, tmp_path):
    """Another epoch can be trained, on the same data and labeled subset."""
    run = tmp_path / "run"
    shutil.copytree(FOLDER / f"{kind}_run", run)
    recipe, _, _ = experiments.load_generator(run)
    longer = experiments.override(recipe, epochs=3)
    results = experiments.train(longer, run, resume=True, verbose=False)
    assert results["epochs"] == 3
