"""The model of table 3 at 32x32, and its ablations: values, networks, whole runs on the digits."""

import json

import numpy as np
import pytest

from improved_gan_tf import experiments
from improved_gan_tf.cli import main as cli
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.ablations import ABLATIONS
from tests.helpers import checkpoints
from tests.helpers.one_line import refusal_of

# Table 3 of the paper.
PAPER = {
    "ours": 8.09,
    "-VBN+BN": 7.54,
    "-L+HA": 6.86,
    "-LS": 6.83,
    "-L": 4.36,
    "-MBF": 3.87,
    "dcgan": None,
}
# The values that each row changes, and no others.
CHANGED = {
    "ours": set(),
    "-VBN+BN": {"generator.normalization"},
    "-L+HA": {"labels", "historical_averaging"},
    "-LS": {"smoothing", "generator_target"},
    "-L": {"labels"},
    "-MBF": {"discriminator.minibatch_kernels"},
    "dcgan": {
        "generator.normalization",
        "generator.noise_maps",
        "discriminator.normalization",
        "discriminator.minibatch_kernels",
        "labels",
        "smoothing",
        "generator_target",
        "noise",
    },
}
TINY = {"width": 0.0625, "image_shape": (16, 16, 3)}


def test_the_rows_are_the_papers():
    assert {name: row.paper for name, row in ABLATIONS.items()} == PAPER
    assert all(row.name == name and row.summary for name, row in ABLATIONS.items())


@pytest.mark.parametrize("name", ABLATIONS)
@pytest.mark.parametrize("base", ["cifar10-samples", "imagenet"])
def test_a_row_changes_what_it_says(name, base):
    recipe = experiments.get(base)
    ablated = experiments.override(recipe, **ABLATIONS[name].values)
    assert set(recipes.changed(recipe, ablated)) == CHANGED[name]
    assert recipes.from_config(recipes.to_config(ablated)) == ablated


@pytest.mark.parametrize("name", ABLATIONS)
def test_a_row_builds(name):
    values = dict(ABLATIONS[name].values)
    for player in ("generator", "discriminator"):
        values[player] = {**values.get(player, {}), **TINY}
    gan = experiments.build("cifar10-samples", seed=2, **values)
    kinds = {
        type(layer).__name__
        for network in (gan.generator, gan.discriminator)
        for layer in network.layers
    }
    assert ("VirtualBatchNorm" in kinds) == (name not in ("-VBN+BN", "dcgan"))
    assert ("JointMinibatchDiscrimination" in kinds) == (name not in ("-MBF", "dcgan"))
    assert ("CrossBatchNorm" in kinds) == (name != "dcgan")
    assert gan.labels == (name not in ("-L", "-L+HA", "dcgan"))
    assert set(gan.histories) == ({"generator", "discriminator"} if name == "-L+HA" else set())
    targets = {"-LS": (0.0, 0.5), "dcgan": (0.0, 1.0)}.get(name, (0.25, 0.375))
    assert (gan.smoothing, gan.generator_target) == targets
    assert gan.noise == (0.0 if name == "dcgan" else 0.1)
    assert gan.sample(2, seed=1).shape == (2, 16, 16, 3)


def test_the_whole_model_at_32_pixels():
    gan = experiments.build("cifar10-samples")
    assert gan.generator.output_shape == (None, 32, 32, 3)
    assert gan.discriminator.output_shape == (None, 11)
    assert [tuple(x.shape[1:]) for x in gan.generator.inputs][:2] == [(100,), (4, 4, 64)]


OPTIONS = ["--data", "digits", "--image-size", "null", "--width", "0.0625", "--batch-size", "20"]
OPTIONS += ["--steps-per-epoch", "4", "--quiet"]
PLAIN = ["--no-labels", "--smoothing", "0", "--generator-target", "1", "--noise", "0"]
PLAIN += ["--set", "generator.normalization=batch", "--set", "generator.noise_maps=false"]
PLAIN += [
    "--set",
    "discriminator.normalization=batch",
    "--set",
    "discriminator.minibatch_kernels=0",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "run"
    train = ["train", "cifar10-samples", "--out", str(out), "--epochs", "2", *OPTIONS, *PLAIN]
    assert cli.main(train) == 0
    return out


def test_a_run_without_labels(run, capsys, tmp_path):
    results = json.loads((run / "results.json").read_text())
    log = (run / "log.csv").read_text().splitlines()[0].split(",")
    for found in (results, log):
        assert {"real_loss", "fake_loss", "generator_loss"} <= set(found)
        assert not [key for key in found if "class" in key or "error" in key]
    assert cli.main(["evaluate", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "generator loss" in printed and "error" not in printed and "class loss" not in printed
    assert cli.main(["evaluate", str(run), "--json"]) == 0
    assert "test_error" not in json.loads(capsys.readouterr().out.splitlines()[-1])
    sample = ["sample", str(run), "--count", "4", "--out"]
    assert cli.main([*sample, str(tmp_path / "x.npz")]) == 0
    assert cli.main([*sample, str(tmp_path / "x.png"), "--batch-statistics"]) == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert set(arrays) == {"images", "z"}
    assert cli.main(["export", str(run), "--out", str(tmp_path / "generator")]) == 0
    assert cli.main(["report", str(run)]) == 0
    page = (run / "report/report.html").read_text()
    assert "generator loss" in page and "class loss" not in page and "error" not in page


@pytest.mark.long
def test_resume_is_exact(run, tmp_path):
    out = tmp_path / "run"
    begin = ["train", "cifar10-samples", "--out", str(out)]
    assert cli.main([*begin, "--epochs", "1", *OPTIONS, *PLAIN]) == 0
    assert cli.main([*begin, "--resume", "--epochs", "2", "--quiet"]) == 0
    last = "checkpoints/epoch-0002.weights.h5"
    checkpoints.assert_same(out / last, run / last)


def test_labels_and_logits_must_agree(tmp_path):
    """A discriminator of one's own that does not heed `num_classes`."""
    own = tmp_path / "own.py"
    own.write_text(
        "import keras\n"
        "import improved_gan_tf as ig\n"
        "recipe = ig.experiments.ImageNetRecipe(name='own', network='imagenet', labels=False)\n"
        "def discriminator(image_shape, num_classes):\n"
        "    x = keras.layers.Flatten()(images := keras.Input(image_shape))\n"
        "    return keras.Model(images, keras.layers.Dense(4)(x))\n"
    )
    recipe = experiments.override(experiments.get(own), generator={**TINY})
    refuse = refusal_of(experiments.build)
    refuse(
        "own: the discriminator must have one logit",
        recipe,
        discriminator={"image_shape": [16, 16, 3]},
    )
