"""Recipes in files of one's own: found, executed, kept with the run, used from its folder alone."""

import json
import os
import re
import subprocess
import sys
import textwrap

import keras
import pytest

from improved_gan_tf import experiments
from improved_gan_tf.cli import main as cli
from improved_gan_tf.experiments import recipes
from improved_gan_tf.runs import RunFolder
from tests.helpers.one_line import refusal_of
from tests.helpers.paths import ROOT

TINY = """
import numpy as np
import keras
from keras import layers
import improved_gan_tf as ig
from improved_gan_tf import layers as ours

recipe = ig.experiments.SemiSupervisedRecipe(
    name="tiny", epochs=1, batch_size=20, labels_per_class=4, jit_compile=False, scaling="unit",
    discriminator={"units": 6},
)

def generator(image_shape, units=8):
    z = keras.Input((5,))
    x = layers.Dense(units, "relu")(z)
    return keras.Model(z, layers.Reshape(image_shape)(layers.Dense(64, "sigmoid")(x)))

def discriminator(image_shape, num_classes, **values):
    x = images = keras.Input(image_shape)
    x = ours.WeightNorm(layers.Dense(values["units"], "relu"), name="features")(
        layers.Flatten()(x)
    )
    return keras.Model(images, layers.Dense(num_classes)(x))

def data(recipe, data_dir):
    x = np.random.RandomState(0).randint(0, 256, (120, 8, 8), np.uint8)
    y = np.arange(120) % 3
    y[::2] = -1
    return ig.data.from_arrays(
        x[:100], y[:100], test=(x[101::2], y[101::2]), labels_per_class=recipe.labels_per_class,
        name="mine", batch_size=recipe.batch_size, seed=recipe.seed,
    )
"""


def _write(path, text):
    path.write_text(textwrap.dedent(text))
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of a recipe file that is gone, trained by the command."""
    work = tmp_path_factory.mktemp("own")
    file, out = work / "my_recipe.py", work / "run"
    file.write_text(TINY)
    train = ["train", str(file), "--out", str(out), "--quiet", "--set", "generator.units=7"]
    assert cli.main(train) == 0
    file.unlink()
    return out


def test_the_functions_of_a_file(run):
    recipe, loaded, gan, epochs = experiments.load_run(run)
    assert (recipe.name, loaded.name, loaded.num_classes, epochs) == ("tiny", "mine", 3, 1)
    assert gan.generator.input_shape == (None, 5) and gan.generator.layers[1].units == 7
    assert gan.discriminator.output_shape == (None, 3)
    assert gan.discriminator.get_layer("features").output.shape == (None, 6)


def test_what_the_run_keeps(run):
    assert (run / "recipe.py").read_text() == TINY
    config = json.loads((run / "config.json").read_text())
    assert config["code"]["name"].endswith("my_recipe.py")
    assert re.fullmatch("[0-9a-f]{64}", config["code"]["sha256"])
    assert config["overrides"] == {"generator.units": 7}


@pytest.mark.long
def test_commands_need_the_folder_alone(run, tmp_path):
    """In a process of their own, which has not seen the file, from another folder."""
    script = """
        import sys
        from improved_gan_tf.cli import main as cli
        out = sys.argv[1]
        assert cli.main(["evaluate", out]) == 0
        assert cli.main(["sample", out, "--count", "4"]) == 0
        assert cli.main(["export", out, "--out", "exported"]) == 0
        assert cli.main(["report", out]) == 0
        name = sys.argv[2]
        again = ["train", name, "--out", out, "--resume", "--epochs", "2", "--quiet"]
        assert cli.main(again) == 0
        assert cli.main(["train", "tiny", *again[2:5], "--epochs", "3", "--quiet"]) == 0
    """
    copy = tmp_path / "moved"
    subprocess.run(["cp", "-r", run, copy], check=True)
    file = json.loads((run / "config.json").read_text())["code"]["name"]
    command = [sys.executable, "-c", textwrap.dedent(script), str(copy), file]
    found = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=found, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tiny after 1 epochs, 10 test images" in done.stdout
    assert RunFolder(copy).latest_checkpoint()[0] == 3 and (tmp_path / "exported").is_dir()
    assert (copy / "recipe.py").read_text() == TINY
    assert experiments.open_generator(copy, 4).count == 4  # what score opens


def test_a_changed_copy_is_not_executed(run, tmp_path, capsys):
    folder = RunFolder(tmp_path / "run")
    folder.start(RunFolder(run).config(), RunFolder(run).labeled_indices(), b"1/0")
    refused = refusal_of(recipes.of_run)
    refused("recipe.py has been changed since the run began .* is not executed", folder)
    assert cli.main(["sample", str(folder)]) == 2
    assert "is not executed" in capsys.readouterr().err
    folder.recipe.unlink()
    refused("recipe.py is absent; .* put it back", folder)
    # Without a hash in config.json a file of that name is nobody's.
    folder.recipe.write_text("1/0")
    folder.write_config(recipes.to_config(experiments.get("digits")))
    assert recipes.of_run(folder) == experiments.get("digits")


def test_resume_by_another_file(run, tmp_path):
    """In Python, where the file is named anew; the command goes on with the run's own."""
    file = _write(tmp_path / "mine.py", TINY + "\n# changed\n")
    refusal_of(experiments.train)(
        "was begun with another recipe file; resume by its copy", file, run, resume=True
    )
    named = experiments.get(run / "recipe.py")
    results = experiments.train(named, run, resume=True, verbose=False, generator={"units": 7})
    assert results["epochs"] == 1


def test_the_baseline_keeps_the_file_too(tmp_path):
    file = _write(tmp_path / "mine.py", TINY)
    results = experiments.train(file, tmp_path / "run", verbose=False, baseline=True)
    assert results["baseline"]["objective"] == "supervised"
    assert RunFolder(tmp_path / "run").baseline.code() == TINY.encode()
    assert RunFolder(tmp_path / "run").baseline.rows()[0]["steps"] == "5"


@pytest.mark.parametrize(
    "text, message",
    [
        ("x = 1", "mine.py has no 'recipe'; expected recipe = a Recipe"),
        ("recipe = {}", "recipe in .*mine.py is a dict; expected a recipe"),
        ("x = 1\n\nx.y", "mine.py, line 3: AttributeError: 'int' object has no attribute 'y'"),
        ("def f():\n  return 1 / 0\nf()", "mine.py, line 2: ZeroDivisionError: division by zero"),
        ("x = 1\nif x\n", "mine.py, line 2: SyntaxError: expected ':'"),
        ("import sys\nsys.exit(3)", "mine.py, line 2: SystemExit: 3"),
        (
            "import no_such_package",
            "line 1: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("raise ValueError('two\\nlines')", "mine.py, line 1: ValueError: two lines"),
        (
            "import improved_gan_tf as ig\nr = ig.experiments\nrecipe = r.override("
            "r.get('digits'),\n epochs=0)",
            "mine.py, line 3: epochs must be at least 1, not 0",
        ),
        ("generator = 3\n" + TINY.split("def ")[0], "generator in .*mine.py is no function"),
    ],
)
def test_a_wrong_file(text, message, tmp_path, capsys):
    file = _write(tmp_path / "mine.py", text)
    refusal_of(experiments.get)(message, file)
    assert cli.main(["train", file, "--out", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1 and re.search(message, shown)
    assert not (tmp_path / "run").exists()


def test_names_that_are_no_recipes(tmp_path):
    refused = refusal_of(experiments.get)
    refused("no such file: .*absent.py; `improved-gan recipes --new ", str(tmp_path / "absent.py"))
    (tmp_path / "folder.py").mkdir()
    refused("cannot be read: Is a directory", str(tmp_path / "folder.py"))
    refused("there is no module 'absent'", "absent:recipe")
    refused("no_such_package.x:recipe: ModuleNotFoundError", "no_such_package.x:recipe")


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("return keras.Model(z,", "keras.Model(z,", "generator of .* is a NoneType; expected a"),
        ("z = keras", "z = kera", r"line 14: NameError: name 'kera' is not defined"),
        ("units=8", "units", r"TypeError: generator\(\) missing 1 required .*'units'"),
        ("def generator", "def other", r"tiny has no generator; name a network \(dense, "),
        ("def data", "def other", "tiny has no data; name them by --data"),
        ("x[:100], y[:100]", "x[:100], y[:99]", r"mine.py, line \d+: mine: "),
        ("discriminator={", "generator={'unit': 3}, discriminator={", "has no value 'unit'"),
        ("Dense(64,", "Dense(63,", r"mine.py, line \d+: ValueError"),
        ("(num_classes)", "(num_classes)", None),
    ],
)
def test_errors_in_its_functions(old, new, message, tmp_path):
    assert old in TINY
    file = _write(tmp_path / "mine.py", TINY.replace(old, new))
    out = tmp_path / "run"
    if message is None:
        assert experiments.train(file, out, verbose=False)["steps"] == 5
    else:
        refusal_of(experiments.train)(message, file, out, verbose=False)
        assert not out.exists()


def test_networks_that_do_not_fit(tmp_path):
    """Whatever the model says of them becomes one line."""
    text = TINY.replace(
        "x = images = keras.Input(image_shape)", "x = images = keras.Input((9, 9, 1))"
    )
    assert text != TINY
    refused = refusal_of(experiments.train)
    refused("^tiny: .*9, 9, 1", _write(tmp_path / "mine.py", text), tmp_path / "run")


@pytest.mark.parametrize(
    "returned",
    [
        "(x[:100], y[:100]), (x[101::2], y[101::2])",
        "ig.data.source_from_arrays(x[:100], y[:100], x[101::2], y[101::2])",
        "'digits'",
    ],
)
def test_what_data_may_return(returned, tmp_path):
    """Arrays, a source or a name, which the recipe's values load."""
    start = TINY.index("return ig.data.from_arrays")
    file = _write(tmp_path / "mine.py", f"{TINY[:start]}return {returned}\n")
    loaded = experiments.load_data(file)
    assert len(loaded.labeled_indices) == 4 * loaded.num_classes and loaded.batch_size == 20


def test_data_in_another_range(tmp_path):
    recipe = experiments.get(_write(tmp_path / "mine.py", TINY))
    refusal_of(experiments.load_data)(
        r"mine: the images are in \(0.0, 1.0\), .* 'symmetric' is \(-1.0, 1.0\); scale both alike",
        experiments.override(recipe, scaling="symmetric"),
    )


def test_data_of_ones_own_for_imagenet(tmp_path):
    source = """
        import improved_gan_tf as ig
        recipe = ig.experiments.ImageNetRecipe(name="x", network="imagenet", batch_size=10)
        def data(recipe, data_dir):
            return ig.data.open("digits") if recipe.seed == 1 else ig.data.load_stream(
                "digits", image_size=16, batch_size=5)
    """
    recipe = experiments.get(_write(tmp_path / "mine.py", source))
    assert experiments.load_data(recipe).batch_size == 10
    assert experiments.load_data(experiments.override(recipe, seed=2)).batch_size == 5


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with a recipe in a module that imports its neighbour."""
    folder = tmp_path / "site" / "some_package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "sizes.py").write_text("EPOCHS = 3\n")
    text = TINY.replace("recipe = ", "small = ").replace("epochs=1", "epochs=EPOCHS")
    (folder / "module.py").write_text("from .sizes import EPOCHS\n" + text)
    info = tmp_path / "site" / "some_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some_package\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[improved_gan_tf.recipes]\nshort-name = some_package.module:small\n"
        "digits = some_package.module:absent\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield
    for name in [name for name in sys.modules if name.startswith("some_package")]:
        del sys.modules[name]


def test_a_recipe_of_a_package(package, tmp_path, capsys):
    recipe = experiments.get("some_package.module:small")
    assert (recipe.name, recipe.epochs) == ("tiny", 3)
    refusal_of(experiments.get)("module.py has no 'recipe'", "some_package.module:")
    assert cli.main(["recipes"]) == 0
    assert re.search("^short-name +some_package.module:small$", capsys.readouterr().out, re.M)
    assert experiments.get("digits") is experiments.RECIPES["digits"]
    refusal_of(experiments.get)(r"did you mean 'short-name'", "short-nam")
    out = tmp_path / "run"
    experiments.train("short-name", out, verbose=False, epochs=1)
    began = recipes.of_run(RunFolder(out))
    assert (began.code.name, began.code.attribute) == ("some_package.module:small", "small")
    assert experiments.load_generator(out)[2] == 1


def test_register(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "RECIPES", dict(recipes.RECIPES))
    digits = experiments.get("digits")
    refusal_of(experiments.register)("digits is a recipe of improved_gan_tf", digits)

    class Narrow(experiments.SemiSupervisedExperiment):
        def networks(self, image_shape=None, num_classes=None):
            generator, discriminator = super().networks(image_shape, num_classes)
            return keras.Model(generator.input, generator.output, name="narrow"), discriminator

    sizes = {"generator": {"units": [8]}, "discriminator": {"units": [8, 8]}}
    values = {"epochs": 1, "baseline": False, "jit_compile": False, **sizes}
    own = experiments.override(digits, **values)
    own = experiments.SemiSupervisedRecipe(**{**vars(own), "name": "narrow"})
    experiments.register(own, Narrow)
    assert type(experiments.experiment("narrow")) is Narrow
    longer = experiments.override(experiments.get("narrow"), epochs=2)
    assert type(experiments.experiment(longer)) is Narrow
    experiments.train("narrow", tmp_path / "run", verbose=False)
    assert experiments.load_generator(tmp_path / "run")[1].generator.name == "narrow"
    # Where it is not registered, standard networks must not be tried on its checkpoint.
    del recipes.RECIPES["narrow"]
    refusal_of(experiments.load_generator)(
        "'narrow' is carried out by .*Narrow; pass both to experiments.register", tmp_path / "run"
    )
    # A recipe of plain values needs no registration.
    config = recipes.to_config(own)
    assert recipes.from_config(config) == own
    config["recipe"]["code"] = {}
    refusal_of(recipes.from_config)("holds no recipe of this version", config)


def test_the_experiment_of_a_file(tmp_path):
    text = TINY.replace('name="tiny",', 'name="tiny", experiment=Mine,').replace(
        "recipe = ",
        "class Mine(ig.experiments.SemiSupervisedExperiment):\n"
        "    def evaluate(self, gan, data):\n"
        "        return {'test_images': 1, 'test_error': 0.25}\n"
        "recipe = ",
    )
    results = experiments.train(_write(tmp_path / "m.py", text), tmp_path / "run", verbose=False)
    assert results["test_error"] == 0.25
    recipe, loaded, gan, _ = experiments.load_run(tmp_path / "run")
    assert experiments.evaluate(recipe, loaded, gan)["test_error"] == 0.25


@pytest.mark.long
def test_default_folders(tmp_path, monkeypatch, capsys):
    """One for each seed; a file's is named by its recipe."""
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "my_recipe.py", TINY)
    for seed in ("2", "1", "3"):
        assert cli.main(["train", "my_recipe.py", "--quiet", "--seed", seed]) == 0
    names = {path.name for path in (tmp_path / "runs").iterdir()}
    assert names == {"tiny", "tiny-seed-2", "tiny-seed-3"}
    again = ["train", "my_recipe.py", "--quiet", "--resume", "--epochs", "2"]
    assert cli.main([*again, "--seed", "2"]) == 0
    assert RunFolder("runs/tiny-seed-2").latest_checkpoint()[0] == 2
    shown = capsys.readouterr()
    assert "run folder: runs/tiny-seed-2 " in shown.out and "not as the run began" not in shown.err
    _write(tmp_path / "my_recipe.py", TINY.replace("(5,)", "(6,)"))
    again[-1] = "3"
    assert cli.main([*again, "--seed", "2"]) == 0
    note = (
        "my_recipe.py is not as the run began; it continues with its copy runs/tiny-seed-2/recipe"
    )
    assert note in capsys.readouterr().err
