"""The process of a command: TensorFlow's log out of its output, and Ctrl-C that ends it soon.

TensorFlow's C++ code writes its log to file descriptor 2, from the moment it is imported, and no
setting silences all of it. Python's own output (errors, warnings, progress) is moved to a copy of
the descriptor; what is written to 2 itself then passes a filter: a process of its own, so that it
is read even while this one is busy in C++, and shown even if this one dies.
"""

import contextlib
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator

from improved_gan_tf.errors import UserError

_GRACE = 1.5  # seconds from Ctrl-C to the end, where C++ does not come back
_DONE = b"improved-gan: the command has ended\n"
# Notes and warnings of TensorFlow's log, and what it calls errors where there is merely no GPU. The
# last lines that were left out are shown after all if the process dies.
_FILTER = r"""
import collections, re, sys
noise = re.compile(
    rb"[IW]\d{4} \d\d:|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] |WARNING: All log messages before "
    rb"|To enable the following instructions: |E\d{4} .*(cuInit|Unable to register cu)"
)
left_out, show = collections.deque(maxlen=50), sys.stderr.buffer.write
for line in iter(sys.stdin.buffer.readline, b""):
    if line.endswith(DONE):
        left_out = collections.deque(maxlen=0)
        line = line.removesuffix(DONE)  # a line without its end may stand before it
    if noise.match(line):
        left_out.append(line)
    else:
        show(line)
        sys.stderr.flush()
show(b"".join(left_out))
""".replace("DONE", repr(_DONE))


def require_tensorflow() -> None:
    """Refuses another backend of Keras, before anything is written, and sets up TensorFlow."""
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UserError(
            f"KERAS_BACKEND is {backend}, but this command needs tensorflow; unset it, or set "
            "KERAS_BACKEND=tensorflow (the layers alone work with every backend)"
        )
    # Take a GPU's memory as it is needed; TensorFlow takes all of it at once.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def open_outputs() -> None:
    """Gives the process the standard outputs that its parent has closed; they lead nowhere.

    Names of files that are not text are printed as they are on the disk.
    """
    # Else the next file that is opened has the number of an output, and gets TensorFlow's log.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")


@contextlib.contextmanager
def own(stopped: str | None) -> Iterator[None]:
    """The process serves one command, within the context.

    With TF_CPP_MIN_LOG_LEVEL=0 in the environment the log is shown as it is.

    Args:
        stopped: What is printed if Ctrl-C has to end the process; None: it never has to.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0":
        _filter_log()
    with contextlib.nullcontext() if stopped is None else _interruptible(stopped):
        yield
    finished()


def finished() -> None:
    """Tells the filter that the process ends, or replaces itself, in good order."""
    if _filters:
        with contextlib.suppress(OSError):
            os.write(2, _DONE)


_filters: list[subprocess.Popen] = []


def _filter_log() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").addFilter(
        lambda record: "triggered tf.function retracing" not in record.getMessage()
    )
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"keras\.")
    with contextlib.suppress(OSError):  # stderr is closed, or no process can be started
        own = open(os.dup(2), "w", 1, sys.stderr.encoding, "backslashreplace")
        # In a session of its own: Ctrl-C is for the command; the filter ends with its input.
        command = [sys.executable, "-I", "-S", "-c", _FILTER]
        made = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        assert made.stdin is not None
        os.dup2(made.stdin.fileno(), 2)
        made.stdin.close()
        sys.stderr = own
        _filters.append(made)


@contextlib.contextmanager
def _interruptible(stopped: str) -> Iterator[None]:
    """Ends the process soon after Ctrl-C, also while C++ (a compilation) keeps Python waiting.

    Python raises KeyboardInterrupt between two of its own instructions only. A second thread is
    told of the signal at once, and ends the process where the first does not. Every file of a run
    is whole or absent at any moment.
    """
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    before = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
    ended = threading.Event()

    def watch() -> None:
        while number := ours.recv(1):
            if number[0] == signal.SIGINT and not ended.wait(_GRACE):
                print(f"\n{stopped}", file=sys.stderr, flush=True)
                end(130)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        pythons.close()


def end(code: int) -> None:
    """Ends the process now: TensorFlow's threads, which may compile on, are not waited for."""
    finished()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
