"""The README's Python runs as it is printed there, but for the number of epochs."""

import re

import keras

from tests.helpers.paths import ROOT

README = ROOT / "README.md"


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.M | re.S)


def test_python_blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, build_layers, serve = _blocks("python")[:3]
    names = {}
    assert "epochs=200" in train
    exec(train.replace("epochs=200", "epochs=1"), names)
    assert names["logits"].shape == (500, 10)
    assert names["images"].shape == (100, 8, 8, 1)
    keras.models.load_model("gan.keras")
    # The block's `images` stand for a batch of the shape its network takes.
    names["images"] = keras.random.uniform((20, 32, 32, 3))
    exec(build_layers, names)
    assert names["discriminator"](names["images"]).shape == (20, 10)
    names["ig"].export.export(names["gan"], "runs/digits/generator")
    exec(serve, names)
    assert names["images"].shape == (16, 8, 8, 1)


def test_first_two_blocks_are_the_two_commands():
    first, second = re.findall(r"^```\n(.*?)^```", README.read_text(), re.M | re.S)[:2]
    assert "improved-gan train digits\n" in first
    assert "python -m pytest" in second
