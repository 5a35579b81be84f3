"""Completion of commands and options in a shell, by argcomplete, where it is installed.

The shell calls the command with the variable _ARGCOMPLETE in the environment:

    eval "$(register-python-argcomplete improved-gan)"                  bash, zsh
    register-python-argcomplete --shell fish improved-gan | source      fish
"""

import argparse
import os
from collections.abc import Iterable


def wanted() -> bool:
    """Whether a shell asks for completions."""
    return "_ARGCOMPLETE" in os.environ


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process; does nothing without argcomplete."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)


def completes(action: argparse.Action, names: Iterable[str], files: str | None = None) -> None:
    """Says what an argument is completed to.

    Args:
        action: The argument.
        names: What it may be. None of them: files, which argcomplete finds by itself.
        files: Suffix of files that it may be as well. None (default): it may not.
    """
    known = list(names)

    def found(prefix: str, **_: object) -> list[str]:
        from argcomplete.completers import FilesCompleter

        return known + ([] if files is None else list(FilesCompleter([files])(prefix)))

    if known:
        action.completer = found  # type: ignore[attr-defined]
