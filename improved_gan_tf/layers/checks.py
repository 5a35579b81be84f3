"""What several layers ask of their arguments and inputs."""


def check_shape(layer: str, shape: tuple, expected: str, holds: bool) -> None:
    """Raises a `ValueError` that says what the layer expects, unless it holds of its input."""
    if not holds:
        raise ValueError(f"{layer} needs {expected}, not shape {tuple(shape)}")


def check_joint_batch(layer: str, shape: tuple) -> None:
    """Refuses a batch that is known not to have as many generated examples as real ones."""
    expected = "a joint batch, as many generated examples as real ones"
    check_shape(layer, shape, expected, shape[0] is None or (shape[0] > 0 and shape[0] % 2 == 0))


def check_at_least(least: int, **arguments: int) -> None:
    """Refuses arguments below `least`."""
    for name, value in arguments.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value!r}")
