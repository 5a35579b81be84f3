"""The exception that is addressed to the user, not to a programmer, and a check that raises it."""

import math
import numbers
import re
from typing import Any

_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")


class UserError(ValueError):
    """Input that cannot be used: one line saying what was wrong, what was expected, what to do.

    The command line prints it without a traceback and exits with code 2. Library callers may
    catch it as the `ValueError` it is. Line breaks and other control characters, which names of
    files may hold, are escaped.
    """

    def __init__(self, line: str):
        super().__init__(_CONTROL.sub(lambda found: repr(found[0])[1:-1], str(line)))


def check_whole(what: str, value: Any, least: int = 1, most: float = math.inf) -> int:
    """Returns `value`, called `what`, which must be an integer from `least` to `most`.

    Raises:
        UserError: It is not.
    """
    if not (isinstance(value, numbers.Integral) and least <= int(value) <= most):
        to = "up" if most == math.inf else f"to {most}"
        raise UserError(f"{what} must be a whole number from {least} {to}, not {value!r}")
    return int(value)
