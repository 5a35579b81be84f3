"""tools/faults.py: a few kills, full disks and pairs of processes, and that it sees what is wrong.

Hundreds of them are recorded in reference/results/faults.json.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from improved_gan_tf import images
from tests.helpers.paths import ROOT, TOOLS


def _faults(tmp_path, *words):
    """The trials of one call of the tool, all of which are to end as unharmed."""
    file = tmp_path / "faults.json"
    command = [sys.executable, TOOLS / "faults.py", *words, "--count", "1"]
    command += ["--work", tmp_path / "work", "--json", file]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "\n".join([*done.stdout.splitlines(), done.stderr[-2000:]])
    return json.loads(file.read_text())["trials"]


@pytest.mark.long
def test_nothing_is_lost(tmp_path):
    """After kills, full and read-only disks, and two at once: what the command makes unharmed."""
    cases, faults = ["convert", "recipes"], ["full", "read-only"]
    trials = _faults(tmp_path, "all", *cases, "--faults", *faults)
    kinds = {(trial["mode"], trial["case"], trial.get("fault")) for trial in trials}
    modes = [("kill", None), ("pair", None), *(("disk", fault) for fault in faults)]
    assert kinds == {(mode, case, fault) for mode, fault in modes for case in cases}
    for trial in trials:
        if trial.get("fault") == "read-only":
            refused = trial["about"] == "a file system" or os.getuid() != 0
            assert trial["first"] == [2 if refused else 0]
    assert len(_faults(tmp_path, "kill", "recipes")) == len(trials)  # it has them already


@pytest.fixture
def look(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    from trials.contents import look

    return look


def test_what_is_damaged_or_left_behind_is_seen(tmp_path, look):
    picture = images.save_png(tmp_path / "a.png", np.zeros((99, 99, 1), np.uint8)).read_bytes()
    (tmp_path / "b.json").write_text('{"seconds": 1, "error": 0.25}')
    (tmp_path / "c.csv").write_text("epoch,seconds\n1,0.5\n")
    np.savez(tmp_path / "d.npz", x=np.arange(9))
    before, unreadable, temporary = look(tmp_path)
    assert sorted(before) == ["a.png", "b.json", "c.csv", "d.npz"]
    assert not unreadable and not temporary
    # Times may differ; nothing else may.
    (tmp_path / "b.json").write_text('{"seconds": 2, "error": 0.25}')
    (tmp_path / "c.csv").write_text("epoch,seconds\n1,0.7\n")
    assert look(tmp_path)[0] == before
    (tmp_path / "b.json").write_text('{"seconds": 2, "error": 0.24}')
    (tmp_path / "c.csv").write_text("epoch,seconds\n1,0.7")
    (tmp_path / "a.png").write_bytes(picture[: len(picture) // 2])
    np.savez(tmp_path / "d.npz", x=np.arange(9)[::-1])
    (tmp_path / ".5.tmp.e").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/.6.old.f").touch()
    after, unreadable, temporary = look(tmp_path)
    assert sorted(unreadable) == ["a.png", "c.csv"]
    assert sorted(temporary) == [".5.tmp.e", "folder/.6.old.f"]
    assert set(after) == {"b.json", "d.npz"}
    assert all(after[name] != before[name] for name in after)
