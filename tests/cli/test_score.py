"""The commands of the Inception tool, and what they are given: runs, exported generators."""

import argparse
import json
import os
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf import data, images, metrics
from improved_gan_tf.cli import main as cli
from improved_gan_tf.cli import score as command
from improved_gan_tf.errors import UserError
from tests.helpers.paths import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:the Inception score of:UserWarning")


@pytest.fixture(scope="module")
def digits_classifier(tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "digits.keras"
    return path, metrics.train_classifier("digits", path, epochs=8, verbose=False)


def test_the_classifier_command_records_what_it_made(digits_classifier, tmp_path):
    path, about = digits_classifier
    assert about == json.loads(path.with_suffix(".json").read_text())
    assert about["test_images"] == 500 and about["epochs"] == 8
    # 8 of the default 40 epochs; a tenth would be chance for nobody.
    assert about["test_error"] < 0.10
    with pytest.raises(UserError, match="written as a .keras file"):
        metrics.train_classifier("digits", tmp_path / "x.h5")
    np.save(tmp_path / "unlabeled.npy", np.full((9, 8, 8, 1), 100, np.uint8))
    with pytest.raises(UserError, match="has no labels or no test set"):
        metrics.train_classifier(tmp_path / "unlabeled.npy", tmp_path / "x.keras")
    # Its path will do where a classifier is expected.
    found = metrics.inception_score("digits@test", 2, classifier=path)
    assert found.protocol["extractor"] == "digits.keras"


def _interrupted(monkeypatch, call):
    """Has that call of `fit` interrupted; returns the list of every call's first epoch."""
    fit, epochs = keras.Model.fit, []

    def stopped(self, *arguments, **values):
        epochs.append(values["initial_epoch"])
        if len(epochs) == call:
            raise KeyboardInterrupt
        return fit(self, *arguments, **values)

    monkeypatch.setattr(keras.Model, "fit", stopped)
    return epochs


@pytest.mark.long
def test_a_stopped_classifier_is_trained_on(tmp_path, monkeypatch):
    same = {"epochs": 3, "network": "residual", "mirror": True, "verbose": False}
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    arrays = {"x_train": images, "y_train": np.arange(60) % 2}
    arrays |= {"x_test": images[:8], "y_test": np.arange(8) % 2}
    np.savez(tmp_path / "images.npz", **arrays)
    name = f"npz:{tmp_path / 'images.npz'}"
    whole = metrics.train_classifier(name, tmp_path / "whole.keras", **same)

    epochs = _interrupted(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        metrics.train_classifier(name, tmp_path / "stopped.keras", **same)
    resumed = metrics.train_classifier(name, tmp_path / "stopped.keras", **same)
    assert epochs == [0, 1, 2, 2]
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    for a, b in zip(
        *(
            keras.saving.load_model(tmp_path / f"{x}.keras").get_weights()
            for x in ("whole", "stopped")
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    assert not list(tmp_path.glob("*.partial.*"))
    for bad, words in (
        ({"network": "resnet"}, "network must be one of convolutional, residual"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"seed": -1}, "expected an integer from 0"),
    ):
        with pytest.raises(UserError, match=words):
            metrics.train_classifier(name, tmp_path / "x.keras", **{**same, **bad})


@pytest.mark.filterwarnings("always::UserWarning")
def test_a_damaged_unfinished_training_is_begun_anew(tmp_path, monkeypatch, capsys):
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    labels = np.array([0, 1, 0, 1, -1, -1, 0, 1, 0, 1, 0, 1])
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images[:4],
             y_test=labels[:4])  # fmt: skip
    made = f"npz:{tmp_path / 'images.npz'}", tmp_path / "x.keras"
    same = {"epochs": 2, "verbose": False}
    left_out = "images.npz: 2 train images without a label are left out"
    with pytest.warns(UserWarning, match=left_out):
        whole = metrics.train_classifier(*made, **same)
    assert whole["train_images"] == 10

    epochs = _interrupted(monkeypatch, 2)
    with pytest.warns(UserWarning, match=left_out), pytest.raises(KeyboardInterrupt):
        metrics.train_classifier(*made, **same)
    with zipfile.ZipFile(tmp_path / "x.partial.keras") as archive:
        (weights,) = [one for one in archive.infolist() if one.filename.endswith(".h5")]
    content = bytearray((tmp_path / "x.partial.keras").read_bytes())
    content[weights.header_offset + 200] ^= 255
    (tmp_path / "x.partial.keras").write_bytes(content)
    with pytest.warns(UserWarning, match=left_out):
        again = metrics.train_classifier(*made, **same)
    assert epochs == [0, 1, 0, 1] and again["test_loss"] == whole["test_loss"]
    options = ["--data", made[0], "--epochs", "1", "--quiet"]
    assert cli.main(["classifier", str(made[1]), *options]) == 0
    assert capsys.readouterr().err == f"warning: npz:{tmp_path}/{left_out}\n"


def _command(*arguments):
    """The result of `score` as a program sees it."""
    options = cli.parser().parse_args(["score", *map(str, arguments), "--quiet"])
    options.command(options)


def test_score_command(digits_classifier, tmp_path, capsys):
    model = ("--classifier", digits_classifier[0])
    _command("digits@test", *model, "--save-statistics", tmp_path / "s.npz", "--no-score", "--kid")
    _command(
        "digits",
        *model,
        "--reference",
        tmp_path / "s.npz",
        "--kid",
        "--kid-subset-size",
        100,
        "--kid-subsets",
        4,
        "--best",
        0.01,
        "--best-out",
        tmp_path / "best",
        "--best-out",
        tmp_path / "best.png",
        "--best-out",
        tmp_path / "best.npz",
        "--per-image",
        tmp_path / "p.csv",
        "--shuffle",
        7,
        "--out",
        tmp_path / "r.json",
        "--json",
    )
    captured = capsys.readouterr()
    printed = json.loads(captured.out.splitlines()[-1])
    assert printed == json.loads((tmp_path / "r.json").read_text())
    assert "1297 images is biased" in captured.err
    # Ten kinds of digit, told apart with few errors.
    assert 7 < printed["inception_score"]["mean"] <= 10
    assert 0 < printed["fid"] < 20 and abs(printed["kid"]["mean"]) < 0.5
    assert printed["protocol"]["shuffle_seed"] == 7 and printed["protocol"]["count"] == 1297
    assert printed["best"]["count"] == 13 == len(list((tmp_path / "best").iterdir()))
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert len(rows) == 1298
    kl = np.array([float(row.split(",")[1]) for row in rows[1:]])
    assert printed["best"]["mean_kl_nats"] == pytest.approx(np.sort(kl)[-13:].mean(), abs=1e-4)
    # The best ones are those images.
    best = np.asarray(Image.open(tmp_path / "best" / "00000.png"))
    originals = list(data.as_images("digits").images(lambda image: image, 1))
    np.testing.assert_array_equal(best, originals[int(kl.argmax())][..., 0])
    with np.load(tmp_path / "best.npz") as arrays:
        order = arrays["index"]
        np.testing.assert_allclose(kl[order], np.sort(kl)[::-1][:13], atol=2e-6)
        np.testing.assert_array_equal(arrays["images"], np.stack([originals[i] for i in order]))
        expected = images.grid(arrays["images"])[..., 0]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "best.png")), expected)
    assert printed["best"]["images"] == [
        str(tmp_path / n) for n in ("best", "best.png", "best.npz")
    ]
    _command(tmp_path / "best", *model, "--splits", 1)
    text = capsys.readouterr().out
    for word in ("Inception score", "digits.keras", "1 splits, in order", "13"):
        assert word in text


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["digits", "--best", "0.1"], "go together"),
        (["digits", "--best", ".1", "--best-out", "x.jpg"], "unknown suffix .jpg; choose .png"),
        (["digits", "--best", ".1", *["--best-out", "x.png"] * 2], "names one place twice"),
        (
            ["digits", "--out", "/dev/null/x.json", "--weights", "/y"],
            "cannot write /dev/null/x.json",
        ),
        (["digits", "--save-statistics", "/dev", "--weights", "/y"], "/dev is a folder"),
        (["digits", "--best", "0.1", "--best-out", "/dev"], "not an empty folder"),
        (["digits", "--kid"], "--kid needs --reference"),
        (["digits", "--no-score"], "leaves nothing to do"),
        (["digits", "--extractor", "x", "--weights", "y"], "takes Inception's place"),
        (["digits", "--classifier", "/absent.keras"], "no such classifier"),
        (["digits", "--extractor", "x"], "choose inception, a .keras file, .*keras_hub:PRESET"),
        (["digits", "--extractor", "keras_applications:x"], "keras.applications has no 'x'"),
        (["digits", "--weights", "/absent.pth"], "no such file of Inception weights"),
        (["digits", "--count", "5", "--weights", "/absent.pth"], "5 images cannot be split"),
        (["digits", "--reference", "/absent/x", "--classifier", "/y"], "no such file or folder"),
    ],
)
def test_score_command_refuses_early(arguments, message):
    with pytest.raises(UserError, match=message):
        _command(*arguments)


def test_all_metrics_and_stored_features(digits_classifier, tmp_path, capsys):
    model = ("--classifier", digits_classifier[0])
    sizes = ("--kid-subset-size", 100, "--kid-subsets", 2, "--mind-projections", 20)
    both = {name: tmp_path / f"{name}.npz" for name in ("test", "train")}
    for name, path in both.items():
        _command(f"digits@{name}", *model, "--no-score", "--save-features", path)
    reference = ("--reference", "digits@train", *sizes)
    _command("digits@test", *model, *reference, "--metrics", "all", "--splits", 2, "--json")
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    expected = [name for name in metrics.METRICS if name not in ("sfid", "cmmd")]
    assert list(found)[: len(expected)] == expected
    assert "warning: left out of all: sfid, cmmd; name one to see why" in captured.err
    # Real images: nearly all in each other's balls.
    assert found["precision"] > 0.6 and found["recall"] > 0.6
    assert 0.7 < found["density"] < 1.2 and found["coverage"] > 0.6
    # By the labels of the data set: all digits of a class look alike.
    assert found["intra_fid"]["classes"].keys() == set("0123456789")
    assert found["inception_score_per_class"]["mean"] < 2 < found["inception_score"]["mean"]
    stored = (both["test"], "--reference", both["train"], *sizes, "--splits", 2)
    _command(*stored, "--metrics", "all", "--json", "--per-image", tmp_path / "images.csv")
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: again[name] for name in expected} == {name: found[name] for name in expected}
    assert (tmp_path / "images.csv").read_text().count("\n") == 501
    with pytest.raises(UserError, match="--best picks images, but .*test.npz holds their stat"):
        _command(*stored, "--best", 0.1, "--best-out", tmp_path / "best.png")
    with pytest.raises(UserError, match="count chooses among images, but .*test.npz holds their"):
        _command(*stored, "--count", 9)
    for arguments, message in (
        (("--metrics", "psnr"), "no metric 'psnr'; choose from inception_score"),
        (("--metrics", "fid", "--labels", "x"), "no figure uses them; name intra_fid"),
        (("--metrics", "intra_fid", "--labels", "/x"), "labels file /x does not exist"),
        (("--metrics", "sfid"), "digits.keras gives no spatial features"),
        (("--metrics", "kid", "--kid-kernel", "linear"), "no kernel 'linear'; choose from"),
        (("--metrics", "fid", "--kid"), "leave out --kid and --no-score"),
        (("--save-features", "x", "--save-statistics", "y"), "leave out --save-statistics"),
    ):
        with pytest.raises(UserError, match=message):
            _command("digits@test", *model, *reference, *arguments)


def test_figures_are_printed_before_files_are_written(
    digits_classifier, tmp_path, monkeypatch, capsys
):
    def full(path, value):
        raise UserError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(command, "write_json", full)
    out = tmp_path / "new folder" / "r.json"
    with pytest.raises(UserError, match="No space left"):
        _command("digits@test", "--classifier", digits_classifier[0], "--out", out)
    assert "Inception score" in capsys.readouterr().out
    assert out.parent.is_dir() and not out.exists()


def test_the_script_prints_one_line_for_bad_input(tmp_path):
    found = subprocess.run(
        [sys.executable, ROOT / "tools" / "inception_score.py", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = [line for line in found.stderr.splitlines() if "error:" in line]
    assert found.returncode == 2 and len(lines) == 1 and "Traceback" not in found.stderr


def test_generators_and_runs(tmp_path, digits_classifier, capsys):
    """An exported generator, and the folder of a run, drawn from as they are."""
    from improved_gan_tf import experiments, export
    from improved_gan_tf.experiments import recipes
    from improved_gan_tf.runs.folder import RunFolder

    # A run as `train` leaves it, after no step.
    recipe = experiments.get("digits")
    run = tmp_path / "run"
    folder, data = RunFolder(run), experiments.load_data(recipe)
    gan = experiments.build(recipe, data)
    sizes = {"image_shape": data.image_shape, "num_classes": data.num_classes}
    config = {**recipes.to_config(recipe), "data": sizes}
    folder.start(config, data.labeled_indices)
    folder.save_checkpoint(gan, 1)
    export.export(gan, folder.generator)
    arguments = ("--classifier", digits_classifier[0], "--splits", 2, "--samples", 220, "--json")

    def score(*more):
        _command(*more, *arguments)
        return json.loads(capsys.readouterr().out)

    of_run = score(run, "--seed", 4)
    assert of_run == score(run, "--seed", 4)
    assert "epoch 1" in of_run["protocol"]["images"] and "seed 4" in of_run["protocol"]["images"]
    assert of_run["protocol"]["count"] == 220
    for folder in (run, run / "generator"):  # in Python, where no seed is given
        with pytest.raises(UserError, match="open it with experiments.open_generator"):
            metrics.inception_score(folder)
    # The exported generator knows its range.
    exported = score(run / "generator")["inception_score"]
    assert 1 <= exported["mean"] <= 10
    assert exported == score(run / "generator", "--range", 0, 1)["inception_score"]
    assert exported != score(run / "generator", "--range", -1, 1)["inception_score"]
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"has no sample\(n, seed\)"):
        score(tmp_path / "empty")


def test_a_folder_of_the_best_images_comes_last(tmp_path, monkeypatch):
    """One that is there is refused: killed before it, the same command can be given again."""

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "save_folder", killed)
    outs = [str(tmp_path / name) for name in ("best", "best.png", "best.npz")]
    options = argparse.Namespace(best_out=outs, workers=1)
    source = data.as_images(np.full((9, 8, 8, 1), 9, np.uint8))
    with pytest.raises(KeyboardInterrupt):
        command._write_best(options, source, np.array([3, 1]))
    assert sorted(os.listdir(tmp_path)) == ["best.npz", "best.png"]


def test_a_classifier_that_cannot_begin_anew_is_one_line(tmp_path):
    """The file of an earlier training cannot be removed, as on a disk that is read-only."""
    (tmp_path / "x.partial.keras").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*x.partial.keras: "):
        metrics.train_classifier("digits", tmp_path / "x.keras", verbose=False)
