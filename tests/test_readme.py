"""The README's Python runs as it is printed there, but for the number of epochs."""

import re

import keras

from tests.helpers.paths import ROOT

README = ROOT / "README.md"


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.M | re.S)


def test_python_blocks(tmp_path, monkeypatch):
    """In order, in one folder, as a reader would paste them."""
    monkeypatch.chdir(tmp_path)
    train, build_layers, serve = _blocks("python")
    names = {}
    assert "epochs=200" in train
    exec(train.replace("epochs=200", "epochs=1"), names)
    assert names["logits"].shape == (500, 10)
    assert names["images"].shape == (100, 8, 8, 1)
    keras.models.load_model("gan.keras")
    exec(build_layers, names)
    assert names["discriminator"](names["images"]).shape == (100, 10)
    names["ig"].export.export(names["gan"], "runs/digits/generator")  # as the first command does
    exec(serve, names)
    assert names["images"].shape == (16, 8, 8, 1)


def test_the_second_block_stands_alone():
    names = {}
    exec(_blocks("python")[1], names)
    assert names["discriminator"](names["images"]).shape == (100, 10)


def test_links_lead_somewhere():
    """In README and the documents that it links to."""
    documents = [README, *ROOT.glob("*.md"), *(ROOT / "improved_gan_tf").rglob("README.md")]
    documents += (ROOT / "reference").rglob("README.md")
    for path in documents:
        text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (path.parent / target).exists(), f"{path.relative_to(ROOT)}: {target}"


def test_first_two_blocks_are_the_two_commands():
    first, second = re.findall(r"^```\n(.*?)^```", README.read_text(), re.M | re.S)[:2]
    assert "improved-gan train digits\n" in first
    assert "python -m pytest" in second
