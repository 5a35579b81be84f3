"""Recipes, and what is done with them: build, train, evaluate.

The recipes themselves are plain data; the rest is imported when first used, since it needs
TensorFlow.
"""

import importlib

from improved_gan_tf.experiments.recipe import (
    ImageNetRecipe,
    Recipe,
    SemiSupervisedRecipe,
    override,
)
from improved_gan_tf.experiments.recipes import RECIPES, get

_MODULES = {
    "WorkerLost": "distribution",
    "build": "building",
    "experiment": "building",
    "load_data": "building",
    "evaluate": "run",
    "load_generator": "run",
    "load_run": "run",
    "train": "run",
    "value_range": "building",
}

__all__ = [
    "RECIPES",
    "ImageNetRecipe",
    "Recipe",
    "SemiSupervisedRecipe",
    "get",
    "override",
    *sorted(_MODULES),
]


def __getattr__(name):
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
