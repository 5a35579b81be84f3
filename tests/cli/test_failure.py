"""What no command expects: a lost output, a file system's refusal, memory, and bugs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from improved_gan_tf.cli import main as cli
from improved_gan_tf.experiments import recipes


def _fails(monkeypatch, error):
    """The command `recipes digits`, in which `error` is raised."""

    def failing(name):
        raise error

    monkeypatch.setattr(recipes, "get", failing)
    return cli.main(["recipes", "digits"])


def test_a_bug_is_one_line_and_its_traceback_a_file(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert _fails(monkeypatch, KeyError("some\nthing")) == 1
    line = capsys.readouterr().err
    (file,) = tmp_path.iterdir()
    start = "improved-gan: unexpected error: KeyError: 'some\\nthing'; this is a bug"
    assert line == f"{start}, please report it with {file}\n"
    text = file.read_text()
    assert text.startswith("improved-gan recipes digits\n") and "in failing" in text


def test_a_bug_without_a_place_for_its_traceback(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    assert _fails(monkeypatch, KeyError("x")) == 1
    assert capsys.readouterr().err.endswith("please report it with what --debug shows\n")


@pytest.mark.parametrize("arguments", [["recipes", "digits"], ["reproduce", "minimax"]])
def test_debug_raises(monkeypatch, arguments):
    def failing(*given, **also):
        raise KeyError("x")

    monkeypatch.setattr(recipes, "get", failing)
    monkeypatch.setattr("improved_gan_tf.experiments.minimax.reproduce", failing)
    with pytest.raises(KeyError):
        cli.main([*arguments, "--debug"])


def test_a_file_system_says_no(monkeypatch, capsys):
    assert _fails(monkeypatch, OSError(36, "File name too long", "a" * 300)) == 2
    error = capsys.readouterr().err
    assert error.endswith("...: File name too long\n") and len(error) < 260


@pytest.mark.parametrize("error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "")])
def test_the_memory_is_used_up(monkeypatch, capsys, error):
    assert _fails(monkeypatch, error) == 2
    assert "the memory is used up; take smaller batches" in capsys.readouterr().err


def _process(*arguments, **also):
    command = [sys.executable, "-m", "improved_gan_tf", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, **also)


@pytest.mark.parametrize("arguments", [("recipes",), ("--help",)])
def test_outputs_that_nobody_takes(arguments):
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            found = _process(*arguments, stdout=full)
        line = "improved-gan: error: the output cannot be written: No space left on device\n"
        assert (found.returncode, found.stderr) == (2, line)
    reader, writer = os.pipe()
    os.close(reader)
    found = _process(*arguments, stdout=writer)
    os.close(writer)
    assert (found.returncode, found.stderr) == (141, "")
    found = _process(*arguments, stdout=None, preexec_fn=lambda: os.close(1))
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [("recipes", "nosuch"), ("nosuch",)])
def test_errors_that_nobody_takes(arguments):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "improved_gan_tf", *arguments]
        assert subprocess.run(command, stderr=full).returncode == 2


def test_stopped_before_the_command_has_begun(monkeypatch, capsys):
    def stopped():
        raise KeyboardInterrupt

    monkeypatch.setattr("improved_gan_tf.cli.main.parser", stopped)
    assert cli.main(["recipes"]) == 130
    assert capsys.readouterr().err == "\nimproved-gan: stopped\n"


def test_nul(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", "digits", "--out", "a\0b"])
    assert stop.value.code == 2
    assert "an argument holds a NUL character" in capsys.readouterr().err
