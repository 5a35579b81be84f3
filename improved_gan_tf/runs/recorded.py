"""What may be published of a run: everything but where it lay on the machine that made it."""

import re
import shlex
from typing import Any

# An absolute path, of any system, alone or behind an option or a prefix: "--out=/a/b", "npz:/a/b".
_ABSOLUTE = re.compile(
    r"""(?<![^\s=:,;"'(\[])(?:~|file:/*(?=/)|[A-Za-z]:(?=[/\\]))?[/\\](?![\s/\\])[^,;"'=]*"""
)


def recorded(value: Any) -> Any:
    """`value` with every absolute path reduced to its last part.

    Args:
        value: A run's configuration, results or a part of them, of any depth: what JSON can hold.

    Returns:
        A copy. In "command" the program is named without its folder too.

    Example:

    >>> recorded({"command": "/opt/bin/improved-gan train digits --out /home/me/runs/digits"})
    {'command': 'improved-gan train digits --out digits'}
    >>> recorded("npz:/home/me/photos.npz@images")
    'npz:photos.npz@images'
    """
    if isinstance(value, dict):
        return {
            key: _command(item) if key == "command" and isinstance(item, str) else recorded(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [recorded(item) for item in value]
    return _ABSOLUTE.sub(_last_part, value) if isinstance(value, str) else value


def _command(line: str) -> str:
    try:
        words = shlex.split(line)
    except ValueError:  # a quotation mark without its partner
        words = line.split()
    program = [re.split(r"[/\\]", words[0])[-1]] if words else []
    return shlex.join(program + [recorded(word) for word in words[1:]])


def _last_part(match: re.Match) -> str:
    return re.split(r"[/\\]", match[0].rstrip("/\\"))[-1]
