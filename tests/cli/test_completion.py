"""Completion as a shell asks for it, in a process of its own."""

import os
import subprocess
import sys

import pytest

from improved_gan_tf.cli import completion
from improved_gan_tf.cli import main as cli
from improved_gan_tf.experiments import catalog

pytest.importorskip("argcomplete", reason="completion needs argcomplete")
PROGRAM = "import sys, improved_gan_tf.cli.main as cli; sys.exit(cli.main())"


def _completed(line, tmp_path):
    """What the shell is told for a line."""
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer"),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-c", PROGRAM]
    subprocess.run(command, env={**os.environ, **asked}, cwd=tmp_path, check=True, timeout=120)
    return (tmp_path / "answer").read_text().split("\n")


def test_commands_options_and_names(tmp_path):
    (tmp_path / "mine.py").touch()
    (tmp_path / "notes.txt").touch()
    assert {"evaluate", "export"} == set(_completed("improved-gan e", tmp_path))
    assert {"--score-every", "--score-images"} <= {
        found.strip() for found in _completed("improved-gan train digits --score-", tmp_path)
    }
    recipes = _completed("improved-gan train ", tmp_path)
    # Not RECIPES: what another test has registered is known in this process alone.
    names = {recipe.name for recipe in catalog.ALL}
    assert {*names, "mine.py"} <= {found.strip() for found in recipes}
    assert not any("notes.txt" in found for found in recipes)
    objectives = _completed("improved-gan train digits --objective ", tmp_path)
    assert objectives == ["feature_matching", "minibatch_discrimination", "supervised"]
    runs = _completed("improved-gan report n", tmp_path)
    assert [found.strip() for found in runs] == ["notes.txt"]


def test_nothing_happens_unless_a_shell_asks(monkeypatch, capsys):
    monkeypatch.delenv("_ARGCOMPLETE", raising=False)
    assert not completion.wanted()
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    assert cli.main(["recipes"]) == 0  # without argcomplete, the command itself
    assert "digits" in capsys.readouterr().out
