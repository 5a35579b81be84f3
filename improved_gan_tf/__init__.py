"""Improved Techniques for Training GANs (Salimans et al., 2016) for Keras 3 and TensorFlow.

The parts: `layers`, `losses`, `optimizers`, `networks`, `models`, `data`, `experiments`,
`callbacks`, `images`, `inception`, `metrics`, `runs`, `export`. They are imported when first used,
so that `import improved_gan_tf` and the command line's help do not wait for TensorFlow.
"""

import importlib

__version__ = "0.1.0"

_PARTS = (
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
    "runs",
)

__all__ = [*_PARTS, "__version__"]


def __getattr__(name):
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
