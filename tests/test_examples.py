"""The package's examples, each in its short form."""

import os
import re
import subprocess
import sys

import pytest

from improved_gan_tf.cli import main as cli
from improved_gan_tf.examples import own_arrays, own_network, own_recipe
from improved_gan_tf.runs import RunFolder
from tests.helpers.paths import ROOT

FOLDER = ROOT / "improved_gan_tf/examples"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.long
def test_own_arrays(capsys):
    errors = own_arrays.main(["--quick"])
    assert set(errors) == {"GAN", "supervised-only"} and all(0 <= e < 1 for e in errors.values())
    assert "mine: 100 labeled images (10 of each of 10 classes)" in capsys.readouterr().out


@pytest.mark.long
def test_own_network():
    """It goes on where it was, and the commands work on its folder."""
    own_network.main(["run", "--quick"])
    gan = own_network.main(["run", "--epochs", "2"])
    assert [row["epoch"] for row in RunFolder("run").rows()] == ["1", "2"]
    assert len(gan.objective_terms) == 2
    assert cli.main(["sample", "run", "--count", "4"]) == 0
    assert cli.main(["evaluate", "run", "--data", "digits"]) == 0


def test_own_recipe(capsys):
    name = f"{own_recipe.__name__}:recipe"
    short = ["--epochs", "1", "--no-jit-compile", "--quiet", "--out", "run"]
    assert cli.main(["train", name, *short]) == 0
    assert "supervised-only baseline" in capsys.readouterr().out
    assert RunFolder("run").results()["objective"] == "losses()"


@pytest.mark.long
def test_dcgan_jax(tmp_path):
    """In a process of its own: Keras takes its backend when it is imported."""
    pytest.importorskip("jax")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    command = [sys.executable, "-m", "improved_gan_tf.examples.dcgan_jax", "--quick"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "epoch 1: generator's loss" in done.stdout and (tmp_path / "digits.png").is_file()


@pytest.mark.long
def test_the_notebook(monkeypatch):
    """Its cells run in order in a kernel; it is kept without outputs."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(FOLDER / "scoring.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    client.NotebookClient(notebook, timeout=600, startup_timeout=300).execute()
    shown = "".join(output.get("text", "") for cell in code for output in cell.outputs)
    assert "it errs on" in shown and len(re.findall(r"^Inception score +\d", shown, re.M)) == 2
    assert "image/png" in code[-1].outputs[-1].data


def test_all_are_described():
    """By the package, and run above."""
    import improved_gan_tf.examples as examples

    names = {path.stem if path.suffix == ".py" else path.name for path in FOLDER.iterdir()}
    names.discard("README.md")
    listed = {line.split()[0] for line in (examples.__doc__ or "").splitlines()[2:] if line}
    assert listed == {name for name in names if not name.startswith("__")}
