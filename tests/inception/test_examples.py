"""The examples in the room's docstrings and in its chapter run."""

import doctest
import importlib
import pkgutil
import re

import pytest

from improved_gan_tf import inception
from improved_gan_tf.inception import published
from tests.helpers.paths import ROOT

CHAPTER = ROOT / "improved_gan_tf" / "inception" / "README.md"


@pytest.mark.parametrize("name", [m.name for m in pkgutil.iter_modules(inception.__path__)])
def test_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"improved_gan_tf.inception.{name}")
    assert doctest.testmod(module).failed == 0


def test_the_chapter():
    text = CHAPTER.read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    names = {}
    exec(block, names)
    shapes = {name: tuple(output.shape) for name, output in names["outputs"].items()}
    assert shapes == {"pool_3": (2, 2048), "logits": (2, 1008), "biased_logits": (2, 1008)}
    for line in block.splitlines()[-3:]:
        name, shape = re.match(r'outputs\["(\w+)"\]  # (\(\d+, \d+\))', line).groups()
        assert str(shapes[name]) == shape
    for file in published.FILES:
        assert f"| `{file.name}` |" in text and f"{file.size:,} |" in text
    for fact in (published.PTH_SHA256, published.GRAPH_MD5, published.VARIABLE):
        assert fact in text
    assert f"| {published.GRAPH_BYTES:,} |" in text
