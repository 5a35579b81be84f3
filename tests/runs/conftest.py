"""What the tests of runs share."""

import io

import pytest
from PIL import Image


@pytest.fixture
def undrawn(monkeypatch):
    """Pages whose curves are empty pictures, for tests of their texts: drawing takes the time."""
    from improved_gan_tf.runs.report import curves

    png = io.BytesIO()
    Image.new("L", (1, 1)).save(png, "png")
    empty = {"png": png.getvalue(), "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>'}
    monkeypatch.setattr(curves, "picture", lambda draw, height, theme, form, narrow: empty[form])
