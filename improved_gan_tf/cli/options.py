"""What options take: types for argparse, each of which refuses in one line what it cannot be."""

import argparse
import math
from collections.abc import Callable
from typing import Any

from improved_gan_tf.data.order import LARGEST_SEED

# What a module of commands declares: of each, what gives its parser its arguments.
Commands = dict[str, Callable[[argparse.ArgumentParser], None]]
MOST_WORKERS = 1024
MOST_IMAGES = 10_000_000


def whole(minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """A type of option: a whole number from `minimum` to `maximum` (None, the default: any)."""
    to = "up" if maximum is None else f"to {maximum}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum or (maximum is not None and number > maximum):
            raise _refused(f"a whole number from {minimum} {to}", text)
        return number

    return parse


def number(above: float = -math.inf, maximum: float = math.inf) -> Callable[[str], float]:
    """A type of option: a finite number above one bound and at most the other, if there are any."""
    bounds = [f"above {above:g}"] * (above > -math.inf)
    bounds += [f"at most {maximum:g}"] * (maximum < math.inf)
    expected = " ".join(["a number", " and ".join(bounds)]).strip()

    def parse(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not (math.isfinite(found) and above < found <= maximum):
            raise _refused(expected, text)
        return found

    return parse


seed = whole(0, LARGEST_SEED)
workers = whole(1, MOST_WORKERS)
images = whole(1, MOST_IMAGES)
count = whole(1)


def add_range(parser: argparse.ArgumentParser, *names: str, **about: Any) -> None:
    """Adds an option of two values, those of black and of white."""
    metavar = ("LOW", "HIGH")
    parser.add_argument(*names, type=number(), nargs=2, metavar=metavar, action=_Range, **about)


class _Range(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        low, high = values
        if low >= high:
            raise argparse.ArgumentError(self, f"expected LOW below HIGH, not {low:g} {high:g}")
        setattr(namespace, self.dest, (low, high))


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds what every command has: `parser`, itself, and --debug."""
    about = "show the traceback of an unexpected error, in place of one line"
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=about)
    parser.set_defaults(parser=parser)


def _refused(expected: str, text: str) -> argparse.ArgumentTypeError:
    given = text if len(text) <= 40 else f"{text[:37]}..."
    return argparse.ArgumentTypeError(f"expected {expected}, not {given!r}")
