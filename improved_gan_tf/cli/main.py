"""The command line, `improved-gan`: the parser, errors, exit codes."""

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from improved_gan_tf.cli import (
    completion,
    convert,
    predict,
    process,
    reproduce,
    runs,
    score,
    train,
    turing_test,
)
from improved_gan_tf.errors import UserError
from improved_gan_tf.experiments.recipe import unknown
from improved_gan_tf.version import VERSION

_STOPPED = 130  # by SIGINT, as shells have it


class _Parser(argparse.ArgumentParser):
    """argparse with one line for a mistake, without the usage, and with what was meant."""

    choosing = "command"  # what its sub-parsers are

    def error(self, message: str) -> NoReturn:
        if choice := re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message):
            known = re.findall(r"[\w-]+", choice[2])
            message = f"{unknown(f'no {self.choosing}', choice[1], known)}"
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command and its options; None (default) takes those of the process.

    Returns:
        The exit code: 0, 2 for input that cannot be used, 130 if it was stopped.
    """
    if completion.wanted():
        completion.complete(parser())
    given = sys.argv[1:] if arguments is None else list(arguments)
    options, rest = parser().parse_known_args(given)
    if rest:
        # The options stand in the usage; argparse has no public list of them.
        known = re.findall(r"--[\w-]+", options.parser.format_usage())
        near = difflib.get_close_matches(rest[0].partition("=")[0], known, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}{meant}")
    options.arguments = given
    if arguments is not None:
        return _run(options)
    with process.own(f"improved-gan: stopped{options.stopped}" if options.keras else None):
        code = _run(options)
    if code == _STOPPED and options.keras:
        process.end(code)
    return code


def _run(options: argparse.Namespace) -> int:
    try:
        if options.keras:
            process.require_tensorflow()
        options.command(options)
    except UserError as error:
        print(f"improved-gan: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nimproved-gan: stopped{options.stopped}", file=sys.stderr)
        return _STOPPED
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser of all commands.

    Each sets `command`, a function of the parsed options; it may set `stopped`, how to continue,
    and `keras`, whether it uses Keras (True by default).
    """
    parser = _Parser(
        prog="improved-gan", description="Improved Techniques for Training GANs, on Keras."
    )
    parser.add_argument("--version", action="version", version=f"improved_gan_tf {VERSION}")
    parser.set_defaults(stopped="", keras=True)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train.add_commands(commands)
    runs.add_commands(commands)
    predict.add_command(commands)
    score.add_command(commands)
    reproduce.add_command(commands)
    convert.add_commands(commands)
    turing_test.add_command(commands)
    for command in commands.choices.values():
        command.set_defaults(parser=command)
    return parser
