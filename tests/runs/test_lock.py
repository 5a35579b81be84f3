"""The lock on a run's folder: one process at a time, and none after a kill."""

import os
import re
import signal
import subprocess
import sys

import pytest

from improved_gan_tf.errors import UserError
from improved_gan_tf.runs import Locked, RunFolder
from tests.helpers.full_disk import file_size_limit

_HOLD = """
import sys
from improved_gan_tf.runs import RunFolder
with RunFolder(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
# Makes a file that must not be there already, again and again, as long as it holds the lock.
_HAMMER = """
import os, sys
from improved_gan_tf.runs import Locked, RunFolder
taken = 0
while taken < 150:
    try:
        with RunFolder(sys.argv[1]).lock():
            os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL))
            os.unlink(sys.argv[2])
            taken += 1
    except Locked:
        pass
"""


def _start(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_another_process_is_refused_until_the_holder_is_killed(tmp_path):
    folder = RunFolder(tmp_path / "run")
    holder = _start(_HOLD, folder)
    assert holder.stdout.readline() == "held\n"
    said = rf"is being written by process {holder.pid} on \S+; wait"
    with pytest.raises(Locked, match=said), folder.lock():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert os.listdir(folder) == ["lock"]  # which nobody holds
    with folder.lock():
        text = (folder.path / "lock").read_text()
        assert re.fullmatch(rf"process {os.getpid()} on \S+\n", text)
    assert os.listdir(folder) == []


def test_one_process_does_not_take_it_twice(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.lock():
        with pytest.raises(Locked), RunFolder(tmp_path / "run").lock():
            pass
        assert (folder.path / "lock").exists()
    with folder.lock():
        pass


def test_an_error_leaves_no_folder_where_nothing_was_written(tmp_path):
    folder = RunFolder(tmp_path / "new/run")
    with pytest.raises(KeyError), folder.lock():
        raise KeyError
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError), folder.lock():
        (folder.path / "log.csv").touch()
        raise KeyError
    assert os.listdir(folder) == ["log.csv"]


def test_a_full_disk_is_one_line(tmp_path):
    refused = pytest.raises(UserError, match="cannot write .*lock: File too large")
    with file_size_limit(0), refused, RunFolder(tmp_path).lock():
        pass
    assert not os.listdir(tmp_path)


def test_three_processes_never_hold_it_at_once(tmp_path):
    """The file is removed and made anew all the time."""
    processes = [_start(_HAMMER, tmp_path / "run", tmp_path / "mine") for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
