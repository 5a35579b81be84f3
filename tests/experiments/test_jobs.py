"""Processes that share a machine: what each has, what goes wrong in one, what ends with what."""

import os
import signal
import subprocess
import sys

import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments import jobs
from tests.helpers import job_targets


def test_shares_of_the_machine(monkeypatch):
    """One GPU each, or a share of the cores; more than there are is refused."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-7")
    assert jobs.gpus() == ["3", "GPU-7"]
    with jobs._environment(1, 2):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-7"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3, GPU-7"
    with pytest.raises(UserError, match="--jobs 3: this process may use 2 GPUs; give at most 2"):
        jobs.check(3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(jobs, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert jobs.gpus() == []
    with jobs._environment(1, 3):
        assert os.environ["TF_NUM_INTRAOP_THREADS"] == os.environ["OMP_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in os.environ
    jobs.check(8)
    with pytest.raises(UserError, match="--jobs 9: this process may use 8 cores; give at most 8"):
        jobs.check(9)


def test_all_are_run_at_once(tmp_path, monkeypatch):
    """Each waits for the other, so that both must be running."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    jobs.run(2, job_targets.meet, str(tmp_path))
    threads = {path.read_text() for path in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) == 2 and threads == {str(max(1, jobs.cores() // 2))}


def test_what_goes_wrong_in_one_is_said(tmp_path):
    with pytest.raises(UserError, match="^the disk is full$"):
        jobs.run(2, job_targets.fail)
    with pytest.raises(UserError, match="job 1 has ended with exit code -9; the same command"):
        jobs.run(1, job_targets.die)


def test_they_end_with_the_process_that_started_them(tmp_path):
    script = (
        "from improved_gan_tf.experiments import jobs\n"
        "from tests.helpers import job_targets\n"
        "if __name__ == '__main__':\n"
        "    jobs.run(2, job_targets.wait)\n"
    )
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    running = [process.stdout.readline(), process.stdout.readline()]
    assert all(line.startswith("waiting ") for line in running)
    process.send_signal(signal.SIGKILL)
    assert process.stdout.read() == ""  # which ends when all of them have closed it
    process.wait()
