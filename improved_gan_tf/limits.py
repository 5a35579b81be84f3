"""How much of the machine a file may take: each limit is an environment variable.

A file of a few kilobytes can announce gigabytes. Whatever reads files of users looks at what is
announced first and compares it with the limits below, whose defaults leave room for every data set
of the paper many times over. A message about a limit names the variable that raises it.
"""

import os
from dataclasses import dataclass

from improved_gan_tf.errors import UserError


@dataclass(frozen=True)
class Limit:
    """A number that an environment variable changes.

    Attributes:
        variable: The environment variable; a whole number of 1 or more.
        default: The number where it is not set.
        what: What is counted, in the plural.

    Example:

    >>> Limit("IMPROVED_GAN_TF_MAX_CLASSES", 100_000, "classes").value
    100000
    """

    variable: str
    default: int
    what: str

    @property
    def value(self) -> int:
        """The limit now.

        Raises:
            UserError: The variable is set to something else than a whole number of 1 or more.
        """
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= 1):
            raise UserError(
                f"{self.variable} is {text[:40]!r}; expected a whole number of {self.what}, 1 or "
                f"more"
            )
        return int(text)

    def excess(self, number: int) -> str | None:
        """The words for a message where `number` is above the limit, otherwise None.

        Example:

        >>> CLASSES.excess(10**8)
        '100,000,000 classes, above the limit of 100,000; IMPROVED_GAN_TF_MAX_CLASSES raises it'
        """
        limit = self.value
        if number <= limit:
            return None
        shown = f"{number:,}" if number < 10**21 else "more than 10^21"
        return f"{shown} {self.what}, above the limit of {limit:,}; {self.variable} raises it"


def _limit(name: str, default: int, what: str) -> Limit:
    return Limit(f"IMPROVED_GAN_TF_MAX_{name}", default, what)


# Of the arrays, or the text, that are read from one file at a time: CIFAR-10 takes 0.2 GB.
BYTES = _limit("BYTES", 8 * 2**30, "bytes in memory")
# Of one picture: Pillow's own bound, a third of a gigabyte of RGB and its fourth channel.
PIXELS = _limit("PIXELS", 89_478_485, "pixels in a picture")
CLASSES = _limit("CLASSES", 100_000, "classes")
# Of an archive: ImageNet has 1.3 million pictures.
MEMBERS = _limit("MEMBERS", 5_000_000, "members in an archive")
# How many times its size compressed data may become, from `FREE` bytes on.
EXPANSION = _limit("EXPANSION", 200, "bytes from each compressed byte")
FREE = 64 * 2**20
LIMITS = (BYTES, PIXELS, CLASSES, MEMBERS, EXPANSION)


def expansion_excess(compressed: int, expanded: int) -> str | None:
    """The words for a message where `compressed` bytes become too many, otherwise None.

    Example:

    >>> expansion_excess(2**20, 300 * 2**20).partition(",")[0]
    '300 bytes from each compressed byte'
    """
    if expanded <= FREE:
        return None
    return EXPANSION.excess(-(-expanded // max(compressed, 1)))
