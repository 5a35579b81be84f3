"""Whole or absent: what a kill leaves, what the next writer removes, what is never touched."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from improved_gan_tf import files
from improved_gan_tf.errors import UserError
from tests.helpers.paths import ROOT

# Replaces a folder, and is killed before the N-th time that it renames or removes something.
_KILLED = """
import os, shutil, signal, sys
from improved_gan_tf import files
left = int(sys.argv[2])
def counted(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
shutil.rmtree = counted(shutil.rmtree)
os.rename, os.replace, os.mkdir = map(counted, (os.rename, os.replace, os.mkdir))
with {write}(sys.argv[1]) as name:
    (name / "content" if name.is_dir() else name).write_text("new")
"""
_HOLDS = """
import sys
from improved_gan_tf import files
with {write}(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def _command(script, write, *arguments):
    code = script.replace("{write}", f"files.{write}")
    return [sys.executable, "-c", code, *map(str, arguments)]


def _run(*arguments):
    return subprocess.run(_command(*arguments), cwd=ROOT, capture_output=True).returncode


def _content(path):
    return (path / "content" if path.is_dir() else path).read_text()


def _write(write, path, text):
    with write(path) as name:
        (name / "content" if name.is_dir() else name).write_text(text)


@pytest.mark.parametrize("write", [files.temporary, files.temporary_folder])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_one(tmp_path, write):
    """And what it left over is gone after the next time; nothing else is."""
    path, killed = tmp_path / "place", 0
    for step in range(1, 12):
        _write(write, path, "old")
        (tmp_path / ".5.tmp.another").touch()
        code = _run(_KILLED, write.__name__, path, step)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        files.remove_abandoned(tmp_path, "place")
        assert _content(path) in ("old", "new")
        assert sorted(os.listdir(tmp_path)) == [".5.tmp.another", "place"]
    assert code == 0 and killed >= (1 if write is files.temporary else 5)


@pytest.mark.parametrize("write", [files.temporary, files.temporary_folder])
def test_what_a_living_process_writes_stays(tmp_path, write):
    path = tmp_path / "place"
    command = _command(_HOLDS, write.__name__, path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as holder:
        assert holder.stdout.readline() == b"held\n"
        (written,) = os.listdir(tmp_path)
        files.remove_abandoned(tmp_path)
        assert os.listdir(tmp_path) == [written] and files.is_temporary(written)
        holder.kill()
    _write(write, path, "next")
    assert os.listdir(tmp_path) == ["place"]


def test_a_folder_moved_aside_comes_back_where_no_successor_came(tmp_path):
    aside = tmp_path / ".7.old.place"
    aside.mkdir()
    (aside / "content").write_text("old")
    with pytest.raises(KeyError), files.temporary_folder(tmp_path / "place"):
        raise KeyError
    assert os.listdir(tmp_path) == ["place"] and _content(tmp_path / "place") == "old"


def test_temporary_names_cannot_be_foreseen_and_links_are_not_followed(tmp_path, monkeypatch):
    """A link under the very name that is drawn is refused, and stays."""
    with files.temporary(tmp_path / "a") as first, files.temporary(tmp_path / "a") as second:
        assert first != second and str(os.getpid()) not in first.name
    victim = tmp_path / "victim"
    victim.write_text("kept")
    monkeypatch.setattr("os.urandom", lambda n: bytes(n))
    (tmp_path / ".0.tmp.b").symlink_to(victim)
    files.remove_abandoned(tmp_path)
    with pytest.raises(UserError, match="cannot write .*File exists"):
        files.write_text(tmp_path / "b", "text")
    assert victim.read_text() == "kept" and (tmp_path / ".0.tmp.b").is_symlink()


def test_a_device_or_another_kind_of_thing_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for name in ("fifo", "folder"):
        with pytest.raises(UserError, match=rf"{name} exists but is not a file"):
            files.write_text(tmp_path / name, "")
    with pytest.raises(UserError, match=r"/dev/null exists but is not a file"):
        files.write_text("/dev/null", "")
    with pytest.raises(UserError, match="is a file"), files.temporary_folder(tmp_path / "file"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["fifo", "file", "folder"]


def test_a_mount_point_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.is_mount", lambda path: path == tmp_path / "disk")
    (tmp_path / "disk").mkdir()
    said = pytest.raises(UserError, match="disk is a mount point, .*; name a folder in it")
    with said, files.temporary_folder(tmp_path / "disk"):
        raise AssertionError("the work has begun")
    _write(files.temporary_folder, tmp_path / "disk/folder", "new")


def test_the_current_folder_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = pytest.raises(UserError, match="is the current folder, .*; name a folder in it")
    with said, files.temporary_folder("."):
        raise AssertionError("the work has begun")
    _write(files.temporary_folder, "folder", "new")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("Unable to flush (error message = 'No space left on device')"),
    ],
)
@pytest.mark.parametrize("write", [files.temporary, files.temporary_folder])
def test_a_full_disk_is_one_line_whoever_met_it(tmp_path, write, error):
    said = r"cannot write .*place: No space left on device; free some space"
    with pytest.raises(UserError, match=said) as caught, write(tmp_path / "place"):
        raise error
    assert caught.value.__cause__ is error and not os.listdir(tmp_path)
    with pytest.raises(RuntimeError, match="a mistake"), write(tmp_path / "place"):
        raise RuntimeError("a mistake")
