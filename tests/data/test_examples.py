"""The examples in the room's docstrings and in its chapter run."""

import doctest
import importlib
import pkgutil
import re

import numpy as np
import pytest

import improved_gan_tf
from improved_gan_tf import data
from tests.helpers.paths import ROOT
from tests.helpers.stream_data import class_folders

MODULES = [module.name for module in pkgutil.iter_modules(data.__path__) if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    module = importlib.import_module(f"improved_gan_tf.data.{name}")
    names = {"improved_gan_tf": improved_gan_tf, "np": np}
    assert doctest.testmod(module, extraglobs=names).failed == 0


def test_chapter(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "photos", {"cat": 5, "dog": 5})
    text = (ROOT / "improved_gan_tf" / "data" / "README.md").read_text()
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S):
        exec(block, names)
    printed = capsys.readouterr().out
    assert names["own"].summary() + "\n```" in text
    assert "{'train': 1297, 'test': 500} (8, 8, 1)" in printed
    assert "photos 10\nfolder:photos@test 2" in printed
    assert names["x"].shape == (4, 32, 32, 3) and names["stream"].num_test == 2
    assert len(names["data"].labeled_indices) == 100
