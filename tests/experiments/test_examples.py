"""The examples in the room's docstrings and in its chapter run."""

import doctest
import importlib
import pkgutil
import re
import shutil

import keras
import pytest

import improved_gan_tf
from improved_gan_tf import callbacks, experiments
from improved_gan_tf.experiments import recipes
from tests.helpers.paths import ROOT

MODULES = [module.name for module in pkgutil.iter_modules(experiments.__path__)]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a short run in runs/digits, and copies of it in the place of two seeds."""
    folder = tmp_path_factory.mktemp("examples")
    recipe = experiments.override(experiments.get("digits"), epochs=1, baseline=False)
    experiments.train(recipe, folder / "runs/digits", verbose=False)
    for copy in ("seed-1", "seed-2"):
        shutil.copytree(folder / "runs/digits", folder / "runs" / copy)
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, work, monkeypatch):
    monkeypatch.chdir(work)
    monkeypatch.setattr(recipes, "RECIPES", dict(recipes.RECIPES))  # an example registers one
    module = importlib.import_module(f"improved_gan_tf.experiments.{name}")
    assert doctest.testmod(module, extraglobs={"ig": improved_gan_tf}).failed == 0


def test_docstring_of_callbacks(work, monkeypatch):
    """A run is restored and its callbacks are made; `fit` alone is left out, as it is long."""
    monkeypatch.chdir(work)
    _, data, gan, _ = experiments.load_run("runs/digits")
    given = {}
    monkeypatch.setattr(gan, "fit", lambda x, **options: given.update(options))
    names = {"gan": gan, "data": data, "runs": improved_gan_tf.runs, "callbacks": callbacks}
    found = doctest.testmod(callbacks, extraglobs=names)
    assert found.failed == 0 and found.attempted > 0
    assert given["initial_epoch"] == 1 and data.start_epoch == 1
    assert all(isinstance(each, keras.callbacks.Callback) for each in given["callbacks"])


@pytest.mark.long
def test_chapter(work, monkeypatch):
    """Every Python block but the recipe file, with fewer epochs and narrow networks."""
    monkeypatch.chdir(work)
    text = (ROOT / "improved_gan_tf/experiments/README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert sum("def generator" in block for block in blocks) == 1  # see test_recipe_file.py
    blocks = [block for block in blocks if "def generator" not in block]
    assert len(blocks) == 5
    narrow = {"generator": {"width": 0.0625}, "discriminator": {"width": 0.0625}}
    names = {"narrow": experiments.override(experiments.get("imagenet"), **narrow)}
    for old, new in (
        ("epochs=100", "epochs=1"),
        ("folder:photos", "digits"),
        ("image_size=128", "image_size=8"),
        ('build("imagenet"', "build(narrow"),
        ("steps_per_epoch=1000", "steps_per_epoch=2"),
    ):
        assert any(old in block for block in blocks), old
        blocks = [block.replace(old, new) for block in blocks]
    exec(blocks[0], names)
    assert names["results"]["steps"] == 25 and names["errors"]["test_images"] == 500
    assert names["epochs"] == 1 and names["images"].shape == (16, 8, 8, 1)
    exec(blocks[1], names)
    assert names["gan"].generator.input_shape == (None, 50)
    exec(blocks[2], names)  # a new folder, of one epoch
    assert names["first"] == 0 and names["run"].latest_checkpoint()[0] == 1
    exec(blocks[2].replace("epochs=1,", "epochs=2,"), names)
    assert names["first"] == 1 and [row["epoch"] for row in names["run"].rows()] == ["1", "2"]
    exec(blocks[3], names)  # on one device, which is all that this process has
    assert names["gan"].distribute_strategy is names["strategy"]
    assert int(names["gan"].average_steps.numpy()) == 1297 // 48
    exec(blocks[4], names)
    assert names["images"].shape == (16, 8, 8, 1)
    assert names["frozen"].output_shape == (None, 8, 8, 1)


def test_commands_of_the_chapter():
    """Every command line of the chapter is one that the parser knows."""
    from improved_gan_tf.cli.main import parser

    text = (ROOT / "improved_gan_tf/experiments/README.md").read_text()
    lines = re.findall(r"^improved-gan (.*)$", text, re.M)
    assert len(lines) > 12
    for line in lines:
        parser().parse_args(re.split(r"  +", line)[0].split())
