"""The command line, in this process: what it prints, its exit codes, what it leaves alone."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data, experiments
from improved_gan_tf.cli import commands
from improved_gan_tf.cli import main as cli
from improved_gan_tf.images import save_folder, to_uint8
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers.one_line import refused_command, refused_usage

SMALL = ["--set", "generator.units=[16,16]", "--set", "discriminator.units=[32,16]", "--no-jit"]
SMALL += ["--checkpoint-seconds", "0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "digits"
    arguments = ["train", "digits", "--out", str(out), "--epochs", "2", "--quiet", *SMALL]
    assert cli.main(arguments) == 0
    return out


def test_the_list_of_commands_needs_next_to_nothing():
    """Under 0.3 s: `tools/benchmark.py startup`. Each command is there, with its own options."""
    script = (
        "import sys, improved_gan_tf.cli.main as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "found = {name.split('.')[0] for name in sys.modules}\n"
        "assert not found & {'numpy', 'PIL', 'tensorflow', 'keras'}\n"
        "assert 'improved_gan_tf.experiments' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    text = " ".join(shown.stdout.split())
    for name, summary in commands.COMMANDS.items():
        assert f"{name} {summary}" in text
        with pytest.raises(SystemExit) as stop:
            cli.main([name, "--help"])
        assert stop.value.code == 0


def test_help_needs_no_tensorflow():
    script = (
        "import sys, improved_gan_tf.cli.main as cli\n"
        "try: cli.main(['train', '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    start = time.perf_counter()
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    for option in ("--labels-per-class", "--no-jit-compile", "--steps-per-epoch", "--image-size"):
        assert option in shown.stdout
    text = " ".join(shown.stdout.split())
    assert "--seed-data SEED_DATA Seed of the choice of the labeled images (default 1)" in text
    assert "{feature_matching,minibatch_discrimination,supervised}" in text
    assert time.perf_counter() - start < 30  # a hang, not a benchmark


def test_train_prints_both_error_rates(tmp_path, capsys):
    out = tmp_path / "run"
    code = cli.main(["train", "digits", "--out", str(out), "--epochs", "1", *SMALL])
    shown = capsys.readouterr().out
    assert code == 0
    results = json.loads((out / "results.json").read_text())
    gan = 100 * results["test_error"]
    alone = 100 * results["baseline"]["test_error"]
    assert re.search(rf"^  test error, averaged parameters +{gan:.2f} %", shown, re.M)
    baseline = "supervised-only baseline: test error, averaged parameters"
    assert re.search(rf"^  {baseline} +{alone:.2f} %", shown, re.M)
    assert "epoch 1/1: error" in shown


def test_recipe_values_can_be_set(tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--labels-per-class", "5", "--seed", "3", "--seed-data", "4", "--no-baseline"]
    options += ["--learning-rate", "0.001", "--set", "discriminator.input_noise=0.1"]
    assert (
        cli.main(
            ["train", "digits", "--out", str(out), "--epochs", "1", "--quiet", *options, *SMALL]
        )
        == 0
    )
    recipe = json.loads((out / "config.json").read_text())["recipe"]
    assert recipe["labels_per_class"] == 5 and recipe["seed"] == 3 and recipe["seed_data"] == 4
    assert recipe["discriminator"]["input_noise"] == 0.1
    assert recipe["discriminator"]["units"] == [32, 16]
    overrides = json.loads((out / "config.json").read_text())["overrides"]
    assert overrides["discriminator.input_noise"] == 0.1
    assert "discriminator.hidden_noise" not in overrides
    assert recipe["jit_compile"] is False and recipe["learning_rate"] == 0.001
    assert len(np.load(out / "labeled_indices.npy")) == 50


def test_resume_needs_no_repeated_options(run, tmp_path):
    out = str(tmp_path / "run")
    begin = ["train", "digits", "--out", out, "--quiet", "--no-baseline"]
    assert cli.main([*begin, "--epochs", "1", *SMALL]) == 0
    assert cli.main(["train", "digits", "--out", out, "--resume", "--epochs", "2", "--quiet"]) == 0
    ours = json.loads((tmp_path / "run/results.json").read_text())
    whole = json.loads((run / "results.json").read_text())
    assert ours["test_error"] == whole["test_error"]


def test_evaluate(run, capsys):
    assert cli.main(["evaluate", str(run), "--json"]) == 0
    errors = json.loads(capsys.readouterr().out)
    assert errors["test_error"] == json.loads((run / "results.json").read_text())["test_error"]
    confusion = np.array(errors["confusion"])
    assert confusion.shape == (10, 10) and confusion.sum() == errors["test_images"] == 500
    assert 1 - np.trace(confusion) / 500 == pytest.approx(errors["test_error"])
    per_class = errors["errors_per_class"]
    assert list(per_class) == list("0123456789")
    assert per_class["3"] == pytest.approx(1 - confusion[3, 3] / confusion[3].sum())
    picture = run.parent / "confusion.png"
    assert cli.main(["evaluate", str(run), "--confusion", str(picture)]) == 0
    with Image.open(picture) as image:
        assert image.width == image.height > 500
    shown = capsys.readouterr().out
    count = round(errors["test_error"] * 500)
    error = f"{100 * errors['test_error']:.2f} %  \\({count} errors\\)"
    assert re.search(f"^  test error, averaged parameters +{error}$", shown, re.M)
    for name in ("test error, current parameters", "test error, the original's average"):
        assert re.search(f"^  {name} +[0-9.]+ %  ", shown, re.M)


@pytest.mark.long
def test_evaluate_several(run, tmp_path, capsys):
    """Two seeds: each one's errors, their mean and standard deviation, and their ensemble."""
    other = tmp_path / "other"
    options = ["--epochs", "2", "--seed", "2", "--no-baseline", "--quiet", *SMALL]
    assert cli.main(["train", "digits", "--out", str(other), *options]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", str(run), str(other)]) == 0
    shown = capsys.readouterr().out
    errors = [json.loads((out / "results.json").read_text())["test_error"] for out in (run, other)]
    low, high = sorted(f"{100 * error:.2f}" for error in errors)
    mean, deviation = 50 * sum(errors), 100 * abs(errors[0] - errors[1]) / 2**0.5
    assert f"{other}: digits after 2 epochs, 500 test images" in shown.splitlines()
    last = shown[shown.index("2 runs: mean +- standard deviation") :]
    line = (
        rf"test error, averaged parameters +{mean:.2f} %  \+- {deviation:.2f}  \({low} to {high}\)"
    )
    assert re.search(line, last)
    assert cli.main(["evaluate", str(run), str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["test_error"] for each in found["runs"]] == errors
    assert [each["run"] for each in found["runs"]] == [str(run), str(other)]
    assert found["mean"]["test_error"] == pytest.approx(mean / 100)
    assert found["standard_deviation"]["test_error"] == pytest.approx(deviation / 100)
    assert found["ensemble"] == experiments.ensemble([run, other])
    count = round(500 * found["ensemble"]["test_error"])
    ensemble = last[last.index("their ensemble") :]
    assert re.search(
        rf"^  test error, averaged parameters +[0-9.]+ %  \({count} errors\)$", ensemble, re.M
    )
    assert cli.main(["evaluate", str(run), str(other), "--confusion", "x.png"]) == 2
    assert "--confusion draws one run" in capsys.readouterr().err


def test_sample(run, tmp_path, capsys):
    command = ["sample", str(run), "--count", "6", "--seed", "5", "--out"]
    names = ["grid.png", "images.npz", "path.gif", "folder"]
    for name in names:
        assert cli.main([*command, str(tmp_path / name)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / name) for name in names]
    with np.load(tmp_path / "images.npz") as archive:
        assert archive["images"].shape == (6, 8, 8, 1) and archive["images"].dtype == np.uint8
        assert archive["z"].shape == (6, 50)
        images = archive["images"]
    for i in range(6):
        picture = np.asarray(Image.open(tmp_path / "folder" / f"{i:05d}.png"))
        np.testing.assert_array_equal(picture, images[i, :, :, 0])
    with Image.open(tmp_path / "path.gif") as gif:
        assert gif.n_frames == 6 * 15 and gif.size == (224, 224)
    assert cli.main([*command[:-1]]) == 0
    assert (run / "sample.png").is_file()


def test_sample_by_class(run, tmp_path, capsys):
    command = ["sample", str(run), "--count", "30", "--out", str(tmp_path / "sorted.npz")]
    assert cli.main([*command, "--by-class"]) == 0
    with np.load(tmp_path / "sorted.npz") as archive:
        images, labels, z = (archive[name] for name in ("images", "labels", "z"))
    assert len(set(labels)) > 1 and (np.diff(labels) >= 0).all()
    assert cli.main(["predict", str(run), str(tmp_path / "sorted.npz")]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()[1:]))
    assert np.mean([int(row["class"]) for row in rows] == labels) > 0.9
    _, gan, _ = experiments.load_generator(run)
    drawn = to_uint8(gan.images(z), *gan.image_range)
    np.testing.assert_allclose(drawn.astype(int), images, atol=1)  # the latents are theirs
    assert cli.main(["sample", str(run), "--by-class", "--out", "x.gif"]) == 2
    assert "--by-class sorts images" in capsys.readouterr().err


def test_predict(run, tmp_path, capsys):
    out = tmp_path / "labels.csv"
    assert cli.main(["predict", str(run), "digits@test", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert list(rows[0]) == ["image", "class", "probability", "p_real"]
    assert [row["image"] for row in rows] == [str(i) for i in range(500)]
    truth = data.open("digits").labels("test")
    wrong = np.mean([int(row["class"]) for row in rows] != truth)
    expected = json.loads((run / "results.json").read_text())["test_error"]
    assert abs(wrong - expected) <= 0.004  # its pixels are rounded to bytes here
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)
    assert all(0 < float(row["p_real"]) < 1 for row in rows)


def test_predict_of_pictures(run, tmp_path, capsys):
    """Colour pictures of another size: named, made grey and resized as in training."""
    pixels = np.random.RandomState(0).randint(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    paths = save_folder(tmp_path / "pictures", pixels)
    assert cli.main(["predict", str(run), str(tmp_path / "pictures")]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["image"] for row in rows] == [str(path) for path in paths]
    assert cli.main(["predict", str(run), str(paths[1])]) == 0
    assert list(csv.DictReader(capsys.readouterr().out.splitlines())) == rows[1:]
    named = RunFolder(shutil.copytree(run, tmp_path / "named"))
    config = named.config()
    config["data"]["class_names"] = list("abcdefghij")
    named.write_config(config)
    assert cli.main(["predict", str(named), str(paths[1])]) == 0
    expected = "abcdefghij"[int(rows[1]["class"])]
    assert f"{paths[1]},{expected}," in capsys.readouterr().out
    _, gan, _ = experiments.load_generator(run)
    grey = [Image.open(path).resize((8, 8), Image.Resampling.BILINEAR) for path in paths]
    grey = [np.asarray(picture.convert("L"))[..., None] / np.float32(255) for picture in grey]
    logits = np.asarray(gan(np.stack(grey), training=False), np.float64)
    for row, z in zip(rows, logits, strict=True):
        e = np.exp(z)
        assert int(row["class"]) == z.argmax()
        assert float(row["probability"]) == pytest.approx(e.max() / e.sum(), abs=0.01)
        assert float(row["p_real"]) == pytest.approx(e.sum() / (1 + e.sum()), abs=0.01)
    assert cli.main(["predict", str(run), str(tmp_path / "absent.zip")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_report(run, capsys):
    assert cli.main(["report", str(run)]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert paths[-1].endswith("report.html")


def test_recipes(capsys):
    assert cli.main(["recipes"]) == 0
    assert "mnist-feature-matching" in capsys.readouterr().out
    assert cli.main(["recipes", "digits"]) == 0
    shown = capsys.readouterr().out
    for line in ("epochs +200 +Passes over", r"generator.units +\[128, 128\]", "image_size +null"):
        assert re.search(rf"^{line}", shown, re.M), line
    assert "supervised-only baseline 8.24 %" in shown


def _bad(*arguments):
    return pytest.param(arguments[:-1], arguments[-1], id=arguments[-1][:40])


@pytest.mark.parametrize(
    "arguments, message",
    [
        _bad("train", "digit", "no recipe 'digit' (did you mean 'digits'?); choose one of digits"),
        _bad("train", "digits", "--epochs", "0", "epochs must be at least 1, not 0"),
        _bad("train", "digits", "--epochs", "x", 'epochs must be a whole number, not "x"'),
        _bad("train", "digits", "--set", "learning_rate=x", "learning_rate must be a number, not"),
        _bad("train", "digits", "--set", "lr=1", "digits has no value 'lr'"),
        _bad("train", "digits", "--smoothing", "0.1", "digits has no value 'smoothing'"),
        _bad("train", "digits", "--set", "epochs", "--set takes KEY=VALUE"),
        _bad(
            "train", "digits", "--set", "discriminator.inputnoise=3", "did you mean 'input_noise'"
        ),
        _bad("train", "digits", "--set", "generator.units=3", "the dense generator cannot be made"),
        _bad("train", "digits", "--set", 'network="resnet"', "no network 'resnet'"),
        _bad("train", "digits", "--mixed-precision", "int8", "mixed_precision must be one of"),
        _bad("train", "digits", "--labels-per-class", "500", "labels per class"),
        _bad("train", "digits", "--batch-size", "5000", "batch size 5000"),
        _bad("train", "digits", "--seed", "-1", "seed must be at least 0"),
        _bad("train", "digits", "--data", "npz:absent.npz", "absent.npz"),
        _bad("train", "digits", "--data", "folder:absent", "absent"),
        _bad("train", "digits", "--data", "no_such_data_set", "no_such_data_set"),
        _bad("train", "mnist-custom-labels", "needs a file of labels: --labels-file FILE"),
        _bad("evaluate", "absent", "--confusion", "x.jpg", "--confusion writes a .png file, not"),
        _bad("evaluate", "absent", "absent is not the folder of a run"),
        _bad("export", "absent", "absent is not the folder of a run"),
        _bad("report", "absent", "absent"),
        _bad("sample", "absent", "--out", "grid.jpg", "grid.jpg: unknown suffix .jpg; choose"),
        _bad("sample", "absent", "--out", "walk.mp4", "unknown suffix .mp4; choose .png, .npz"),
        _bad(
            "sample",
            "absent",
            "--count",
            "1000000",
            "--out",
            "x.png",
            "at most 10,000 images; name",
        ),
        _bad("sample", "absent", "--count", "251", "--out", "x.gif", "251 is too many for x.gif"),
        _bad("sample", "absent", "--columns", "5", "--out", "a.npz", "--columns changes nothing"),
        _bad("sample", "absent", "--frames", "15", "--frames changes nothing in absent/sample.png"),
        _bad("recipes", "imagenet", "--new", "own.py", "--new takes no recipe, since it"),
    ],
)
def test_bad_input(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in refused_command(capsys, *arguments)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        _bad("train", "the following arguments are required: RECIPE"),
        _bad("nothing", "no command 'nothing'; choose one of train, recipes, evaluate"),
        _bad("trian", "digits", "no command 'trian' (did you mean 'train'?); choose one of train"),
        _bad("train", "digits", "--epoch5=3", "arguments: --epoch5=3 (did you mean --epochs?)"),
        _bad("sample", "run", "--cuont", "3", "arguments: --cuont 3 (did you mean --count?)"),
        _bad("report", "run", "--seed", "3", "unrecognized arguments: --seed 3 (see"),
    ],
)
def test_bad_usage(arguments, message, capsys):
    assert message in refused_usage(capsys, *arguments)


def test_dataset_absent_without_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMPROVED_GAN_TF_DATA", str(tmp_path / "none"))
    out = tmp_path / "run"
    assert cli.main(["train", "mnist-feature-matching", "--out", str(out)]) == 2
    shown = capsys.readouterr().err
    assert "mnist" in shown and shown.count("\n") == 1
    assert not out.exists()


def test_unknown_export_format(run, capsys):
    assert cli.main(["export", str(run), "--format", "pickle"]) == 2
    assert "unknown format 'pickle'" in capsys.readouterr().err


def test_out_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["train", "digits", "--out", str(tmp_path / "file")]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.long
def test_custom_labels_on_mnist(shared_data, tmp_path, monkeypatch, capsys):
    """MNIST by TFDS, labels from a file: trains on 8,000 of the test images, tests on the rest."""
    with np.load(shared_data / "mnist.npz") as archive:
        labels = archive["y_test"][:8000].astype(int)
    labels[::3] = -1
    file = tmp_path / "labels.txt"
    np.savetxt(file, labels, fmt="%d")
    out = tmp_path / "run"
    command = ["train", "mnist-custom-labels", "--out", str(out), "--epochs", "1", "--quiet"]
    command += ["--data-dir", str(shared_data / "tfds"), *SMALL]
    assert cli.main([*command, "--labels-file", str(file)]) == 0
    # The data's folder is the run's, wherever the other commands are run.
    monkeypatch.setenv("IMPROVED_GAN_TF_DATA", str(tmp_path / "none"))
    assert cli.main(["evaluate", str(out)]) == 0
    capsys.readouterr()
    resumed = ["train", "mnist-custom-labels", "--out", str(out), "--resume", "--epochs", "2"]
    assert cli.main(resumed) == 0
    first = "mnist-custom-labels: 2 epochs of 80 steps, continuing after epoch 1"
    counts = "mnist: 100 labeled images (10 of each of 10 classes), 7,900 without a label, "
    assert capsys.readouterr().out.splitlines()[:2] == [f"{counts}2,000 test images", first]
    results = json.loads((out / "results.json").read_text())
    assert (results["test_images"], results["steps"], results["labels"]) == (2000, 160, 100)
    assert "baseline" not in capsys.readouterr().out
    chosen = np.load(out / "labeled_indices.npy")
    assert (labels[chosen] >= 0).all()
    for bad, message in ((labels[:-1], "7999"), (np.where(labels < 0, 10, labels), "10")):
        np.savetxt(file, bad, fmt="%d")
        assert cli.main([*command, "--labels-file", str(file), "--out", str(tmp_path / "x")]) == 2
        shown = capsys.readouterr().err
        assert message in shown and shown.count("\n") == 1
        assert not (tmp_path / "x").exists()
