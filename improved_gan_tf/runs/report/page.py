"""The report's HTML page: one file, pictures inside, no scripts, for screen, dark screen and print.

What the page says is put together here; how it looks stands in page.html.j2, which escapes whatever
it is given, and in style.css. The curves are drawn for light and dark, wide and narrow pages, and
the style shows those that fit. What a picture shows is also said in its text alternative or in a
table.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from improved_gan_tf.quantities import BASELINE, QUANTITIES, labels, number, plain, quantity
from improved_gan_tf.runs.reading import Run
from improved_gan_tf.runs.report import curves

_WIDEST_PICTURE = 1200  # pixels: larger grids are embedded scaled down


def page(run: Run, grids: list[tuple[int, Path]], places: list[int]) -> str:
    """The HTML of the whole page.

    Args:
        run: What the run's folder says.
        grids: (epochs done, path of a picture) of the sample grids over time.
        places: Which lines of the log are printed.
    """
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = templates.get_template("style.css").render()
    tables, command = _settings(run)
    return templates.get_template("page.html.j2").render(
        run=run,
        style=style,
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        state=_state(run),
        tiles=_tiles(run),
        figures=list(_figures(run)),
        grids=[_grid(epoch, path) for epoch, path in grids],
        real=_grid(None, run.real) if run.real else None,
        progress=_progress(run, places),
        results=_results(run),
        tables=tables,
        command=command,
    )


def _state(run: Run) -> str:
    """Whether the run is finished, and how far it came."""
    if run.results is None:
        planned = "" if run.planned_epochs is None else f" of {run.planned_epochs:,}"
        return f"Not finished: {run.epochs:,}{planned} epochs so far."
    parts = []
    for key, word in (("epochs", " epoch"), ("steps", " step"), ("seconds", "")):
        value = number(run.results.get(key))
        if value is not None:
            parts.append(quantity(key).text(value) + word + ("s" if word and value != 1 else ""))
    return "Finished" + (": " + ", ".join(parts) if parts else "") + "."


def _tiles(run: Run) -> list[tuple[str, str, str]]:
    """(title, value, remark) of the figures that matter most; the titles are unique."""
    found = {k: number((run.results or {}).get(k)) for k in ("test_error", "test_error_current")}
    found = {key: value for key, value in found.items() if value is not None}
    tiles = [
        (title, quantity(key).text(found[key]), _compared(found[key], run.baseline))
        for key, title in labels(found).items()
    ] or [
        (curve.name, curve.last, f"after epoch {curve.epochs[-1]:,.0f}")
        for curve in curves.error_curves(run)
    ]
    if run.baseline is not None:
        remark = "test error of a classifier that sees the labelled images and no others"
        tiles.append((BASELINE, quantity("test_error").text(run.baseline), remark))
    if run.labeled is not None:
        remark = "whose labels are used in training"
        tiles.append((quantity("labels").label, f"{len(run.labeled):,}", remark))
    return tiles


def _compared(error: float | None, baseline: float | None) -> str:
    """How an error compares with the baseline's, both in 0..1."""
    if error is None or not baseline:
        return ""
    if error == 0:
        return f"no error, compared with {quantity('test_error').text(baseline)}"
    ratio = baseline / error
    if ratio >= 1.05:
        return f"{ratio:,.1f} times fewer errors than the {BASELINE}"
    if ratio <= 1 / 1.05:
        return f"{1 / ratio:,.1f} times as many errors as the {BASELINE}"
    return f"as many errors as the {BASELINE}"


def _figures(run: Run) -> Iterator[dict[str, Any]]:
    """The pictures of curves: {"pictures": {theme: (wide, narrow)}, "alternative", "caption"}."""
    errors, losses = curves.error_curves(run), curves.loss_curves(run)
    if errors:
        said = [_course(curve) for curve in errors]
        if curves.shows_baseline(run):
            said.append(f"{BASELINE}: {quantity('test_error').text(run.baseline)}, a dashed line")
        caption = f"The {errors[0].title}: the share of images that are classified wrongly."
        yield _figure(run, curves.errors, "Errors by epoch. " + "; ".join(said), caption)
    if losses:
        said = [_course(curve) for curve in losses]
        caption = "Means over the steps of each epoch. The two players pull against each other: "
        caption += "none of these losses has to fall for the classifier to improve."
        yield _figure(run, curves.losses, "Losses by epoch. " + "; ".join(said), caption)


def _course(curve: curves.Curve) -> str:
    """A curve in words."""
    first, last = curve.epochs[0], curve.epochs[-1]
    if first == last:
        return f"{curve.name}: {curve.last} at epoch {last:.0f}"
    start = quantity(curve.key).text(curve.values[0])
    return f"{curve.name}: from {start} at epoch {first:.0f} to {curve.last} at epoch {last:.0f}"


def _figure(run: Run, draw: Callable, alternative: str, caption: str) -> dict[str, Any]:
    pictures = {
        theme: [_uri("svg+xml", draw(run, theme, "svg", narrow)) for narrow in (False, True)]
        for theme in curves.THEMES
    }
    return {"pictures": pictures, "alternative": alternative, "caption": caption}


def _grid(epoch: int | None, path: Path) -> dict[str, Any]:
    """One grid of images as it is embedded; of real images where there is no epoch."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        width, height = image.size
        if max(width, height) > _WIDEST_PICTURE:
            small = image.convert("RGB")
            small.thumbnail((_WIDEST_PICTURE, _WIDEST_PICTURE), Image.Resampling.LANCZOS)
            width, height = small.size
            stream = io.BytesIO()
            small.save(stream, "PNG", optimize=True)
            content = stream.getvalue()
    return {"epoch": epoch, "uri": _uri("png", content), "width": width, "height": height}


def _progress(run: Run, places: list[int]) -> dict[str, Any] | None:
    """Lines of the log, as a table."""
    log = run.log or {}
    shown = [row for row in QUANTITIES if row.kind in ("error", "loss") and row.key in log]
    shown = [row for row in shown if np.isfinite(log[row.key]).any()]
    if not places or not shown:
        return None
    count = len(log["epoch"])
    some = f"{len(places)} of the {count:,} epochs (log.csv has all of them)"
    which = "Every epoch" if len(places) == count else some
    rows = []
    for place in places:
        values = [(row, log[row.key][place]) for row in shown]
        cells = ["\N{EN DASH}" if np.isnan(value) else row.text(value) for row, value in values]
        rows.append((f"{log['epoch'][place]:,.0f}", cells))
    head = ("epoch", *labels(row.key for row in shown).values())
    return {"caption": which, "head": head, "rows": rows}


def _results(run: Run) -> dict[str, Any] | None:
    """The results next to those of the baseline, as a table."""
    results, baseline = dict(run.results or {}), (run.results or {}).get("baseline")
    parts = [results, baseline] if isinstance(baseline, dict) else [results]
    columns = [dict(_flat({k: v for k, v in part.items() if k != "baseline"})) for part in parts]
    titles = labels(dict.fromkeys(key for column in columns for key in column))
    rows = [
        (title, [quantity(key).text(column[key]) if key in column else "" for column in columns])
        for key, title in titles.items()
    ]
    head = ("", "this run", BASELINE)[: 1 + len(columns)]
    return {"caption": "From results.json", "head": head, "rows": rows} if rows else None


def _settings(run: Run) -> tuple[list[tuple[str, list]], str]:
    """The recipe and everything else that it takes to repeat the run.

    Returns:
        Tables (title, [(name, value, whether it was set for this run)]), and the command.
    """
    config = dict(run.config or {})
    stated, overrides = config.pop("recipe", None), config.pop("overrides", None) or {}
    command = config.pop("command", None) or ""
    overrides = overrides if isinstance(overrides, dict) else {"options": overrides}
    recipe = stated if isinstance(stated, dict) else {"name": stated} if stated else {}
    changed, values = dict(_flat(overrides)), dict(_flat(recipe))
    missed = {key: value for key, value in changed.items() if recipe and key not in values}
    loose = {key: value for key, value in config.items() if not isinstance(value, dict)}
    tables = {"Recipe": values, "Other options given": missed}
    tables |= {
        key.replace("_", " ").capitalize(): config[key] for key in config if key not in loose
    }
    tables["Further values"] = loose
    rows = [
        (title, [(k, plain(v), title == "Recipe" and k in changed) for k, v in _flat(table)])
        for title, table in tables.items()
        if table
    ]
    return rows, " ".join(map(str, command)) if isinstance(command, list) else str(command)


def _flat(mapping: dict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf of nested dictionaries."""
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
