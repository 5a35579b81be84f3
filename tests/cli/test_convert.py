"""The commands `convert` and `inception-graph`, and the scripts that call them."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import inception, metrics
from improved_gan_tf.cli.main import main
from improved_gan_tf.data.records import convert as conversion
from tests.helpers.paths import ROOT
from tests.helpers.stream_data import class_folders


@pytest.mark.long
def test_inception_graph_writes_all_three(tmp_path, capsys):
    graph, saved, own = (tmp_path / name for name in ("g.pb", "sm", "own.npz"))
    arguments = [graph, "--random-weights", 3, "--saved-model", saved, "--own", own]
    assert main(["inception-graph", *map(str, arguments)]) == 0
    weights = inception.load_weights(graph, check=False)
    fingerprint = inception.fingerprint(weights)
    assert capsys.readouterr().out == f"{graph}\n{own} (fingerprint {fingerprint})\n{saved}\n"
    loaded = inception.load_weights(own, fingerprint=fingerprint)
    assert all((weights[name] == loaded[name]).all() for name in weights)
    x = np.random.default_rng(0).uniform(0, 255, (1, 40, 30, 3)).astype(np.float32)
    module = tf.saved_model.load(str(saved))  # its functions live as long as it does
    served = module.serve(x)
    expected = inception.build_network(loaded)(x, training=False)
    scale = np.abs(expected["logits"]).max()
    np.testing.assert_allclose(served["logits"], expected["logits"], atol=1e-5 * scale)
    # The written graph serves as weights, and its hash names the classifier.
    assert metrics.Inception(weights).digest.startswith("md5:")


@pytest.mark.parametrize(
    "message, arguments",
    [
        ("is a folder; name a file", ["."]),
        ("exists already; remove it", ["o.pb", "--saved-model", "."]),
        ("no such file of Inception weights", ["o.pb", "--weights", "absent"]),
        ("cannot prove what it was made from", ["o.pb", "--weights", "own.npz"]),
        ("takes the place of", ["o.pb", "--random-weights", "1", "--weights", "own.npz"]),
        ("takes the place of", ["o.pb", "--random-weights", "1", "--any-weights"]),
        ("takes the place of", ["o.pb", "--random-weights", "1", "--fingerprint", "abc"]),
        ("name the same place", ["o.pb", "--random-weights", "1", "--own", "./o.pb"]),
        ("name the same place", ["o.pb", "--random-weights", "1", "--saved-model", "o.pb"]),
    ],
)
def test_inception_graph_refuses(tmp_path, monkeypatch, capsys, message, arguments):
    monkeypatch.chdir(tmp_path)
    inception.save_weights("own.npz", inception.random_weights(1))
    assert main(["inception-graph", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("improved-gan: error: ") and message in error
    assert error.count("\n") == 1 and not (tmp_path / "o.pb").exists()


@pytest.mark.long
def test_the_scripts_are_the_commands(tmp_path):
    """With the exit code and the one line of an error."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(tool, *arguments):
        command = [sys.executable, ROOT / "tools" / tool, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    for tool, arguments in (
        ("convert_imagenet.py", [tmp_path / "absent", tmp_path / "o"]),
        ("inception_graph.py", [tmp_path / "o", "--weights", tmp_path / "absent"]),
    ):
        found = run(tool, *arguments)
        (line,) = (line for line in found.stderr.splitlines() if "error:" in line)
        assert found.returncode == 2 and line.startswith("improved-gan: error: ")
        assert "Traceback" not in found.stderr and not (tmp_path / "o").exists()
    class_folders(tmp_path / "source", {"a": 2, "b": 1})
    options = ["--size", "8", "--workers", "2", "--classes", "2"]
    found = run("convert_imagenet.py", tmp_path / "source", tmp_path / "records", *options)
    assert found.returncode == 0, found.stderr
    assert found.stdout == f"{tmp_path / 'records'}: 3 records of 2 classes in 1 shards\n"


def test_a_stopped_conversion_says_how_to_continue(monkeypatch, capsys):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "convert", stop)
    assert main(["convert", "source", "out"]) == 130
    assert "the same command continues from here" in capsys.readouterr().err
