"""The command `turing-test`: what it prints, what it refuses, how it ends."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")
pytest.importorskip("waitress", reason="the extra [turing-test] is not installed")

from improved_gan_tf import experiments
from improved_gan_tf.cli import main as cli
from tests.helpers.one_line import refused_command
from tests.helpers.paths import ROOT
from tests.helpers.turing import pictures


@pytest.fixture
def files(tmp_path, monkeypatch):
    """real.npz and fakes.npz, 60 images each, in the working folder."""
    monkeypatch.chdir(tmp_path)
    np.savez("real.npz", images=pictures(0))
    np.savez("fakes.npz", images=pictures(1))
    return tmp_path


TEST = ["turing-test", "fakes.npz", "--real", "real.npz", "--images", "40", "--judgements", "18"]


@pytest.fixture
def once(monkeypatch):
    """The server ends at once."""
    from improved_gan_tf.turing_test import server

    def make(*arguments):
        made = make_server(*arguments)
        monkeypatch.setattr(made, "run", made.task_dispatcher.shutdown)
        return made

    make_server = server.make_server
    monkeypatch.setattr(server, "make_server", make)


@pytest.mark.usefixtures("once")
def test_a_test_is_prepared_once_and_goes_on(files, capsys):
    assert cli.main([*TEST, "--port", "0"]) == 0
    shown = capsys.readouterr().out
    found = r"results:    http://127.0.0.1:\d+/results\?token=([0-9a-f]{32})\n"
    token = re.search(found, shown)[1]
    assert "40 images of each kind are prepared" in shown and "this machine only" in shown
    about = json.loads((files / "turing-tests/fakes/test.json").read_text())
    assert about["sources"] == {
        "generated": "fakes.npz@images",
        "real": "real.npz@images",
    }
    assert json.loads((files / "turing-tests/fakes/results.json").read_text())["votes"] == 0
    (files / "fakes.npz").unlink()  # it is not needed any more
    assert cli.main([*TEST, "--port", "0", "--host", "0.0.0.0"]) == 0
    shown = capsys.readouterr().out
    assert "goes on" in shown and token in shown and "reachable from other machines" in shown


@pytest.mark.usefixtures("once")
def test_bad_input_gets_one_line(files, capsys):
    def refused(*options, test=TEST):
        return refused_command(capsys, *test, "--port", "0", *options)

    assert "fewer than the 90 of each kind" in refused("--judgements", "90")
    line = refused("--images", "55")
    assert "fakes.npz@images has 60 images, fewer than the 63 that are needed" in line
    (files / "empty").mkdir()
    assert "empty" in refused(test=["turing-test", "empty", "--real", "real.npz"])
    assert "no such file" in refused(test=["turing-test", "./absent.npz", "--real", "real.npz"])
    np.savez("large.npz", images=pictures(0, shape=(16, 16, 1)))
    wrong = [*TEST, "--real", "large.npz"]
    assert "real images are 16 x 16 grey, generated ones 8 x 8 grey" in refused(test=wrong)
    assert not (files / "turing-tests").exists()  # nothing is left of a test that cannot be
    assert cli.main([*wrong, "--port", "0", "--resize", "square", "--out", "resized"]) == 0
    assert cli.main([*TEST, "--port", "0"]) == 0
    capsys.readouterr()
    assert "is another test, of seed 0, not 3" in refused("--seed", "3")
    assert "is in use and holds no test" in refused("--out", ".")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused_command(capsys, *TEST, "--port", port)
    assert f"cannot listen at 127.0.0.1, port {port}: Address already in use" in line
    assert "--port lies in 0..65535" in refused_command(capsys, *TEST, "--port", "99999")
    assert "no such address" in refused("--host", "no.such.host.invalid")
    for much in (["--best", "5e-324", "--classifier", "x"], ["--images", str(10**400)]):
        assert "more generated images than 10,000,000" in refused(*much, "--out", "much")
    with sqlite3.connect(files / "turing-tests/fakes/votes.sqlite3") as database:
        database.execute("PRAGMA user_version = 5")
    database.close()
    assert "is a database of version 5, not 1" in refused()
    assert "cannot be read as text" in refused("--consent", "absent.txt")
    assert "--precision must be above 0" in refused("--precision", "0")
    assert "--coverage needs the number of annotators" in refused("--coverage", "3")


def test_what_to_install_is_said(files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "waitress", None)
    line = refused_command(capsys, *TEST)
    assert "needs waitress; install the extra [turing-test]: python -m pip install" in line


@pytest.mark.usefixtures("once")
def test_pictures_in_a_folder_and_a_text_to_agree_to(files, capsys):
    (files / "pictures").mkdir()
    for i, image in enumerate(pictures(2, 50, (12, 12, 3))):
        Image.fromarray(image).save(files / f"pictures/{i}.png")
    np.savez("colour.npz", images=pictures(1, shape=(8, 8, 3)))
    (files / "consent.txt").write_text("We study this.\n\nYou may stop.")
    options = ["--resize", "stretch", "--consent", "consent.txt", "--protocol", "hype"]
    options += ["--judgements", "10", "--images", "30", "--port", "0"]
    assert cli.main(["turing-test", "colour.npz", "--real", "pictures", *options]) == 0
    about = json.loads((files / "turing-tests/colour/test.json").read_text())
    assert about["image_shape"] == [8, 8, 3]
    assert about["settings"]["consent"].startswith("We study")


@pytest.mark.usefixtures("once")
def test_the_best_images_of_a_run(files):
    """Drawn from the run with the recorded seed, and chosen by a classifier."""
    import keras

    small = ["--set", "generator.units=[16,16]", "--set", "discriminator.units=[32,16]"]
    options = ["--epochs", "1", "--quiet", "--no-baseline", "--no-jit"]
    assert cli.main(["train", "digits", "--out", "run", *options, *small]) == 0
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    keras.Sequential([*layers, keras.layers.Softmax()]).save("judge.keras")
    best = ["--best", "0.5", "--classifier", "judge.keras", "--images", "20", "--judgements", "18"]
    assert cli.main(["turing-test", "run", "--real", "digits@test", "--port", "0", *best]) == 0
    about = json.loads((files / "turing-tests/run/test.json").read_text())
    candidates = list(experiments.open_generator("run", 56).images(lambda image: image, 1))
    from improved_gan_tf import metrics

    chosen = set(metrics.best(np.stack(candidates), 0.5, classifier="judge.keras").tolist())
    numbers = about["numbers"]["generated"]
    assert len(set(numbers)) == 28 and set(numbers) <= chosen
    with np.load(files / "turing-tests/run/images.npz") as stored:
        shown = stored["generated"].astype(int)
    drawn = np.rint(np.stack(candidates)[numbers[8:]]).astype(int)
    assert shown.shape == (20, 8, 8, 1) and np.abs(shown - drawn).max() <= 8  # 17 levels of digits


def test_simulated_annotators(files, capsys):
    options = ["--simulate", "3", "--accuracy", "0.8", "--think", "0"]
    assert cli.main([*TEST, *options]) == 0
    written = json.loads((files / "turing-tests/fakes/simulation.json").read_text())
    assert written["votes_stored"] == written["votes_confirmed"] == 54
    capsys.readouterr()
    assert cli.main([*TEST, "--simulate", "10", "--coverage", "20"]) == 0
    found = json.loads("{" + capsys.readouterr().out.partition("{")[2])
    assert found["simulations"] == 20 and 0.7 <= found["covered"] <= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("once")
def test_a_signal_ends_it_and_writes_the_results(files, number, request):
    assert cli.main([*TEST, "--port", "0"]) == 0  # prepared: the process needs no TensorFlow
    command = [sys.executable, "-m", "improved_gan_tf", *TEST, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    # As a background job of a script the tests ignore SIGINT, which the server would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        address = ""
        for line in server.stdout:
            address = line.split()[1] if line.startswith("annotators:") else address
            if "Ctrl-C" in line:
                break
        assert urllib.request.urlopen(address, timeout=30).status == 200
        server.send_signal(number)
        rest = server.stdout.read()
        assert server.wait(30) == 0 and "results in" in rest
    assert (files / "turing-tests/fakes/votes.csv").read_text().startswith("annotator,")
