"""Arguments that are whole numbers: what every metric refuses."""

import math
import numbers
from typing import Any

from improved_gan_tf.data.order import LARGEST_SEED
from improved_gan_tf.errors import UserError


def check_whole(what: str, value: Any, least: int = 1, most: float = math.inf) -> None:
    """Raises `UserError` unless `value`, called `what`, is an integer from `least` to `most`."""
    if not (isinstance(value, numbers.Integral) and least <= int(value) <= most):
        to = "up" if most == math.inf else f"to {most}"
        raise UserError(f"{what} must be a whole number from {least} {to}, not {value!r}")


def check_seed(what: str, seed: Any) -> None:
    """Raises `UserError` unless `numpy.random.RandomState` takes `seed`, called `what`."""
    check_whole(what, seed, 0, LARGEST_SEED)
