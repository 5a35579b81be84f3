"""The examples in the room's docstrings run."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

pytest.importorskip("flask", reason="the extra [turing-test] is not installed")

from improved_gan_tf import turing_test

MODULES = [module.name for module in pkgutil.iter_modules(turing_test.__path__) if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(f"improved_gan_tf.turing_test.{name}")
    assert doctest.testmod(module, extraglobs={"np": np}).failed == 0
