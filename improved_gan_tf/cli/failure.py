"""What is said of an exception that no command expected: one line, whatever it is."""

import contextlib
import errno
import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import TextIO

from improved_gan_tf.version import VERSION

_LONGEST = 200  # characters of a message or a name that are shown


def report(error: Exception, arguments: Sequence[str]) -> int:
    """Prints what happened to the standard error.

    Args:
        error: The exception, no `UserError`.
        arguments: The command and its options.

    Returns:
        The exit code: 141, without a line, where nobody reads the output any more; 2 where the
        machine is the reason: the output cannot be written, a file system says no, the memory is
        used up; otherwise 1, a bug, whose traceback goes into a file for a report.
    """
    if isinstance(error, OSError) and error.strerror:
        # What `print` raises names no file; other writers here name theirs.
        if not error.filename and error.errno in (errno.ENOSPC, errno.EPIPE, errno.EIO):
            return output_lost(error)
        where = f"{_short(error.filename)}: " if error.filename else ""
        _print(f"error: {where}{error.strerror}")
        return 2
    if _memory_is_used_up(error):
        _print(
            "error: the memory is used up; take smaller batches or networks (--batch-size, "
            "--width), fewer images at once, or a larger machine"
        )
        return 2
    _print(f"unexpected error: {_short(f'{type(error).__name__}: {error}')}; {_kept(arguments)}")
    return 1


def of_output() -> int:
    """Writes what was printed; returns the exit code where it cannot be written, otherwise 0."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return output_lost(error)
    return 0


def output_lost(error: OSError) -> int:
    """Says why the standard output could not be written; returns the exit code."""
    _discard(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return 141  # as shells have it: ended by SIGPIPE
    _print(f"error: the output cannot be written: {error.strerror}")
    return 2


def tell(text: str) -> None:
    """Writes a text to the standard error; it is lost where that cannot be written."""
    try:
        print(text, end="", file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Leads an output nowhere: Python flushes it again at its end, and would complain."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _memory_is_used_up(error: Exception) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return isinstance(error, MemoryError) or (
        tensorflow is not None and isinstance(error, tensorflow.errors.ResourceExhaustedError)
    )


def _kept(arguments: Sequence[str]) -> str:
    """Writes the traceback being handled into a file; what to do with it."""
    command = shlex.join(["improved-gan", *arguments])
    text = f"{command}\nimproved_gan_tf {VERSION}, Python {sys.version}\n\n"
    text += traceback.format_exc()
    try:
        file, path = tempfile.mkstemp(".txt", "improved-gan-error-")
        with open(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError:
        return "this is a bug, please report it with what --debug shows"
    return f"this is a bug, please report it with {path}"


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _print(text: str) -> None:
    tell(f"improved-gan: {text}\n")
