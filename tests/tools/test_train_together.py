"""The training of many runs at once with JAX: the same steps as those of the model."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from improved_gan_tf import experiments
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.recipe import override
from improved_gan_tf.models.gan import PLAYERS
from tests.helpers.paths import ROOT, TOOLS

pytest.importorskip("jax")
pytestmark = pytest.mark.long  # JAX compiles for half a minute

STEPS = 3
VALUES = {
    "average_rate": 0.1,
    "average_start": 1,
    "learning_rate_decay": 1.0,
    "epochs": 2,
    "baseline": False,
    "seed": 5,
}
DENSE = {
    "conditional_entropy": 0.1,
    "transformed": 0.5,
    "transformed_threshold": 0.2,
    "unlabeled_weight": 0.7,
    "validation_per_class": 20,
}
# Without dropout, whose draws are those of Keras' backend.
CONVOLUTIONAL = {
    "consistency": 0.1,
    "consistency_distance": 0.5,
    "initialization": "labeled",
    "initialize_generator": True,
    "initialization_size": 40,
    "labels_per_class": 4,
    "batch_size": 20,
    "generator": {"width": 0.03},
    "discriminator": {"width": 0.05, "input_dropout": 0.0, "input_noise": 0.1, "dropout": 0.0},
}
ENVIRONMENT = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}


def pictures(path):
    """Writes a data set of a few random pictures of CIFAR-10's size; returns its path."""
    random = np.random.default_rng(1)
    arrays = {}
    for part, count in (("train", 200), ("test", 50)):
        arrays[f"x_{part}"] = random.integers(0, 256, (count, 32, 32, 3), "uint8")
        arrays[f"y_{part}"] = np.arange(count) % 10
    np.savez(path, **arrays)
    return path


def run(*arguments):
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("digits", DENSE),
        ("digits-minibatch-discrimination", {}),
        ("cifar10-better", CONVOLUTIONAL),
    ],
)
def test_steps_of_the_model(name, values, tmp_path):
    values = {**VALUES, **values}
    if name == "cifar10-better":
        values["data"] = f"npz:{pictures(tmp_path / 'pictures.npz')}"
    recipe = override(recipes.get(name), **values)
    data = experiments.load_data(recipe)
    gan = experiments.build(recipe, data)
    before = {
        f"{player}_{i}": np.array(v)
        for player in PLAYERS
        for i, v in enumerate(gan.player(player)[0].trainable_variables)
    }
    states = [*gan.generator.non_trainable_variables, *gan.discriminator.non_trainable_variables]
    states = {f"states_{i}": np.array(v) for i, v in enumerate([*states, gan.seed_generator.state])}
    given = {"name": name, "values": json.dumps(values)}
    np.savez(tmp_path / "before.npz", **given, **before, **states)
    script = ROOT / "tests" / "helpers" / "train_together_script.py"
    done = run(script, tmp_path / "before.npz", tmp_path / "after.npz", STEPS)
    assert done.returncode == 0, done.stderr[-4000:]
    found = np.load(tmp_path / "after.npz")

    for _, batch in zip(range(STEPS), data.train, strict=False):
        logs = gan.train_step(batch)
    for key in (name for name in gan.reported if name in logs):
        np.testing.assert_allclose(found[key], logs[key], rtol=1e-5, err_msg=key)
    for key in before:
        player, i = key.rsplit("_", 1)
        variable = np.array(gan.player(player)[0].trainable_variables[int(i)])
        np.testing.assert_allclose(found[key], variable, atol=1e-5, err_msg=key)
        assert np.abs(variable - before[key]).max() > 1e-4, key
    for player in PLAYERS:
        for i, v in enumerate(gan.player(player)[0].non_trainable_variables):
            key = f"{player}_states_{i}"
            np.testing.assert_allclose(found[key], v, rtol=1e-5, atol=1e-5, err_msg=key)
    for i, average in enumerate([*gan.averages, gan.average_steps]):
        np.testing.assert_allclose(found[f"averages_{i}"], average, atol=1e-5)
    images = data.scaling.scale(data.test_images)
    for logits, probabilities in zip(
        (gan(images), gan.discriminator(images)), found["probabilities"], strict=True
    ):
        exact = np.exp(np.array(logits, "float64"))
        exact /= exact.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities, exact, atol=1e-4)
    images = data.scaling.unscale(gan.sample(6, seed=recipe.seed)).astype(int)
    assert np.abs(found["images"] - images).max() <= 1 and len(set(images.flat)) > 10


def test_rows_of_a_table(tmp_path):
    out, tool = tmp_path / "runs", TOOLS / "train_together.py"
    options = "--seeds 1 2 --labels-per-class 5 10 --set epochs=2 --set baseline=false".split()
    done = run(tool, "digits", *options, "--test-every", 2, "--samples", 3, "--out", out)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads((out / "errors.json").read_text())
    assert found["values"] == {"epochs": 2, "baseline": False} and found["steps"] == 50
    assert [(row["labels"], row["runs"]) for row in found["rows"]] == [(50, 2), (100, 2)]
    with open(out / "epochs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["val_error"] == "" for row in rows] == [True, False] * 4
    for row in found["rows"]:
        errors = row["test_error"]
        logged = [
            float(each["val_error"])
            for each in rows
            if each["labels"] == str(row["labels"]) and each["val_error"]
        ]
        np.testing.assert_allclose(list(errors["by_seed"].values()), logged)
        np.testing.assert_allclose(errors["mean"], np.mean(logged))
        assert errors["ensemble"] < 0.5 and f"{row['labels']} labels: " in done.stdout

    drawn = {path.name: np.load(path)["images"] for path in out.glob("samples-*.npz")}
    assert sorted(drawn) == [f"samples-{n}-{seed}.npz" for n in (100, 50) for seed in (1, 2)]
    assert {images.shape for images in drawn.values()} == {(3, 8, 8, 1)}

    again = run(tool, "digits", *options, "--out", out)
    assert again.returncode == 2 and "exists already" in again.stderr
    other = run(tool, "digits", "--set", "historical_averaging=1", "--out", tmp_path / "other")
    assert other.returncode == 2 and "improved-gan train" in other.stderr
    assert not (tmp_path / "other").exists()
    kind = run(tool, "imagenet", "--out", tmp_path / "other")
    assert kind.returncode == 2 and "expected a semi-supervised recipe" in kind.stderr
