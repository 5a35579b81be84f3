"""What config.json says of the programs that made a run."""

import platform
import sys
from pathlib import Path
from typing import Any

from improved_gan_tf.version import VERSION

_PACKAGES = ("keras", "numpy", "tensorflow", "tensorflow-datasets")


def software() -> dict[str, Any]:
    """Returns the versions of the packages, Keras' backend and the command of this process."""
    from importlib.metadata import version

    import keras

    return {
        "versions": {
            "improved_gan_tf": VERSION,
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
        "backend": keras.backend.backend(),
        "command": _command(*sys.argv),
    }


def _command(program: str, *arguments: str) -> str:
    """The command as it can be given again: our programs are named without their folders."""
    match Path(program).parts:
        case [*_, "improved_gan_tf", "__main__.py"]:
            program = "python -m improved_gan_tf"
        case [*_, "improved-gan"]:
            program = "improved-gan"
    return " ".join((program, *arguments))
