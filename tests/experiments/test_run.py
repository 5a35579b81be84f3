"""Runs: what a folder holds, exact resume after a kill, what is refused."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from improved_gan_tf import data, experiments
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import recipes
from improved_gan_tf.experiments.ensemble import keep
from improved_gan_tf.files import is_temporary
from improved_gan_tf.runs import report
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers import checkpoints
from tests.helpers.full_disk import file_size_limit
from tests.helpers.one_line import refusal_of, refused_command

# A small network, whose 64 steps per epoch take long enough for a kill to land inside.
SMALL = {
    "generator": {"units": [16, 16]},
    "discriminator": {"units": [32, 16]},
    "batch_size": 20,
    "epochs": 3,
    "jit_compile": False,
    "historical_averaging": 0.01,
    "baseline": False,
    "checkpoint_seconds": 0,
}


def _recipe(**values):
    return experiments.override(experiments.get("digits"), **{**SMALL, **values})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    results = experiments.train(_recipe(), out, verbose=False)
    return out, results


def test_folder(run):
    out, results = run
    names = {p.name for p in out.iterdir()}
    assert names == {
        "config.json",
        "labeled_indices.npy",
        "log.csv",
        "tensorboard",
        "samples",
        "checkpoints",
        "generator",
        "results.json",
    }
    grids = {f"epoch-000{i}.png" for i in (1, 2, 3)}
    assert {p.name for p in (out / "samples").iterdir()} == {*grids, "real.png"}
    # The same grid as that of the generated images, of the test set.
    with Image.open(out / "samples/epoch-0001.png") as generated:
        size = generated.size
    with Image.open(out / "samples/real.png") as real:
        assert real.size == size
        tile = np.asarray(real)[7:63:7, 7:63:7]
    tested = data.load("digits", 10, batch_size=50).test_images[0, :, :, 0]
    np.testing.assert_array_equal(tile, np.rint(tested * (255 / 16)).astype(np.uint8))
    with open(out / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert rows[-1]["steps"] == "192"
    assert float(rows[-1]["val_error"]) == pytest.approx(results["test_error"], abs=1e-6)
    assert json.loads((out / "results.json").read_text()) == results
    config = json.loads((out / "config.json").read_text())
    sizes = {"generator.units": [16, 16], "discriminator.units": [32, 16]}
    others = {k: v for k, v in SMALL.items() if k not in ("generator", "discriminator")}
    assert config["overrides"] == {**others, **sizes} and config["kind"] == "semi_supervised"
    chosen = np.load(out / "labeled_indices.npy")
    labels = data.open("digits").labels("train")[chosen]
    assert np.bincount(labels).tolist() == [10] * 10
    assert not list(out.rglob("*tmp*"))
    assert len(report.report(out)) == 4


@pytest.mark.long
def test_killed_in_an_epoch_and_resumed(run, tmp_path):
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "improved_gan_tf", "train", "digits", "--out", str(out)]
    options = ["--quiet", "--no-baseline", "--no-jit", "--epochs", "3", "--batch-size", "20"]
    options += ["--set", "generator.units=[16,16]", "--set", "discriminator.units=[32,16]"]
    options += ["--historical-averaging", "0.01", "--checkpoint-seconds", "0"]
    process = subprocess.Popen([*command, *options])
    _wait_for(lambda: (out / "checkpoints" / "epoch-0001.weights.h5").exists(), process)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "checkpoints" / "epoch-0003.weights.h5").exists()
    finished = subprocess.run([*command, "--resume", "--quiet"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run[0] / last)
    # The log has each epoch once, and the same values but for the time taken.
    logs = []
    for folder in (out, run[0]):
        with open(folder / "log.csv", newline="") as stream:
            logs.append([{**row, "seconds": None} for row in csv.DictReader(stream)])
    assert logs[0] == logs[1]


_KILLED_WHILE_WRITING = """
import os, signal, sys
from improved_gan_tf import experiments
fsync = os.fsync
def killed(file):
    if os.readlink(f"/proc/self/fd/{file}").endswith("epoch-0002.weights.h5"):
        os.truncate(file, 1000)   # the checkpoint of the second epoch is half-written
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(file)
os.fsync = killed
values = {values!r}
recipe = experiments.override(experiments.get("digits"), **values)
experiments.train(recipe, sys.argv[1], verbose=False)
"""


def test_killed_while_a_checkpoint_is_written(run, tmp_path):
    out = tmp_path / "killed"
    script = _KILLED_WHILE_WRITING.replace("{values!r}", repr(SMALL))
    process = subprocess.run([sys.executable, "-c", script, str(out)], capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert any(map(is_temporary, (out / "checkpoints").iterdir()))
    assert RunFolder(out).latest_checkpoint()[0] == 1
    experiments.train(_recipe(), out, resume=True, verbose=False)
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run[0] / last)
    names = {p.name for p in (run[0] / "checkpoints").iterdir()}
    assert {p.name for p in (out / "checkpoints").iterdir()} == names


def _wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.long
def test_more_epochs_by_resume(run, tmp_path):
    out = tmp_path / "run"
    experiments.train(_recipe(epochs=2), out, verbose=False)
    experiments.train(_recipe(epochs=3, checkpoint_seconds=60), out, resume=True, verbose=False)
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run[0] / last)
    with pytest.raises(UserError, match="has 3 epochs already"):
        experiments.train(_recipe(epochs=1), out, resume=True)


def test_results_of_fewer_epochs_do_not_stay(tmp_path, monkeypatch):
    """A finished run that is trained on, and stopped in that, is not finished."""
    out = RunFolder(tmp_path / "run")
    experiments.train(_recipe(epochs=1), out, verbose=False)
    keep(out)
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_results", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            experiments.train(_recipe(epochs=2), out, resume=True, verbose=False)
    assert not out.finished and out.probabilities() is None
    results = experiments.train(_recipe(epochs=2), out, resume=None, verbose=False)
    assert results["epochs"] == out.results()["epochs"] == 2


def test_load_run(run):
    recipe, loaded, gan, epochs = experiments.load_run(run[0])
    assert recipe == _recipe() and epochs == 3
    errors = experiments.evaluate(recipe, loaded, gan)
    assert errors["test_error"] == run[1]["test_error"]
    assert errors["test_error_current"] == run[1]["test_error_current"]


def _tree(folder):
    return {str(p): p.stat().st_mtime_ns for p in sorted(folder.rglob("*"))}


@pytest.mark.long
def test_baseline(tmp_path, capsys):
    """Resuming takes the finished one as it is, and trains it on where there are more epochs."""
    out = tmp_path / "run"
    results = experiments.train(_recipe(baseline=True, epochs=1), out)
    # Said once, before the GAN's run, and that the values are others.
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("expected"))
    expected = experiments.get("digits").expected
    assert line == f"expected of the unchanged recipe: {expected}"
    assert results["baseline"]["objective"] == "supervised"
    assert (out / "baseline/results.json").is_file()
    assert not (out / "baseline/samples").exists()
    before = _tree(out / "baseline")
    again = experiments.train(_recipe(baseline=True, epochs=1), out, resume=True, verbose=False)
    assert again == results and _tree(out / "baseline") == before
    longer = experiments.train(_recipe(baseline=True, epochs=2), out, resume=True, verbose=False)
    assert longer["baseline"]["epochs"] == 2
    assert RunFolder(out / "baseline").latest_checkpoint()[0] == 2


def test_a_baseline_has_no_trained_generator(tmp_path, capsys):
    out = str(tmp_path / "run")
    values = {"objective": "supervised", "epochs": 1, "generator_steps": 1}
    experiments.train(_recipe(**values), out, verbose=False)
    assert experiments.load_generator(out)[2] == 1  # its classifier is of use
    refusal_of(experiments.open_generator)(
        "supervised-only run, whose generator was not trained; name a GAN's run", out
    )
    for command in ("sample", "export"):
        error = refused_command(capsys, command, out)
        assert "supervised-only run, whose generator was not trained" in error
    assert not list(Path(out).glob("sample.png")) + list(Path(out).glob("generator"))


def test_used_folder_is_refused_and_untouched(run):
    before = _tree(run[0])
    with pytest.raises(UserError, match="not empty.*--resume"):
        experiments.train(_recipe(), run[0])
    with pytest.raises(UserError, match="was begun with learning_rate = 0.003, not 0.1"):
        experiments.train(_recipe(learning_rate=0.1), run[0], resume=True)
    assert _tree(run[0]) == before


def test_a_folder_that_is_being_written_is_refused_and_untouched(run, tmp_path):
    with RunFolder(run[0]).lock():
        before = _tree(run[0])
        with pytest.raises(UserError, match=rf"is being written by process {os.getpid()} on "):
            experiments.train(_recipe(), run[0], resume=True)
        assert _tree(run[0]) == before
    with RunFolder(tmp_path / "new").lock():
        with pytest.raises(UserError, match="is being written by process"):
            experiments.train(_recipe(), tmp_path / "new")
        assert os.listdir(tmp_path / "new") == ["lock"]


@pytest.mark.long
def test_as_far_as_it_is(run, tmp_path):
    """resume=None begins a run, continues it, or returns its results; of this recipe alone."""
    out = tmp_path / "run"
    experiments.train(_recipe(epochs=1), out, resume=None, verbose=False)
    results = experiments.train(_recipe(), out, resume=None, verbose=False)
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run[0] / last)
    before = _tree(out / "checkpoints")
    assert experiments.train(_recipe(), out, resume=None, verbose=False) == results
    assert _tree(out / "checkpoints") == before
    with pytest.raises(UserError, match="was begun with learning_rate = 0.003, not 0.1"):
        experiments.train(_recipe(learning_rate=0.1), out, resume=None)


def test_resume_needs_a_run(tmp_path):
    with pytest.raises(UserError, match="no config.json"):
        experiments.train(_recipe(), tmp_path / "absent", resume=True)
    assert not (tmp_path / "absent").exists()
    (tmp_path / "config.json").write_text("{broken")
    with pytest.raises(UserError, match="config.json cannot be read"):
        experiments.train(_recipe(), tmp_path, resume=True)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "text", "flipped"])
def test_bad_checkpoint(run, tmp_path, damage):
    """A damaged file, and one of another network, are named; nothing is overwritten."""
    folder = RunFolder(tmp_path / "run")
    recipe = _recipe()
    folder.start(RunFolder(run[0]).config(), np.load(run[0] / "labeled_indices.npy"))
    folder.checkpoints.mkdir()
    path = folder.checkpoints / "epoch-0002.weights.h5"
    whole = (run[0] / "checkpoints/epoch-0002.weights.h5").read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:90_000] + bytes([whole[90_000] ^ 1]) + whole[90_001:])
    elif damage == "text":
        path.write_text("no checkpoint")
    else:
        gan = experiments.build(_recipe(discriminator={"units": [8, 8]}), data.load("digits"))
        gan.save_weights(path)
    before = _tree(folder.path)
    with pytest.raises(UserError, match="epoch-0002.weights.h5 is damaged or not a checkpoint"):
        experiments.train(recipe, folder.path, resume=True)
    with pytest.raises(UserError, match="is damaged or not a checkpoint"):
        experiments.load_run(folder.path)
    assert _tree(folder.path) == before


def _copy(run, tmp_path):
    """The run, before its end."""
    out = RunFolder(tmp_path / "copy")
    shutil.copytree(run[0], out)
    (out.path / "results.json").unlink()
    return out


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("config.json", b'{"recipe": []}', "config.json: recipe must be an object"),
        ("config.json", b'{"recipe": {"name": "digits", "epochs": -1}}', "recipe.epochs must be"),
        (
            "config.json",
            b'{"recipe": {"name": "digits", "units": 1}}',
            "copy: config.json holds no",
        ),
        ("config.json", b'{"recipe": {"name": "digits", "beta_1": 9}}', "copy: beta_1 must be at"),
        ("log.csv", b"garbage", "log.csv has no column 'epoch'.* or remove it to go on without"),
        ("labeled_indices.npy", b"\x93NUMPY", "is no list of indices"),
        ("generator", b"", "generator is there and is no folder"),
        ("generator/notes.txt", b"", "generator holds something else than a generator"),
        ("baseline/config.json", b"{", "baseline/config.json cannot be read as JSON"),
        ("baseline/log.csv", b"\xff", "baseline/log.csv cannot be read as a log"),
    ],
)
def test_damage_is_found_before_anything_is_written(run, tmp_path, name, content, message):
    out, recipe = _copy(run, tmp_path), _recipe()
    if name.startswith("baseline"):
        recipe = _recipe(baseline=True)
        values = recipes.to_config(
            dataclasses.replace(recipe, objective="supervised", baseline=False)
        )
        out.baseline.start({**out.config(), **values}, out.labeled_indices())
        out.write_config({**out.config(), **recipes.to_config(recipe)})
    if name == "generator":
        shutil.rmtree(out.generator)
    (out.path / name).write_bytes(content)
    before = _tree(out.path)
    for resume in (True, None):
        with pytest.raises(UserError, match=message) as caught:
            experiments.train(recipe, out, resume=resume, verbose=False)
        assert "\n" not in str(caught.value) and _tree(out.path) == before


def test_a_run_goes_on_without_its_log_and_from_a_killed_export(run, tmp_path):
    """Killed while the exported generator was replaced: the old one is aside, the new one not in
    its place."""
    out = _copy(run, tmp_path)
    os.rename(out.generator, out.path / ".1.old.generator")
    shutil.copytree(out.path / ".1.old.generator", out.path / ".2.tmp.generator")
    (out.path / "log.csv").unlink()
    found = experiments.train(_recipe(), out, resume=True, verbose=False)
    assert found == {**run[1], "seconds": 0.0}
    assert set(os.listdir(out)) == set(os.listdir(run[0])) - {"log.csv"}


def test_other_data_are_refused(run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start(RunFolder(run[0]).config(), np.arange(100))
    with pytest.raises(UserError, match="the data are not those"):
        experiments.train(_recipe(), folder.path, resume=True)


def test_disk_full_while_checkpointing(run, tmp_path):
    """The run stops with one line, as often as it is tried; then it goes on to the same end."""
    out = tmp_path / "run"
    with file_size_limit(100_000):  # a checkpoint has 180 kB, everything before it less
        for resume in (False, True):
            with pytest.raises(UserError, match="cannot write .*epoch-0001.*too large.*--resume"):
                experiments.train(_recipe(), out, verbose=False, resume=resume)
    assert not list(filter(is_temporary, out.rglob("*"))) and not list(out.glob("checkpoints/*"))
    experiments.train(_recipe(), out, verbose=False, resume=True)
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run[0] / last)


def test_nan_stops_training(tmp_path):
    # A learning rate at which float32 overflows within an epoch.
    said = "became (nan|inf).*stopped before the first checkpoint; .* in a new folder"
    with pytest.raises(UserError, match=said):
        experiments.train(_recipe(learning_rate=1e30), tmp_path / "run", verbose=False)
    assert RunFolder(tmp_path / "run").latest_checkpoint()[1] is None
    assert not (tmp_path / "run/results.json").exists()
