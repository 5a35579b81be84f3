"""The command line, `improved-gan`: the parser, errors, exit codes."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from improved_gan_tf.cli import commands, completion, failure, process
from improved_gan_tf.errors import UserError
from improved_gan_tf.version import VERSION

_STOPPED = 130  # by SIGINT, as shells have it


class _Parser(argparse.ArgumentParser):
    """argparse with one line for a mistake, without the usage, and with what was meant."""

    choosing = "command"  # what its sub-parsers are

    def error(self, message: str) -> NoReturn:
        if choice := re.search(r"invalid choice: '?([^' ]*)'? \(choose from (.*)\)", message):
            from improved_gan_tf.experiments.recipe import unknown

            known = re.findall(r"[\w-]+", choice[2])
            message = f"{unknown(f'no {self.choosing}', choice[1], known)}"
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def print_help(self, file: Any = None) -> None:
        try:
            (file or sys.stdout).write(self.format_help())  # argparse's own hides that it failed
        except OSError as error:
            super().exit(failure.output_lost(error))

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        failure.tell(message or "")
        super().exit(failure.of_output() or status)


class _Command(_Parser):
    """The parser of one command, which gets its arguments when they are asked for."""

    name = ""  # of a table, of which `reproduce` has several, none: they are filled already

    def fill(self) -> None:
        name, self.name = self.name, ""
        if name:
            commands.add_arguments(name, self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.fill()
        return super().parse_known_args(args, namespace)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command and its options; None (default) takes those of the process.

    Returns:
        The exit code: 0; 2 for input that cannot be used; 1 for an unexpected error, a bug, whose
        traceback goes into a file (with --debug it is raised); 130 if it was stopped; 141 if nobody
        reads the output any more.
    """
    try:
        return _main(arguments)
    except KeyboardInterrupt:  # before the command has begun
        failure.tell("\nimproved-gan: stopped\n")
        return _STOPPED


def _main(arguments: Sequence[str] | None) -> int:
    if completion.wanted():
        completion.complete(parser(whole=True))
    if arguments is None:
        process.open_outputs()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if any("\0" in argument for argument in given):
        parser().error("an argument holds a NUL character, which no name has")
    parsed, rest = parser().parse_known_args(given)
    if rest:
        # The options stand in the usage; argparse has no public list of them.
        known = re.findall(r"--[\w-]+", parsed.parser.format_usage())
        import difflib

        near = difflib.get_close_matches(rest[0].partition("=")[0], known, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        parsed.parser.error(f"unrecognized arguments: {' '.join(rest)}{meant}")
    parsed.arguments = given
    if arguments is not None:
        return _run(parsed)
    with process.own(f"improved-gan: stopped{parsed.stopped}" if parsed.keras else None):
        code = _run(parsed)
    if code == _STOPPED and parsed.keras:
        process.end(code)
    return code


def _run(parsed: argparse.Namespace) -> int:
    try:
        if parsed.keras:
            process.require_tensorflow()
        parsed.command(parsed)
        return failure.of_output()
    except UserError as error:
        failure.tell(f"improved-gan: error: {error}\n")
        return 2
    except KeyboardInterrupt:
        failure.tell(f"\nimproved-gan: stopped{parsed.stopped}\n")
        return _STOPPED
    except Exception as error:
        if parsed.debug:
            raise
        return failure.report(error, parsed.arguments)


def parser(whole: bool = False) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        whole: Whether every command has its arguments at once; by default a command gets them when
            it is parsed.
    """
    parser = _Parser(
        prog="improved-gan", description="Improved Techniques for Training GANs, on Keras."
    )
    parser.add_argument("--version", action="version", version=f"improved_gan_tf {VERSION}")
    parser.set_defaults(stopped="", keras=True, debug=False)
    made = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Command)
    for name, summary in commands.COMMANDS.items():
        command = made.add_parser(name, help=summary, description=summary)
        command.name = name
        if whole:
            command.fill()
    return parser
