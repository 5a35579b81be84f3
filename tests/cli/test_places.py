"""Every output of every command is tried before the work whose result goes there."""

import os
import re

import numpy as np
import pytest

from improved_gan_tf import experiments, images, inception, metrics
from tests.helpers.one_line import refused_command

SCORE = ["score", "digits@test", "--classifier", "absent.keras"]
COMMANDS = {
    "score --out": [*SCORE, "--out", "{}"],
    "score --per-image": [*SCORE, "--per-image", "{}"],
    "score --save-statistics": [*SCORE, "--save-statistics", "{}"],
    "score --best-out, a file": [*SCORE, "--best", "0.1", "--best-out", "{}.png"],
    "score --best-out, a folder": [*SCORE, "--best", "0.1", "--best-out", "{}"],
    "classifier": ["classifier", "{}.keras", "--data", "digits"],
    "evaluate --confusion": ["evaluate", "run", "--confusion", "{}.png"],
    "predict --out": ["predict", "run", "digits@test", "--out", "{}"],
    "sample --out, a file": ["sample", "run", "--out", "{}.png"],
    "sample --out, a folder": ["sample", "run", "--out", "{}"],
    "inception-graph": ["inception-graph", "{}", "--random-weights", "1"],
    "inception-graph --own": ["inception-graph", "a.pb", "--random-weights", "1", "--own", "{}"],
    "recipes --new": ["recipes", "--new", "{}.py"],
}
FOLDERS = {
    "convert": ["convert", "pictures", "{}"],
    "train": ["train", "digits", "--out", "{}"],
    "reproduce": ["reproduce", "table-1", "--recipe", "digits", "--seeds", "1", "--out", "{}"],
    "reproduce minimax": ["reproduce", "minimax", "--out", "{}"],
}
PLACES = {
    "in a file": "file/name",
    "a file in a file": "file/folder/name",
    "where nothing can be made": "/proc/none/name",
    "too long": "x" * 300,
}


@pytest.fixture
def no_work(tmp_path, monkeypatch):
    """An empty folder with a file, in which whoever begins to work fails the test."""

    def works(*arguments, **options):
        raise AssertionError("the work has begun")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    images.save_folder("pictures/a", np.zeros((1, 8, 8, 1), np.uint8))
    for module, name in (
        (metrics, "load_classifier"),
        (metrics, "load_extractor"),
        (metrics, "evaluate"),
        (metrics, "train_classifier"),
        (experiments, "load_run"),
        (experiments, "load_generator"),
        (inception, "random_weights"),
    ):
        monkeypatch.setattr(module, name, works)
    monkeypatch.setattr("improved_gan_tf.experiments.run._train", works)
    monkeypatch.setattr("improved_gan_tf.experiments.minimax.play", works)
    monkeypatch.setattr("improved_gan_tf.data.records.convert._write_shards", works)
    return tmp_path


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("command", [*COMMANDS.values(), *FOLDERS.values()], ids=str)
def test_a_place_that_cannot_be_written(no_work, capsys, command, place):
    error = refused_command(capsys, *(word.format(place) for word in command))
    assert re.search("cannot write|is a file|Not a directory|File name too long", error), error
    assert sorted(os.listdir(no_work)) == ["file", "pictures"]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_name_that_is_too_long_only_while_the_file_is_written(no_work, capsys, command):
    error = refused_command(capsys, *(word.format("x" * 240) for word in command))
    assert "File name too long" in error


@pytest.mark.parametrize(
    "command",
    [name for name in COMMANDS if name.startswith(("score", "classifier", "sample", "predict"))],
)
def test_a_place_that_is_taken_by_another_kind(no_work, capsys, command):
    """A folder where a file is to be, and a folder with something in it."""
    words = [word.format("taken") for word in COMMANDS[command]]
    taken = next(word for word in words if word.startswith("taken"))
    (no_work / taken).mkdir()
    (no_work / taken / "mine").touch()
    assert f"{taken} is " in refused_command(capsys, *words)
    assert os.listdir(no_work / taken) == ["mine"]


@pytest.mark.parametrize("command", ["score --best-out, a folder", "sample --out, a folder"])
def test_the_current_folder(no_work, capsys, monkeypatch, command):
    """An empty folder is replaced as a whole, and the user's shell would stay in the old one."""
    (no_work / "empty").mkdir()
    monkeypatch.chdir(no_work / "empty")
    error = refused_command(capsys, *(word.format(".") for word in COMMANDS[command]))
    assert "is the current folder" in error and not os.listdir(".")
