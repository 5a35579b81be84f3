"""`improved-gan reproduce`, really killed, twice at once, and with bad input."""

import json
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from improved_gan_tf.cli import main as cli
from improved_gan_tf.experiments import jobs
from improved_gan_tf.files import is_temporary
from tests.helpers import checkpoints
from tests.helpers.one_line import refused_command, refused_usage

# Small networks, whose 64 steps per epoch take long enough for a kill to land inside.
FAST = ["jit_compile=false", "checkpoint_seconds=0"]
SMALL = ["generator.units=[16,16]", "discriminator.units=[32,16]", "batch_size=20"]
SMALL = [word for value in [*SMALL, *FAST] for word in ("--set", value)]
TABLE = ["reproduce", "table-1", "--recipe", "digits", "--epochs", "2", "--labels-per-class", "10"]
TABLE += SMALL
NAMES = ["10-labels-per-class-seed-1", "10-labels-per-class-seed-2"]


def _start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "improved_gan_tf", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(condition, process, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A table that was never stopped."""
    out = tmp_path_factory.mktemp("tables") / "whole"
    assert cli.main([*TABLE, "--seeds", "1", "2", "--out", str(out)]) == 0
    return out


def _assert_same(out, whole):
    """The table and the weights are the same, bit for bit, and nothing is left behind."""
    for name in ("table.json", "table.md"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    for name in NAMES:
        last = "checkpoints/epoch-0002.weights.h5"
        checkpoints.assert_same(out / name / last, whole / name / last)
        assert not (out / name / "lock").exists()
    left = {path.relative_to(out) for path in out.glob("*/*") if not is_temporary(path)}
    assert left == {path.relative_to(whole) for path in whole.glob("*/*")}


@pytest.mark.long
def test_killed_and_continued_by_two_processes(whole, tmp_path):
    """Killed at a random moment of the first run, then continued by two processes at once."""
    out = tmp_path / "killed"
    arguments = [*TABLE, "--seeds", "1", "2", "--out", str(out)]
    process = _start(*arguments)
    _wait_for((out / NAMES[0] / "checkpoints/epoch-0001.weights.h5").exists, process)
    time.sleep(random.uniform(0, 0.2))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (out / NAMES[0] / "results.json").exists()
    both = [_start(*arguments) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    # No run is taken twice, and each process has the whole table at its end.
    taken = [name for printed, _ in outputs for name in NAMES if f"{name}: test error" in printed]
    assert sorted(taken) == NAMES
    assert all("\n100  " in printed for printed, _ in outputs)
    for name in ("table.json", "table.md"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    for name in NAMES:
        last = "checkpoints/epoch-0002.weights.h5"
        checkpoints.assert_same(out / name / last, whole / name / last)
    left = {path.relative_to(out) for path in out.glob("*/*") if not is_temporary(path)}
    assert left == {path.relative_to(whole) for path in whole.glob("*/*")}


@pytest.mark.skipif(jobs.cores() < 2, reason="one core")
@pytest.mark.long
def test_jobs(tmp_path):
    """Two processes of one command."""
    process = _start(*TABLE, "--seeds", "1", "2", "--jobs", "2", "--out", str(tmp_path / "jobs"))
    printed, errors = process.communicate()
    assert process.returncode == 0, errors
    assert all(printed.count(f"{name}: test error") == 1 for name in NAMES)
    table = json.loads((tmp_path / "jobs/table.json").read_text())
    assert table["unfinished"] == [] and table["rows"][0]["single"]["count"] == 2


def test_what_is_printed(whole, capsys):
    """Finished runs are not trained again; the table is printed, and that it is reduced."""
    arguments = [*TABLE, "--seeds", "1", "2", "--out", str(whole)]
    before = (whole / "table.json").stat().st_mtime_ns
    assert cli.main(arguments) == 0
    assert (whole / "table.json").stat().st_mtime_ns >= before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "table-1 (reduced): MNIST: test errors with few labels"
    assert lines[1] == "Reduced: 2 of 200 epochs, 2 of 10 seeds."
    assert "the recipe digits in place of mnist-feature-matching" in lines[2]
    assert lines[3] == f"2 runs in {whole}"
    assert lines[5] == lines[0] and lines[7].startswith("100  ")
    assert not any("seed-1" in line for line in lines)


def test_dry_run(whole, capsys, monkeypatch):
    """What is done and what is left, by a step that is really timed; nothing is written."""
    before = sorted(whole.rglob("*"))
    monkeypatch.setenv("IMPROVED_GAN_TF_DATA", "/absent")
    arguments = [*TABLE, "--seeds", "1", "3", "--out", str(whole), "--dry-run"]
    assert cli.main([*arguments, "--data-dir", "/absent"]) == 0
    assert sorted(whole.rglob("*")) == before
    lines = capsys.readouterr().out.splitlines()
    assert "Reduced: 2 of 200 epochs, 2 of 10 seeds." in lines
    (done,) = (line for line in lines if NAMES[0] in line)
    (left,) = (line for line in lines if "seed-3" in line)
    assert done.endswith(" finished")
    assert re.search(r" not begun, about \d[\d.e-]* h$", left)
    assert any(re.fullmatch(r"timed here: \d[\d.]* s per epoch", line) for line in lines)
    assert lines[-1].startswith("full length (not timed: ")
    assert lines[-1].endswith(": improved-gan reproduce table-1 --data-dir /absent")


def _bad(*words):
    return pytest.param(words[:-1], words[-1], id=" ".join(words[:-1]) or "none")


@pytest.mark.parametrize(
    "arguments, message",
    [
        _bad("table-1", "--seeds", "1", "1", "the seed 1 is given twice; give each once"),
        _bad("table-1", "--jobs", "1000", "--jobs 1000: this process may use "),
        _bad("table-1", "--shard", "3/2", "shard 3/2 is out of range; name 1/2 to 2/2"),
        _bad("table-1", "--shard", "0/2", "shard 0/2 is out of range"),
        _bad("table-1", "--shard", "half", "--shard takes I/N, for example 1/4, not 'half'"),
        _bad(
            "table-1", "--shard", "1/" + "9" * 5000, "--shard takes I/N, for example 1/4, not '1/"
        ),
        _bad("table-1", "--row-seeds", "ours", "9" * 5000, "takes a row and its seeds, not 'ours "),
        _bad("table-1", "--labels-per-class", "5", "5", "the number of labels 5 is given twice"),
        _bad("table-1", "--recipe", "digit", "no recipe 'digit' (did you mean 'digits'?)"),
        _bad("table-1", "--recipe", "imagenet", "imagenet has no values for table-1"),
        _bad("table-1", "--set", "seed=3", "table-1 sets seed of every run itself"),
        _bad("table-1", "--set", "lr=3", "has no value 'lr'"),
        _bad("table-1", "--epochs", "0", "epochs must be at least 1"),
        _bad("table-1", "--data", "npz:absent.npz", "absent.npz"),
        _bad("table-1", "--row-seeds", "5 labels", "--row-seeds takes a row and its seeds, not"),
        _bad("table-3", "--rows", "our", "table-3 has no row 'our' (did you mean 'ours'?)"),
        _bad("table-3", "--classifier", "absent.keras", "absent.keras: there is no such classif"),
        _bad("table-3", "--classifier", "x", "--weights", "y", "leave out --weights"),
        _bad("table-3", "--classifier", "x", "--fingerprint", "y", "leave out --weights"),
        _bad("table-3", "--weights", "absent.pb", "absent.pb: there is no such file of Inception"),
        _bad("table-3", "--images", "5", "at least 10 images must be scored, not 5"),
    ],
)
def test_bad_input(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert message in refused_command(capsys, "reproduce", *arguments)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        _bad("tabel-1", "no table 'tabel-1' (did you mean 'table-1'?); choose one of table-1, "),
        _bad("the following arguments are required: TABLE"),
        _bad("table-1", "--images", "5", "unrecognized arguments: --images 5"),
        _bad("table-1", "--shrad", "1/2", "arguments: --shrad 1/2 (did you mean --shard?)"),
    ],
)
def test_bad_usage(arguments, message, capsys):
    assert message in refused_usage(capsys, "reproduce", *arguments)


def test_another_table_in_the_folder(whole, capsys):
    before = sorted((p, p.stat().st_mtime_ns) for p in whole.rglob("*"))
    other = [*TABLE, "--seeds", "1", "2", "--out", str(whole), "--epochs", "3"]
    assert cli.main(other) == 2
    shown = capsys.readouterr().err
    assert "seed-1 holds a run with epochs = 2, not 3; name another folder by --out" in shown
    assert shown.count("\n") == 1
    assert sorted((p, p.stat().st_mtime_ns) for p in whole.rglob("*")) == before


def test_no_weights_and_no_classifier(tmp_path, monkeypatch, capsys):
    """One line, before any training, where the weights can neither be found nor downloaded."""
    from improved_gan_tf.inception import download, published

    def offline(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(download.urllib.request, "urlopen", offline)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv(published.VARIABLE, raising=False)
    assert cli.main(["reproduce", "table-3", "--out", str(tmp_path / "table")]) == 2
    shown = capsys.readouterr().err
    assert "the Inception weights are not here" in shown and "--classifier" in shown
    assert shown.count("\n") == 1 and not (tmp_path / "table").exists()
