"""The report's HTML page: one file, pictures inside, no scripts, for screen, dark screen and print.

What the page says is put together here; how it looks stands in page.html.j2, which escapes whatever
it is given, and in style.css. The curves are drawn for light and dark, wide and narrow pages, and
the style shows those that fit. What a picture shows is also said in its text alternative or in a
table.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.quantities import BASELINE, QUANTITIES, labels, number, plain, quantity
from improved_gan_tf.runs.folder import WITHOUT_RECIPE
from improved_gan_tf.runs.reading import Run
from improved_gan_tf.runs.report import curves
from improved_gan_tf.runs.report.parts import (
    LOSSES,
    SCORES,
    SHOWN,
    course,
    figure,
    flat,
    grid,
    render,
)


def page(run: Run, grids: list[tuple[int, Path]], places: list[int]) -> str:
    """The HTML of the whole page.

    Args:
        run: What the run's folder says.
        grids: (epochs done, path of a picture) of the sample grids over time.
        places: Which lines of the log are printed.
    """
    tables, command = _settings(run)
    return render(
        "page.html.j2",
        kind="training report",
        name=run.name,
        origin=f"Made from the files in the folder {run.folder.name}.",
        run=run,
        state=_state(run),
        tiles=_tiles(run),
        figures=list(_figures(run)),
        grids=[grid(epoch, path) for epoch, path in grids],
        real=grid(None, run.real) if run.real else None,
        progress=_progress(run, places),
        results=_results(run),
        tables=tables,
        command=command,
    )


def _state(run: Run) -> str:
    """Whether the run is finished, and how far it came."""
    # A run without a recipe has no results.json: its script evaluates the model.
    if (run.config or {}).get("kind") == WITHOUT_RECIPE and run.epochs == run.planned_epochs:
        return f"Finished: {run.epochs:,} epoch{'s' if run.epochs != 1 else ''}."
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
        remark = "test error of a classifier that sees the labeled images and no others"
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
    scores = curves.score_curves(run)
    if errors:
        said = [course(curve) for curve in errors]
        if curves.shows_baseline(run):
            said.append(f"{BASELINE}: {quantity('test_error').text(run.baseline)}, a dashed line")
        caption = f"The {errors[0].title}: the share of images that are classified wrongly."
        draw = functools.partial(curves.errors, run)
        yield figure(draw, "Errors by epoch. " + "; ".join(said), caption)
    if scores:
        said = [course(curve) for curve in scores]
        draw = functools.partial(curves.scores, run)
        yield figure(draw, "Scores by epoch. " + "; ".join(said), SCORES)
    if losses:
        said = [course(curve) for curve in losses]
        draw = functools.partial(curves.losses, run)
        yield figure(draw, "Losses by epoch. " + "; ".join(said), LOSSES)


def _progress(run: Run, places: list[int]) -> dict[str, Any] | None:
    """Lines of the log, as a table."""
    log = run.log or {}
    shown = [row for row in QUANTITIES if row.kind in SHOWN and row.key in log]
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
    columns = [dict(flat({k: v for k, v in part.items() if k != "baseline"})) for part in parts]
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
    changed, values = dict(flat(overrides)), dict(flat(recipe))
    missed = {key: value for key, value in changed.items() if recipe and key not in values}
    loose = {key: value for key, value in config.items() if not isinstance(value, dict)}
    tables = {"Recipe": values, "Other options given": missed}
    tables |= {
        key.replace("_", " ").capitalize(): config[key] for key in config if key not in loose
    }
    tables["Further values"] = loose
    rows = [
        (title, [(k, plain(v), title == "Recipe" and k in changed) for k, v in flat(table)])
        for title, table in tables.items()
        if table
    ]
    return rows, " ".join(map(str, command)) if isinstance(command, list) else str(command)
