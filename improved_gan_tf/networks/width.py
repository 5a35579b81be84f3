"""Narrower and wider networks."""

import math
from numbers import Real
from typing import Any


def scaled(size: float, width: float) -> int:
    """The number of channels or units times `width`, rounded, at least 1.

    Raises:
        ValueError: `width` or `size` is not a finite number above 0.
    """
    if not _is_positive(size):
        raise ValueError(f"numbers of channels and units must be above 0, not {size!r}")
    if not _is_positive(width):
        raise ValueError(f"width must be a finite number above 0, not {width!r}")
    return max(1, round(size * width))


def _is_positive(value: Any) -> bool:
    return isinstance(value, Real) and value < math.inf and not value <= 0
