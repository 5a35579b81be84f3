"""Models and runs that an earlier version saved load, and give the numbers that they gave."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from improved_gan_tf import experiments, inception, losses, models  # noqa: F401  (registered)
from improved_gan_tf.registration import CLASSES, FUNCTIONS, PREFIX
from tests.helpers.golden_checkpoints import FOLDER, RECIPES, computed
from tests.helpers.paths import ROOT

every_kind = pytest.mark.parametrize("kind", RECIPES)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
KINDS = {"semi_supervised": models.SemiSupervisedGAN, "imagenet": models.ImageNetGAN}


def saved_by(path):
    """The version of Keras that wrote a .keras file; an older one need not understand it."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("metadata.json"))["keras_version"]


def skip_where_keras_is_older(kind):
    needed = saved_by(FOLDER / f"{kind}.keras")
    numbers = [tuple(map(int, v.split(".")[:2])) for v in (needed, keras.__version__)]
    if numbers[1] < numbers[0]:
        pytest.skip(f"saved by Keras {needed}, which {keras.__version__} need not read")


def compare(gan, kind):
    with np.load(FOLDER / f"{kind}_expected.npz") as arrays:
        expected = dict(arrays)
    found = computed(gan)
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@every_kind
def test_saved_model(kind):
    skip_where_keras_is_older(kind)
    gan = keras.saving.load_model(FOLDER / f"{kind}.keras")
    assert type(gan) is KINDS[kind]
    compare(gan, kind)


@pytest.mark.long
@pytest.mark.parametrize(
    "imports, kind",
    [
        ("improved_gan_tf as ig, keras", "semi_supervised"),
        ("keras, improved_gan_tf", "imagenet"),
        ("improved_gan_tf, tensorflow, keras", "semi_supervised"),
        ("improved_gan_tf.layers, keras", "semi_supervised"),
        ("keras, improved_gan_tf.models", "imagenet"),
    ],
)
def test_saved_model_in_a_new_process(imports, kind):
    """Whatever is imported first, Keras finds all that the models' files name."""
    skip_where_keras_is_older(kind)
    code = f"import sys, {imports}; gan = keras.saving.load_model(sys.argv[1]); "
    code += "from improved_gan_tf import models; "
    code += f"print(type(gan) is models.{KINDS[kind].__name__}, gan.sample(1).ndim)"
    command = [sys.executable, "-c", code, str(FOLDER / f"{kind}.keras")]
    found = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert found.stdout.split()[-2:] == ["True", "4"], found.stderr[-2000:]


def test_all_registered_names_are_known_before_their_rooms_are_imported():
    ours = {k: v for k, v in keras.saving.get_custom_objects().items() if k.startswith(PREFIX)}
    assert {value.__module__ for value in ours.values()} & {"improved_gan_tf.registration"} == set()
    names = [n for table in (CLASSES, FUNCTIONS) for group in table.values() for n in group]
    assert sorted(ours) == sorted(PREFIX + name for name in names)


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
