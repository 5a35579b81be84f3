"""Commands as processes that can be watched and killed.

They are forked from this process, which has imported TensorFlow but never used it: a trial is
spared the seconds of the import, and its moments fall into the work itself.
"""

import json
import multiprocessing
import os
import resource
import shlex
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FORK = multiprocessing.get_context("fork")
_LONGEST = 900.0  # seconds until a command counts as hanging


def import_all():
    """Imports what the commands import, so that a fork has it."""
    import h5py  # noqa: F401
    import keras  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import tensorflow  # noqa: F401

    import improved_gan_tf.callbacks
    import improved_gan_tf.cli.main
    import improved_gan_tf.data.records.convert
    import improved_gan_tf.export
    import improved_gan_tf.metrics
    import improved_gan_tf.models
    import improved_gan_tf.runs.report  # noqa: F401


class Command:
    """One command, in a session of its own.

    Args:
        arguments: Its words, a string.
        folder: The folder that it runs in, which receives stdout and stderr as files of these
            names, and has its TMPDIR, tmp.
        environment: Dictionary of more environment variables.
        limit: Integer, the bytes that a file may have (RLIMIT_FSIZE); None: any number.
        number: Integer, of several at once.
    """

    def __init__(self, arguments, folder, environment=None, limit=None, number=0):
        self.arguments, self.folder = arguments, Path(folder)
        self._files = [self.folder / f"{name}{number or ''}" for name in ("stdout", "stderr")]
        for file in self._files:
            file.unlink(missing_ok=True)
        environment = {"TMPDIR": str(self.folder / "tmp"), **(environment or {})}
        given = shlex.split(arguments), self.folder, self._files, environment, limit
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = _FORK.Process(target=_serve, args=given)
        self._process.start()
        self.started = time.monotonic()

    @property
    def code(self):
        """The exit code, None while it runs; -9 after a SIGKILL."""
        return self._process.exitcode

    @property
    def errors(self):
        """What it wrote to stderr."""
        return self._files[1].read_text(errors="replace")

    def kill(self):
        """Kills this process alone, as the system does where memory is short."""
        self._process.kill()
        self._process.join()

    def end(self):
        """Kills all of its session, at the end of a trial; returns whether anything still ran."""
        found = True
        deadline = time.monotonic() + 20
        while found and time.monotonic() < deadline:
            found = _session_runs(self._process.pid)
            if found:
                time.sleep(0.05)
        if found:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()
        return found

    def wait(self):
        """Waits for its end; returns the exit code, or "hangs"."""
        self._process.join(_LONGEST)
        if self.code is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.join()
            return "hangs"
        return self.code


def _session_runs(leader):
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def _serve(arguments, folder, files, environment, limit):
    os.setsid()
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None  # which Python may have looked up before
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{path}" if path else str(ROOT)
    for descriptor, file in enumerate(files, 1):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", 1, closefd=False)
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    from improved_gan_tf.cli import main

    sys.argv = ["improved-gan", *arguments]
    sys.exit(main.main())


def clusters(workers):
    """The environment of each worker of a new cluster on this machine; {} of a single process."""
    if workers == 1:
        return [{}]
    sockets = [socket.socket() for _ in range(workers)]
    for each in sockets:
        each.bind(("localhost", 0))
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        {
            "TF_CONFIG": json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            )
        }
        for index in range(workers)
    ]


def in_child(function, *arguments):
    """What `function` returns, computed in a process of its own: it may use TensorFlow."""
    ours, theirs = _FORK.Pipe(duplex=False)

    def serve():
        theirs.send(function(*arguments))

    process = _FORK.Process(target=serve)
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join()
