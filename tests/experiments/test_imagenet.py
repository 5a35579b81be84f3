"""Runs of the recipe `imagenet` on the embedded digits, and what is refused."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import data, experiments
from improved_gan_tf.cli import main as cli
from improved_gan_tf.errors import UserError
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers import checkpoints

OPTIONS = ["--data", "digits", "--set", "image_size=null", "--width", "0.125", "--batch-size", "20"]
OPTIONS += ["--set", "steps_per_epoch=5", "--set", "generator.reference_size=4", "--quiet"]
OPTIONS += ["--set", "discriminator.minibatch_dims=3"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("imagenet") / "run"
    assert cli.main(["train", "imagenet", "--out", str(out), "--epochs", "3", *OPTIONS]) == 0
    return out


def test_run_folder(run):
    config = json.loads((run / "config.json").read_text())
    assert config["replicas"] == 1 and config["data"]["train_images"] == 1297
    with open(run / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["steps"] for row in rows] == ["5", "10", "15"]
    assert {"real_loss", "running_error", "val_error"} <= {k for k, v in rows[-1].items() if v}
    results = json.loads((run / "results.json").read_text())
    assert results["steps"] == 15 and results["class_loss"] == float(rows[-1]["class_loss"])
    assert (run / "generator/saved_model.pb").is_file()
    assert (run / "samples/epoch-0003.png").is_file()


@pytest.mark.long
def test_resume_is_exact(run, tmp_path):
    out = tmp_path / "run"
    begin = ["train", "imagenet", "--out", str(out)]
    assert cli.main([*begin, "--epochs", "2", *OPTIONS]) == 0
    assert cli.main([*begin, "--resume", "--epochs", "3", "--quiet"]) == 0
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run / last)


def test_commands_on_a_run(run, tmp_path, capsys):
    assert cli.main(["evaluate", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test_images"] == 500
    with open(run / "log.csv", newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert found["test_error"] == pytest.approx(float(last["val_error"]), abs=1e-5)
    assert cli.main(["evaluate", str(run)]) == 0
    assert "  test error  " in capsys.readouterr().out
    sample = ["sample", str(run), "--count", "4", "--out"]
    for name in ("grid.png", "images.npz", "walk.gif"):
        assert cli.main([*sample, str(tmp_path / name)]) == 0
    with np.load(tmp_path / "images.npz") as arrays:
        assert arrays["images"].shape == (4, 8, 8, 1)
        assert arrays["h1z"].shape == (4, 8, 8, 8)
    assert cli.main([*sample, str(tmp_path / "x.png"), "--batch-statistics"]) == 2
    assert "never uses the other images" in capsys.readouterr().err
    assert cli.main(["export", str(run), "--out", str(tmp_path / "generator")]) == 0
    assert cli.main(["report", str(run)]) == 0
    page = (run / "report/report.html").read_text()
    assert "discriminator loss, generated images" in page and "Semi-supervised" not in page


def test_damaged_data_are_named(tmp_path):
    """Damage that the opening cannot see: training stops and the file is named."""
    out = tmp_path / "run"
    recipe = experiments.override(
        experiments.get("imagenet"),
        data="digits",
        image_size=None,
        batch_size=20,
        steps_per_epoch=2,
        epochs=1,
        generator={"width": 0.125},
        discriminator={"width": 0.125},
    )
    stream = data.load_stream("digits", image_size=None, batch_size=20)

    def broken(*_):
        return stream.train().map(lambda x, y: (tf.debugging.check_numerics(x / 0.0, "bad"), y))

    class Broken:
        def __getattr__(self, name):
            return getattr(stream, name)

        def train(self, *arguments):
            return broken()

        def check(self):
            raise UserError("records:x: train-00001 cannot be read from record 17 on")

    gan = experiments.build(recipe, stream)
    with pytest.raises(UserError, match="train-00001"):
        experiments.experiment(recipe).fit(gan, Broken(), 0, [])
    assert not RunFolder(out).path.exists()


def _bad(*arguments):
    return pytest.param(arguments[:-1], arguments[-1], id=arguments[-1][:40])


@pytest.mark.parametrize(
    "arguments, message",
    [
        _bad("--devices", "1000", "give at most"),
        _bad("--set", "smoothing=2", "smoothing must be at least 0 and below 1"),
        _bad("--set", "steps_per_epoch=0", "steps_per_epoch must be at least 1"),
        _bad("--data", "mnist", "--data-dir", "/nowhere", "mnist: not found in /nowhere"),
        _bad("--data", "records:/nowhere", "/nowhere"),
        _bad("--batch-size", "5000", "batch size 5000"),
        _bad("--set", "image_size=28", "square images of 8, 16, 32, 64 or 128"),
    ],
)
def test_bad_input(arguments, message, tmp_path, capsys):
    out = tmp_path / "run"
    assert cli.main(["train", "imagenet", "--out", str(out), *OPTIONS, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "TF_CONFIG is not JSON"),
        ("[]", "names no workers"),
        ('{"cluster": {"worker": []}}', "names no workers"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}}', "tasks of type 'ps'"),
        ('{"cluster": {"worker": ["localhost"]}}', "no list of host:port"),
        ('{"cluster": {"worker": ["a:99999"]}}', "no list of host:port"),
        ('{"cluster": {"worker": ["a:1"]}}', "the task None is not in"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "not in its"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "not in its"),
    ],
)
def test_bad_cluster(text, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    out = tmp_path / "run"
    assert cli.main(["train", "imagenet", "--out", str(out), *OPTIONS]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()
