"""Narrower and wider networks."""

import math


def scaled(size: float, width: float) -> int:
    """The number of channels or units times `width`, rounded, at least 1.

    Raises:
        ValueError: `width` is not a finite number above 0.
    """
    if not 0 < width < math.inf:
        raise ValueError(f"width must be a finite number above 0, not {width!r}")
    return max(1, round(size * width))
