"""Narrower and wider networks."""

import math


def scaled(size: float, width: float) -> int:
    """The number of channels or units times `width`, rounded, at least 1.

    Raises:
        ValueError: `width` is not a finite number above 0, or `size` is not above 0.
    """
    if size <= 0:
        raise ValueError(f"numbers of channels and units must be above 0, not {size!r}")
    if not 0 < width < math.inf:
        raise ValueError(f"width must be a finite number above 0, not {width!r}")
    return max(1, round(size * width))
