"""Narrower and wider networks."""

import math


def scaled(sizes, width):
    """The numbers of channels or units, each times `width`, rounded, at least 1.

    Raises:
        ValueError: a width that is not a finite number above 0.
    """
    if not 0 < width < math.inf:
        raise ValueError(f"width must be a finite number above 0, not {width!r}.")
    return tuple(max(1, round(n * width)) for n in sizes)
