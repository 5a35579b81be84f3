"""Several processes on one machine, which share its cores or have a GPU each."""

import contextlib
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError

# What TensorFlow and the libraries of NumPy read their numbers of threads from, once.
_THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def cores() -> int:
    """The number of cores that this process may use."""
    with contextlib.suppress(AttributeError):  # only Linux says
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in re.split(r"[\s,]+", visible) if name not in ("", "-1")]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def check(jobs: int) -> None:
    """Raises `UserError` where the machine has fewer GPUs or, without any, fewer cores."""
    has, what = (len(gpus()), "GPUs") if gpus() else (cores(), "cores")
    if jobs > has and jobs > 1:
        raise UserError(f"--jobs {jobs}: this process may use {has} {what}; give at most {has}")


def run(jobs: int, target: Callable[..., None], *arguments: Any) -> None:
    """Calls `target(*arguments)` in several new processes at once, and waits for all.

    They share the cores equally, or have one GPU each; all end with this process, however it ends.

    Args:
        jobs: How many, see `check`.
        target: A function at the top of a module.
        *arguments: What pickle can take.

    Raises:
        UserError: One of them has raised it, or has died.
    """
    context = multiprocessing.get_context("spawn")
    started = []
    try:
        for job in range(jobs):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_serve, args=(theirs, target, arguments), daemon=True)
            with _environment(job, jobs):
                process.start()
            theirs.close()
            started.append((process, ours))
        errors = [_error(job, *each) for job, each in enumerate(started, 1)]
    except BaseException:
        for process, _ in started:
            process.kill()
        raise
    for error in filter(None, errors):
        raise UserError(error)


@contextlib.contextmanager
def _environment(job: int, jobs: int) -> Iterator[None]:
    """What a new process finds in its environment."""
    threads = str(max(1, cores() // jobs))
    before = {name: os.environ.get(name) for name in (*_THREADS, "CUDA_VISIBLE_DEVICES")}
    os.environ |= dict.fromkeys(_THREADS, threads)
    if gpus():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus()[job]
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _error(job: int, process: Any, messages: Any) -> str | None:
    """What went wrong in a process, once it has ended."""
    with contextlib.suppress(EOFError):
        message = messages.recv()
        process.join()
        return message
    process.join()
    return (
        f"job {job} has ended with exit code {process.exitcode}; the same command continues: what "
        "is finished is kept"
    )


def _serve(messages: Any, target: Callable[..., None], arguments: tuple) -> None:
    """Runs in the new process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        target(*arguments)
    except UserError as error:
        messages.send(str(error))
    else:
        messages.send(None)
    sys.stdout.flush()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
