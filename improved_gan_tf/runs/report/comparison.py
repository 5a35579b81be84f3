"""The comparison of several runs: their curves in one picture, and one self-contained HTML page."""

import functools
import json
import os
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_bytes, write_text
from improved_gan_tf.quantities import BASELINE, labels, number, plain, quantity
from improved_gan_tf.runs.folder import RunFolder
from improved_gan_tf.runs.reading import NO_GRIDS, Run
from improved_gan_tf.runs.report import overlay
from improved_gan_tf.runs.report.parts import LOSSES, SCORES, SHOWN, figure, flat, grid, render

_SEEDS = ("seed", "seed_data")
_ASIDE = ("baseline", "score_every", "score_images")  # they change nothing of a run's own training
_WIDEST_GRID = 640  # pixels: several stand next to each other
_LONGEST = 48  # letters that a group's name in the legend has room for
_DASH = "\N{EN DASH}"


def compare(
    folders: Sequence[str | os.PathLike], out: str | os.PathLike | None = None
) -> list[Path]:
    """Writes errors.png, scores.png, losses.png and report.html on several runs.

    Runs that differ in their seeds alone are a group: they have one colour, and their mean is drawn
    and printed, next to other groups. A supervised-only baseline is a run too, RUN/baseline; so is
    a folder that has nothing but a log.csv.

    Args:
        folders: The folders of two runs or more, which may still train.
        out: The folder of the files. None (default): "comparison" in the deepest folder that holds
            all runs.

    Returns:
        List of the Paths written, report.html last.

    Raises:
        UserError: A run is named twice, or there are fewer than two; `out` is a run's folder or a
            file; or as `report`.

    Example:

    >>> compare(["runs/digits", "runs/digits/baseline"])[-1].parts[-2:]
    ('comparison', 'report.html')
    """
    runs = _named(folders)
    parent = Path(os.path.commonpath([run.folder.parent for run in runs.values()]))
    place = Path(out) if out is not None else parent / "comparison"
    if place.is_file() or RunFolder(place).begun:
        raise UserError(f"{place} is a file or a run; name another folder with --out")
    groups = _groups(runs)
    drawn = groups if len(groups) > 1 else [overlay.Group(n, [run]) for n, run in runs.items()]
    pictures = dict(_pictures(drawn))
    html = render(
        "comparison.html.j2",
        kind="training comparison",
        name=" and ".join(dict.fromkeys(run.name for run in runs.values())),
        origin="Made from the files in the folders " + ", ".join(runs) + ".",
        state=_state(runs),
        notes=[f"{n}: {note}" for n, run in runs.items() for note in run.notes if note != NO_GRIDS],
        figures=[
            figure(draw, alternative, caption) for draw, alternative, caption in pictures.values()
        ],
        results=_results(runs, groups),
        values=_values(runs),
        grids=_grids(runs),
        real=next((grid(None, r.real, _WIDEST_GRID) for r in runs.values() if r.real), None),
        commands={n: str((run.config or {}).get("command") or "") for n, run in runs.items()},
    )
    place = place.resolve()
    files = [
        write_bytes(place / name, draw("light", "png")) for name, (draw, _, _) in pictures.items()
    ]
    return [*files, write_text(place / "report.html", html)]


def _named(folders: Sequence[str | os.PathLike]) -> dict[str, Run]:
    """The runs by their names: what of their paths tells them apart."""
    if len(folders) < 2:
        raise UserError("a comparison needs two runs or more")
    runs = [RunFolder(folder).read() for folder in folders]
    for place, run in enumerate(runs):
        if run.folder in [other.folder for other in runs[:place]]:
            raise UserError(f"{folders[place]} is named twice; name each run once")
    parent = os.path.commonpath([run.folder.parent for run in runs])
    return {os.path.relpath(run.folder, parent): run for run in runs}


def _recipe(run: Run) -> dict[str, Any]:
    """The values of its recipe, those of mappings by dotted names."""
    stated = (run.config or {}).get("recipe")
    return dict(flat(stated)) if isinstance(stated, dict) else {}


def _differing(values: list[dict[str, Any]]) -> list[str]:
    """The keys whose values are not the same everywhere."""
    keys = dict.fromkeys(key for each in values for key in each)
    return [key for key in keys if len({json.dumps(each.get(key)) for each in values}) > 1]


def _groups(runs: dict[str, Run]) -> list[overlay.Group]:
    """Runs that differ in nothing but their seeds, together."""
    own = {n: {k: v for k, v in _recipe(r).items() if k not in _ASIDE} for n, r in runs.items()}
    differing = [key for key in _differing(list(own.values())) if key not in _SEEDS]
    found: dict[str, list[str]] = {}
    for name, values in own.items():
        # A run without a configuration is like no other.
        marks = [values.get(key) for key in differing] if values else [name]
        found.setdefault(json.dumps([runs[name].name, *marks]), []).append(name)
    groups = []
    for names in found.values():
        title, values = ", ".join(names), own[names[0]]
        if len(names) > 1 and len(found) > 1:
            stated = [f"{key} {plain(values.get(key))}" for key in differing if key != "name"]
            recipes = {runs[name].name for name in runs}
            title = ", ".join([runs[names[0]].name] * (len(recipes) > 1) + stated)
        if len(names) > 1 and len(title) > _LONGEST:
            title = f"{names[0]} and {len(names) - 1} like it"
        groups.append(overlay.Group(title, [runs[name] for name in names]))
    return groups


def _pictures(groups: list[overlay.Group]) -> Iterator[tuple[str, tuple]]:
    """(name of the file, (how it is drawn, what it shows in words, what stands below it))."""
    lines = "A thin line for each run, a thick one for the mean of runs that differ in their seeds."
    more = f" {lines}" if any(len(group.runs) > 1 for group in groups) else ""
    found = {
        "errors": (overlay.error_keys(groups), "The share of images that are classified wrongly."),
        "scores": (overlay.keys_of(groups, "score"), SCORES),
        "losses": (overlay.keys_of(groups, "loss"), LOSSES),
    }
    for name, (keys, caption) in found.items():
        if keys:
            draw = functools.partial(overlay.picture, groups, keys)
            said = [_last(group, key) for key in keys for group in groups if group.curves(key)]
            yield (
                f"{name}.png",
                (draw, f"{name.title()} by epoch. {'; '.join(said)}", caption + more),
            )


def _last(group: overlay.Group, key: str) -> str:
    """The last values of a group in words."""
    ends = ", ".join(curve.last for curve in group.curves(key))
    return f"{group.name}, {quantity(key).label}: at last {ends}"


def _state(runs: dict[str, Run]) -> str:
    finished = sum(run.results is not None for run in runs.values())
    return f"{len(runs)} runs, {'all' if finished == len(runs) else finished} of them finished."


def _results(runs: dict[str, Run], groups: list[overlay.Group]) -> dict[str, Any]:
    """The results of each run and the means of groups, as a table."""
    found = {}
    for name, run in runs.items():
        own = {k: v for k, v in (run.results or {}).items() if number(v) is not None}
        found[name] = {"epochs": run.epochs, **own}
        if run.baseline is not None:
            found[name]["baseline"] = run.baseline
    every = list(dict.fromkeys(key for values in found.values() for key in values))
    kinds = ("error", "score", "deviation", "loss", "count", "duration")
    keys = sorted((k for k in every if _kind(k) in kinds), key=lambda k: kinds.index(_kind(k)))

    def cell(key, value):
        return _DASH if value is None else quantity(_text_key(key)).text(value)

    rows = [(name, [cell(key, values.get(key)) for key in keys]) for name, values in found.items()]
    names = {id(run): name for name, run in runs.items()}
    for group in groups:
        members = [found[names[id(run)]] for run in group.runs]
        if len(members) > 1:
            title = f"mean of {len(members)}" + (f": {group.name}" if len(groups) > 1 else "")
            rows.append((title, [_spread(key, members) for key in keys]))
    titles = labels(key for key in keys if key != "baseline") | {"baseline": BASELINE}
    head = ("run", *(titles[key] for key in keys))
    caption = "From each results.json"
    if len(rows) > len(runs):
        caption += "; means of runs that differ in their seeds, +- standard deviation"
    return {"caption": caption, "head": head, "rows": rows}


def _text_key(key: str) -> str:
    """The key whose kind and form a result has."""
    return "test_error" if key == "baseline" else key


def _kind(key: str) -> str:
    return quantity(_text_key(key)).kind


def _spread(key: str, members: list[dict[str, Any]]) -> str:
    """Mean and standard deviation of a quantity over runs, where it has them."""
    values = [member[key] for member in members if key in member]
    if _kind(key) not in SHOWN or len(values) < 2:
        return ""
    form = quantity(_text_key(key)).text
    return f"{form(statistics.mean(values))} +- {form(statistics.stdev(values))}"


def _values(runs: dict[str, Run]) -> dict[str, Any] | None:
    """What the runs' configurations do not have in common, as a table."""
    stated = []
    for run in runs.values():
        config = run.config or {}
        others = {key: config[key] for key in ("data", "versions", "replicas") if key in config}
        others = {k: v for k, v in flat(others) if k != "data.class_names"}
        stated.append({**_recipe(run), **others})
    keys = _differing(stated)
    rows = [
        (name, [plain(values[key]) if key in values else _DASH for key in keys])
        for name, values in zip(runs, stated, strict=True)
    ]
    caption = "Values that are not the same in all runs"
    return {"caption": caption, "head": ("run", *keys), "rows": rows} if keys else None


def _grids(runs: dict[str, Run]) -> list[tuple[str, dict[str, Any]]]:
    """(name, the last grid of images) of the runs that have one."""
    return [
        (name, grid(*run.samples[-1], _WIDEST_GRID)) for name, run in runs.items() if run.samples
    ]
