"""What both pages are made of: templates with one style, pictures in the page, values in words."""

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from improved_gan_tf.quantities import quantity
from improved_gan_tf.runs.report import curves

SHOWN = ("error", "score", "loss")  # the kinds of quantities that tables show
SCORES = (
    "Scores of images that the generator draws of the same latent vectors. A higher Inception "
    "score and a lower distance are better; both depend on the classifier and the number of images."
)
LOSSES = (
    "Means over the steps of each epoch. The two players pull against each other: none of these "
    "losses has to fall for the classifier to improve."
)


def render(template: str, **values: Any) -> str:
    """The HTML of a page: one file, without scripts, whose policy allows its own style alone.

    Args:
        template: The name of a file here; it escapes whatever it is given.
        **values: What the template shows.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = templates.get_template("style.css").render()
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return templates.get_template(template).render(style=style, style_hash=style_hash, **values)


def figure(draw: Callable, alternative: str, caption: str) -> dict[str, Any]:
    """A picture of curves: {"pictures": {theme: (wide, narrow)}, "alternative", "caption"}.

    Args:
        draw: Makes it, given (theme, form, narrow) as `curves.errors` takes them.
        alternative: What it shows, in words.
        caption: What stands below it.
    """
    pictures = {
        theme: [_uri("svg+xml", draw(theme, "svg", narrow)) for narrow in (False, True)]
        for theme in curves.THEMES
    }
    return {"pictures": pictures, "alternative": alternative, "caption": caption}


def course(curve: curves.Curve) -> str:
    """A curve in words."""
    first, last = curve.epochs[0], curve.epochs[-1]
    if first == last:
        return f"{curve.name}: {curve.last} at epoch {last:.0f}"
    start = quantity(curve.key).text(curve.values[0])
    return f"{curve.name}: from {start} at epoch {first:.0f} to {curve.last} at epoch {last:.0f}"


def grid(epoch: int | None, path: Path, widest: int = 1200) -> dict[str, Any]:
    """One grid of images as it is embedded; of real images where there is no epoch.

    Args:
        epoch: Epochs done, or None.
        path: The PNG.
        widest: Pixels a side, to which larger grids are scaled down.
    """
    content = path.read_bytes()
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        width, height = image.size
        if max(width, height) > widest:
            small = image.convert("RGB")
            small.thumbnail((widest, widest), Image.Resampling.LANCZOS)
            width, height = small.size
            stream = io.BytesIO()
            small.save(stream, "PNG", optimize=True)
            content = stream.getvalue()
    return {"epoch": epoch, "uri": _uri("png", content), "width": width, "height": height}


def flat(mapping: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf of nested dictionaries."""
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
