"""What several layers and models ask of their arguments and inputs."""

import math
from numbers import Integral, Real
from typing import Any

import keras


def check_shape(layer: str, shape: tuple, expected: str, holds: bool) -> None:
    """Raises a `ValueError` that says what the layer expects, unless it holds of its input."""
    if not holds:
        raise ValueError(f"{layer} needs {expected}, not shape {tuple(shape)}")


def check_joint_batch(layer: str, shape: tuple) -> None:
    """Refuses a batch that is known not to have as many generated examples as real ones."""
    expected = "a joint batch, as many generated examples as real ones"
    check_shape(layer, shape, expected, shape[0] is None or (shape[0] > 0 and shape[0] % 2 == 0))


def check_at_least(least: int, **arguments: Any) -> None:
    """Raises a `ValueError` for arguments that are not integers or below `least`."""
    for name, value in arguments.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise ValueError(f"{name} must be an integer, not {value!r}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value!r}")


def check_weights(**arguments: Any) -> None:
    """Raises a `ValueError` for factors of losses that are not finite numbers of at least 0."""
    for name, value in arguments.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not number or not 0 <= float(value) < math.inf:
            raise ValueError(f"{name} must be a finite number of at least 0, not {value!r}")


def as_floats(layer: keras.layers.Layer, x: Any) -> Any:
    """A layer's input, integers in its compute dtype: features in theirs would be cut off."""
    return x if keras.backend.is_float_dtype(x.dtype) else keras.ops.cast(x, layer.compute_dtype)
