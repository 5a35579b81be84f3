"""The examples in the docstrings of layers, models, their parts and other top-level files run."""

import doctest
import importlib
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers, models, networks

PARTS = (
    "export", "images", "layers", "limits", "losses", "models", "networks", "optimizers",
    "products", "quantities", "random", "regularizers", "transformations",
)  # fmt: skip
NETWORKS = ("networks.convolutional", "networks.dense", "networks.imagenet")
# What an example may use without importing it, apart from what its own module has.
NAMES = {
    "keras": keras,
    "layers": layers,
    "models": models,
    "networks": networks,
    "np": np,
    "tf": tf,
}


def modules():
    for part in PARTS:
        module = importlib.import_module(f"improved_gan_tf.{part}")
        yield module.__name__
        for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
            yield f"{module.__name__}.{inner.name}"


@pytest.mark.parametrize("name", list(modules()))
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # files that an example writes
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs=NAMES)
    assert results.failed == 0


@pytest.mark.parametrize("part", [*PARTS, *NETWORKS])
def test_every_public_function_and_class_has_an_example(part):
    module = importlib.import_module(f"improved_gan_tf.{part}")
    if ">>> " in module.__doc__:  # one example for all of its functions
        return
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    without = {
        name
        for name in names
        if callable(getattr(module, name)) and ">>> " not in (getattr(module, name).__doc__ or "")
    }
    # Shown by the examples of others.
    assert without <= {
        "DataDependent",
        "ExportedGenerator",
        "DropReference",
        "open_generator",
        "saved_model",
        "update_average",
    }
