"""The examples in the docstrings of the room run."""

import doctest
import importlib
import pkgutil

import pytest

from improved_gan_tf import metrics

MODULES = [module.name for module in pkgutil.iter_modules(metrics.__path__)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"improved_gan_tf.metrics.{name}")
    assert doctest.testmod(module).failed == 0
