"""The process of a command: what reaches stderr, and how Ctrl-C ends it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from improved_gan_tf.cli import main as cli
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers.paths import ROOT

SMALL = ["--set", "generator.units=[16,16]", "--set", "discriminator.units=[32,16]", "--no-jit"]
SMALL += ["--checkpoint-seconds", "0"]
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND")},
    "PYTHONPATH": str(ROOT),
}
_LOGS = r"""
import logging, os, sys, warnings
from improved_gan_tf.cli import process
with process.own("stopped"):
    os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written\n")
    os.write(2, b"I0000 00:00:1795634318.866388   21049 port.cc:153] oneDNN custom operations\n")
    os.write(2, b"2026-11-25 19:00:00.123456: W tensorflow/core/x.cc:5] a note\n")
    os.write(2, b"E0000 00:00:1795634401.69 23442 cuda_platform.cc:52] failed call to cuInit: no\n")
    os.write(2, b"E0000 00:00:1795634401.69 23442 file.cc:5] an error\n")
    log = logging.getLogger("tensorflow")
    log.addHandler(logging.StreamHandler())
    log.warning("5 out of the last 5 calls to <f> triggered tf.function retracing. Tracing is")
    log.warning("another warning")
    print("python", file=sys.stderr)
    if sys.argv[1] == "abort":
        os.abort()
    os.write(2, b"no end of line")
"""
_STUCK = r"""
import ctypes, signal
from improved_gan_tf.cli import process
with process.own("improved-gan: stopped; how to go on"):
    signal.signal(signal.SIGINT, lambda *ignored: None)  # it may come before the second lock
    mutex, c = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    c.pthread_mutex_lock(mutex)
    print("stuck", flush=True)
    c.pthread_mutex_lock(mutex)  # as in a compilation: no signal brings it back
"""


_OPENED = r"""
import sys
from improved_gan_tf.cli import process
process.open_outputs()
with open(sys.argv[1], "w") as stream:
    stream.write(str(stream.fileno() > 2))
"""


def test_a_file_that_is_opened_is_never_an_output(tmp_path):
    """Else TensorFlow's log goes into it."""
    command = [sys.executable, "-c", _OPENED, str(tmp_path / "opened")]
    found = subprocess.run(command, env=ENVIRONMENT, preexec_fn=lambda: os.closerange(0, 3))
    assert found.returncode == 0 and (tmp_path / "opened").read_text() == "True"


def test_names_that_are_no_text_are_printed_as_they_are():
    script = "from improved_gan_tf.cli import process as p; p.open_outputs(); print('a\\udcff')"
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, env=environment, capture_output=True)
    assert (found.stdout, found.stderr) == (b"a\xff\n", b"")


def _run(*arguments, **environment):
    command = [sys.executable, *map(str, arguments)]
    environment = {**ENVIRONMENT, **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _command(*arguments, **environment):
    return _run("-m", "improved_gan_tf", *arguments, **environment)


def test_the_log_is_left_out_and_errors_are_not():
    ended = _run("-c", _LOGS, "end")
    assert ended.returncode == 0
    # The filter is a process of its own: its lines and Python's come in either order.
    assert sorted(ended.stderr.splitlines()) == [
        "E0000 00:00:1795634401.69 23442 file.cc:5] an error",
        "another warning",
        "no end of line",
        "python",
    ]


@pytest.mark.parametrize(
    "how, environment", [("abort", {}), ("end", {"TF_CPP_MIN_LOG_LEVEL": "0"})]
)
def test_the_log_is_shown_where_the_process_dies_and_where_it_is_asked_for(how, environment):
    lines = _run("-c", _LOGS, how, **environment).stderr
    for text in ("oneDNN custom", "a note", "cuInit", "an error", "another warning", "python"):
        assert text in lines


def test_ctrl_c_ends_a_process_that_is_busy_in_c():
    command = [sys.executable, "-c", _STUCK]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as stuck:
        assert stuck.stdout.readline() == "stuck\n"
        start = time.monotonic()
        stuck.send_signal(signal.SIGINT)
        assert stuck.stderr.read() == "\nimproved-gan: stopped; how to go on\n"
        assert stuck.wait() == 130
        assert 1 < time.monotonic() - start < 20  # 1.5 s where the machine is not busy


@pytest.mark.long
def test_one_line_on_stderr_before_and_after_tensorflow_is_loaded(tmp_path):
    missing = _command("evaluate", tmp_path / "nowhere")
    line = f"{tmp_path}/nowhere is not the folder of a run: it has no config.json"
    assert (missing.returncode, missing.stderr) == (2, f"improved-gan: error: {line}\n")
    out = tmp_path / "run"
    begin = ["train", "digits", "--out", out, "--epochs", "1", "--no-baseline", *SMALL]
    trained = _command(*begin)
    assert (trained.returncode, trained.stderr) == (0, "")
    assert RunFolder(out).finished
    path = RunFolder(out).latest_checkpoint()[1]
    path.write_bytes(b"damaged")
    broken = _command("sample", out)
    assert broken.returncode == 2 and broken.stdout == ""
    start = f"improved-gan: error: {path} is damaged or not a checkpoint of this model ("
    assert broken.stderr.startswith(start) and broken.stderr.count("\n") == 1
    assert broken.stderr.endswith(
        "; no whole one is before it; begin again in another folder (--out)\n"
    )


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_are_refused_before_anything_is_written(
    backend, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    assert cli.main(["train", "digits", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == (
        f"improved-gan: error: KERAS_BACKEND is {backend}, but this command needs tensorflow; "
        "unset it, or set KERAS_BACKEND=tensorflow (the layers alone work with every backend)\n"
    )
    assert not (tmp_path / "run").exists()
    assert cli.main(["recipes"]) == 0  # which needs no Keras


def test_memory_of_a_gpu_is_taken_as_it_is_needed(monkeypatch, capsys):
    """Unless the environment says otherwise."""
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    for before, after in ((None, "true"), ("false", "false")):
        monkeypatch.setenv(name, "false")
        if before is None:
            monkeypatch.delenv(name)
        assert cli.main(["evaluate", "absent"]) == 2
        assert os.environ[name] == after
    assert "absent is not the folder of a run" in capsys.readouterr().err


_MODELS = """
import improved_gan_tf as ig
ig.layers.WeightNorm, ig.losses.supervised
try:
    ig.experiments.train("digits", "run")
except ImportError as error:
    print(error)
"""


@pytest.mark.long
def test_models_name_the_backend_that_they_need(tmp_path):
    pytest.importorskip("jax")
    environment = {**ENVIRONMENT, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", _MODELS]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "Keras' backend is jax, but improved_gan_tf's models need tensorflow; set "
        "KERAS_BACKEND=tensorflow before keras is imported (the layers alone work with every "
        "backend)\n"
    )
    assert not list(tmp_path.iterdir())
