"""Improved Techniques for Training GANs (Salimans et al., 2016) for Keras 3 and TensorFlow.

The submodules below are imported on first use, so that `import improved_gan_tf` and the help of the
command line do not wait for TensorFlow. The custom classes that Keras needs to load a saved model,
as in `keras.saving.load_model("gan.keras")`, are registered when Keras is imported, whether that
happens before or after `import improved_gan_tf`.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from improved_gan_tf.registration import register as _register
from improved_gan_tf.version import VERSION as __version__

if TYPE_CHECKING:  # so that editors and type checkers know the rooms
    from improved_gan_tf import (
        callbacks,
        data,
        errors,
        experiments,
        export,
        images,
        inception,
        layers,
        losses,
        metrics,
        models,
        networks,
        optimizers,
        random,
        regularizers,
        runs,
    )

__all__ = [
    "__version__",
    "callbacks",
    "data",
    "errors",
    "experiments",
    "export",
    "images",
    "inception",
    "layers",
    "losses",
    "metrics",
    "models",
    "networks",
    "optimizers",
    "quantities",
    "random",
    "regularizers",
    "runs",
]


def _room(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return _room(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


_register(_room)
