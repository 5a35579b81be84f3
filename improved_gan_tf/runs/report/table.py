"""The page of a table of the paper: its figures, the curves of all runs, samples of every row."""

import contextlib
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.quantities import plain, quantity
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.reading import Run
from improved_gan_tf.runs.report import overlay
from improved_gan_tf.runs.report.parts import LOSSES, SHOWN, figure, flat, grid, render

_WIDEST_GRID = 640  # pixels: several stand next to each other
_LINES = "A thin line for each run, a thick one for the mean of the runs of a row."


def table_page(
    title: str,
    caption: str,
    notes: Sequence[str],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    folders: Mapping[str, Sequence[str | os.PathLike]],
    summaries: Mapping[str, str],
    made: Mapping[str, Any],
) -> str:
    """The HTML of a table's page; see `parts.render`.

    Args:
        title: What the table is.
        caption: What its figures are.
        notes: Sentences that belong to its figures.
        head: The heads of the table's columns.
        rows: Its rows, as texts.
        folders: {row: the folders of its runs}; those without a finished epoch are left out.
        summaries: {row: what it is}, of rows that have such a text.
        made: How the table was made: "command", and other values by name.
    """
    read = {name: _read(of_row) for name, of_row in folders.items()}
    runs = {run.folder.name: run for of_row in read.values() for run in of_row}
    logged = {name: [run for run in found if run.log is not None] for name, found in read.items()}
    groups = [overlay.Group(name, found) for name, found in logged.items() if found]
    name, _, what = title.partition(": ")
    facts = [(key.replace(".", ", "), plain(v)) for key, v in flat(dict(made)) if key != "command"]
    return render(
        "table.html.j2",
        kind="table of the paper",
        name=name,
        origin="Made from the runs in the folders " + ", ".join(runs) + ".",
        state=what,
        notes=notes,
        results={"caption": caption, "head": head, "rows": [(row[0], row[1:]) for row in rows]},
        figures=_figures(groups),
        grids=_grids(groups, summaries),
        real=next((grid(None, r.real, _WIDEST_GRID) for r in runs.values() if r.real), None),
        runs=_runs(runs),
        facts=facts,
        command=made["command"],
    )


def _read(folders: Sequence[str | os.PathLike]) -> list[Run]:
    """What the runs say that have something to report."""
    found = []
    for folder in folders:
        with contextlib.suppress(UserError):
            found.append(RunFolder(folder).read())
    return found


def _figures(groups: list[overlay.Group]) -> list[dict[str, Any]]:
    errors, losses = overlay.error_keys(groups), overlay.keys_of(groups, "loss")
    pictures = (("Errors", errors, _LINES), ("Losses", losses, f"{LOSSES} {_LINES}"))
    return [
        figure(functools.partial(overlay.picture, groups, keys), _said(what, groups, keys), caption)
        for what, keys, caption in pictures
        if keys
    ]


def _said(what: str, groups: list[overlay.Group], keys: list[str]) -> str:
    """What a picture shows, in words."""
    said = [
        f"{group.name}, {quantity(key).label}: at last {', '.join(c.last for c in found)}"
        for key in keys
        for group in groups
        if (found := group.curves(key))
    ]
    return f"{what} by epoch. {'; '.join(said)}"


def _grids(
    groups: list[overlay.Group], summaries: Mapping[str, str]
) -> list[tuple[str, dict[str, Any]]]:
    """(row and what it is, the last grid of the first run that has one)."""
    found = []
    for group in groups:
        last = next((run.samples[-1] for run in group.runs if run.samples), None)
        if last is not None:
            summary = summaries.get(group.name)
            name = f"{group.name} ({summary})" if summary else group.name
            found.append((name, grid(*last, _WIDEST_GRID)))
    return found


def _runs(runs: Mapping[str, Run]) -> dict[str, Any]:
    """The results of every run, as a table."""
    results = {name: run.results or {} for name, run in runs.items()}
    keys = dict.fromkeys(key for found in results.values() for key in found)
    shown = [key for key in keys if quantity(key).kind in (*SHOWN, "duration")]
    rows = [
        (name, [quantity(key).text(found[key]) if key in found else "" for key in shown])
        for name, found in results.items()
    ]
    head = ["run", *(quantity(key).label for key in shown)]
    return {"caption": "From each results.json", "head": head, "rows": rows}
