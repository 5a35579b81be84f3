"""Training on two devices and in two workers, in processes of their own: TensorFlow's devices and
clusters are set once a process."""

import contextlib
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from improved_gan_tf.experiments.distribution import check_cluster
from tests.helpers.one_line import refusal_of
from tests.helpers.paths import ROOT


def _environment(**values):
    path = str(ROOT)
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **values}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two devices need two cores")
@pytest.mark.parametrize(
    "precision, checks",
    [
        (
            "float64",
            ["two_towers", "mean_of_the_halves", "historical_averaging"]
            + ["one_device_on_the_whole_batch"],
        ),
        (
            "float32",
            ["twenty_steps", "runs_resume_exactly", "refusals"]
            + ["own_draws_shared_statistics", "coupled_examples", "stopped_and_resumed", "refused"],
        ),
    ],
)
@pytest.mark.long
def test_two_devices(precision, checks):
    process = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "helpers" / "distribution_script.py"), precision],
        env=_environment(),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    shown = [line for line in process.stdout.splitlines() if line.startswith("ok")]
    assert shown == [f"ok {name}" for name in checks]


@pytest.mark.parametrize(
    "workers, task, message",
    [
        (["a:²"], ("worker", 0), "worker is no list of host:port"),
        (["a:" + "9" * 5000], ("worker", 0), "worker is no list of host:port"),
        (["a:1", 2], ("worker", 0), "worker is no list of host:port"),
        ({}, ("worker", 0), "names no workers"),
        (["a:1"], (["worker"], 0), "the task .* is not in its cluster"),
        (["a:1"], ("worker", True), "the task .* is not in its cluster"),
        (["a:1"], ("worker", 1), "the task .* is not in its cluster"),
    ],
)
def test_clusters_that_are_refused(workers, task, message):
    given = {
        "cluster": {"worker": workers},
        "task": dict(zip(("type", "index"), task, strict=True)),
    }
    refusal_of(check_cluster)(message + ".*correct TF_CONFIG", json.dumps(given))


def test_deeply_nested_json_is_refused():
    refusal_of(check_cluster)("TF_CONFIG is not JSON", "[" * 100_000)


EPOCHS = 5


def _worker(index, ports, out, *options):
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    command = [sys.executable, "-m", "improved_gan_tf", "train", "imagenet", "--out", str(out)]
    command += ["--data", "digits", "--set", "image_size=null", "--width", "0.125"]
    command += [
        "--batch-size",
        "20",
        "--set",
        "steps_per_epoch=5",
        "--epochs",
        str(EPOCHS),
        "--checkpoint-seconds",
        "0",
    ]
    command += ["--set", "generator.reference_size=4", "--set", "discriminator.minibatch_dims=3"]
    return subprocess.Popen(
        [*command, *options],
        env=_environment(TF_CONFIG=config),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _free_ports():
    with socket.socket() as one, socket.socket() as other:
        for s in (one, other):
            s.bind(("localhost", 0))
        return [s.getsockname()[1] for s in (one, other)]


@pytest.mark.long
def test_a_worker_is_killed_and_comes_back(tmp_path):
    """The other one starts itself again, and both go on from the last checkpoint."""
    out, ports = tmp_path / "run", _free_ports()
    chief, worker = (_worker(i, ports, out) for i in (0, 1))
    processes = [chief, worker]
    try:
        end = time.monotonic() + 600
        while not (out / "checkpoints/epoch-0001.weights.h5").exists():
            assert chief.poll() is None and worker.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        processes.append(_worker(1, ports, out, "--resume"))
        shown, _ = chief.communicate(timeout=600)
        assert chief.returncode == 0, shown[-3000:]
        assert "another worker is gone" in shown
        shown, _ = processes[-1].communicate(timeout=60)
        assert processes[-1].returncode == 0, shown[-3000:]
    finally:
        for process in processes:
            process.kill()
    with open(out / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(r["epoch"]), int(r["steps"])) for r in rows] == [
        (e, 5 * e) for e in range(1, EPOCHS + 1)
    ]
    config = json.loads((out / "config.json").read_text())
    assert config["replicas"] == 2
    assert (out / "generator/saved_model.pb").is_file()


@pytest.mark.parametrize("recipe", ["imagenet", "digits"])
@pytest.mark.parametrize(
    "kind", ["UnavailableError", "AbortedError", "FailedPreconditionError", "InvalidArgumentError"]
)
def test_what_another_worker_s_end_looks_like(monkeypatch, kind, recipe):
    """The last two come where it has been started again before it was missed."""
    import tensorflow as tf

    from improved_gan_tf import experiments

    class Cluster:
        distribute_strategy = property(lambda self: self)
        scope = staticmethod(contextlib.nullcontext)

        def fit(self, *arguments, **options):
            raise getattr(tf.errors, kind)(None, None, "Collective ops is aborted by: ...")

    chosen = experiments.experiment(experiments.get(recipe))
    monkeypatch.setattr(type(chosen), "batches", lambda *arguments: None)
    error = getattr(tf.errors, kind)
    with pytest.raises(error):
        chosen.fit(Cluster(), _NoData(), 0, [])
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", Cluster)
    with pytest.raises(experiments.WorkerLost, match="another worker is gone"):
        chosen.fit(Cluster(), _NoData(), 0, [])


class _NoData:
    test = None

    def check(self):
        pass
