"""The report of a run: its curves and sample grids as PNG files and as one HTML page.

Only the run's folder is read, so that a run can be reported on while it trains, after it was
killed, and on a machine without TensorFlow. `report_curves` draws, `report_page` writes the page.
"""

import csv
import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
from PIL import Image

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_bytes, write_text
from improved_gan_tf.runs.report import curves, page
from improved_gan_tf.runs.report.curves import number

GRIDS_SHOWN = 8


@dataclasses.dataclass
class Run:
    """What a run's folder says; a part that is absent is None or empty."""

    folder: Path
    config: dict | None = None
    results: dict | None = None
    own_baseline: dict | None = None  # results.json of the run in baseline/
    log: dict | None = None  # column -> float64 (epochs,), NaN where the log has no number
    samples: list = dataclasses.field(default_factory=list)  # (epoch, Path), in order
    labeled: np.ndarray | None = None  # indices of the labelled training images
    exported: bool = False
    notes: list = dataclasses.field(default_factory=list)  # sentences on what is absent or odd

    @property
    def name(self):
        """The recipe's name, or the folder's where no file tells."""
        for source in (self.config, self.results):
            recipe = (source or {}).get("recipe")
            name = recipe.get("name") if isinstance(recipe, dict) else recipe
            if isinstance(name, str) and name:
                return name
        return self.folder.name

    @property
    def epochs(self):
        """How many epochs the log holds."""
        return 0 if self.log is None else int(self.log["epoch"][-1])

    @property
    def planned_epochs(self):
        """How many epochs the run was started for, or None."""
        recipe = (self.config or {}).get("recipe")
        return recipe.get("epochs") if isinstance(recipe, dict) else None

    @property
    def baseline(self):
        """Test error of the same classifier trained on the labelled images alone, or None."""
        baseline = (self.results or {}).get("baseline") or self.own_baseline
        return number(baseline.get("test_error") if isinstance(baseline, dict) else baseline)


def report(run_folder):
    """Writes the folder's report/: losses.png, errors.png, samples.png and report.html.

    The page needs nothing but itself: pictures are inside it, there are no scripts. A part that the
    run does not have (yet) is left out, and the page says so. Every file appears whole, and running
    it again on the same run writes the same page.

    Args:
        run_folder: folder of a run, as `improved-gan train` leaves it or is filling it.

    Returns:
        List of the Paths written, report.html last.

    Raises:
        UserError: no such folder; a folder with neither log nor samples nor results; a file in it
            that is not what its name says; matplotlib absent; a place that cannot be written.
    """
    run = read_run(run_folder)
    folder = run.folder / "report"
    shown = spread(run.samples, GRIDS_SHOWN)
    pictures = {
        "losses.png": curves.losses(run, "light", "png"),
        "errors.png": curves.errors(run, "light", "png"),
        "samples.png": curves.strip(shown),
    }
    html = page.page(
        run,
        errors={theme: curves.errors(run, theme, "svg") for theme in ("light", "dark")},
        losses={theme: curves.losses(run, theme, "svg") for theme in ("light", "dark")},
        grids=shown,
        rows=[] if run.log is None else spread([(int(e), e) for e in run.log["epoch"]], 12),
    )
    files = []
    for name, content in pictures.items():
        if content is not None:
            files.append(write_bytes(folder / name, content))
    files.append(write_text(folder / "report.html", html))
    return files


def read_run(run_folder):
    """Everything the report uses of a run's folder, as a `Run`.

    Raises:
        UserError: as `report`.
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        raise UserError(f"there is no run folder {folder}; name the folder given to train --out")
    run = Run(folder.resolve())
    run.config = _read_json(run, "config.json")
    run.results = _read_json(run, "results.json")
    run.own_baseline = _read_json(run, "baseline/results.json")  # known before the run's results
    run.log = _read_log(run)
    run.samples = _find_samples(run)
    run.exported = (folder / "generator").is_dir()
    if run.log is None and not run.samples and run.results is None:
        raise UserError(
            f"{folder} has nothing to report: no log.csv with a finished epoch, no "
            "samples/epoch-*.png, no results.json; name the folder of a run, or wait for an epoch"
        )
    indices = folder / "labeled_indices.npy"
    if indices.exists():
        try:
            run.labeled = np.load(indices).reshape(-1)
        except (OSError, ValueError, EOFError) as error:
            raise UserError(f"{indices} is not an array of labelled indices: {error}") from error
    return run


def spread(items, most):
    """At most `most` of (epoch, ...) items, in order: the first, the last, and ratios between.

    Samples and errors change fastest at the start: equal ratios of epochs show more than equal
    distances. Fewer items are all kept.
    """
    if len(items) <= most:
        return list(items)
    left = list(items)
    first, last = max(items[0][0], 1), items[-1][0]
    kept = [left.pop(0), left.pop()]
    for target in np.geomspace(first, max(last, first), most)[1:-1]:
        kept.append(left.pop(min(range(len(left)), key=lambda k: abs(left[k][0] - target))))
    return sorted(kept, key=lambda item: item[0])


def _read_json(run, name):
    path = run.folder / name
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if name == "config.json":
            run.notes.append("config.json is absent: the recipe is not known.")
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}; repair or remove it") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; repair or remove it")
    return content


def _read_log(run):
    """log.csv as columns, sorted by epoch; of an epoch written twice, the later line counts."""
    path = run.folder / "log.csv"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        run.notes.append("log.csv is absent: there are no curves.")
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    lines = list(csv.reader(text.splitlines()))
    header, body = (lines[0], lines[1:]) if lines else ([], [])
    if lines and "epoch" not in header:
        raise UserError(f"{path} has no column 'epoch' in its first line; it is not a run's log")
    if body and len(body[-1]) < len(header) and not text.endswith("\n"):
        body.pop()  # being written, or cut off by a kill
    rows, strange = {}, {}
    for place, fields in enumerate(body, start=2):
        if not fields:
            continue
        if len(fields) != len(header):
            raise UserError(
                f"{path}, line {place}: {len(fields)} fields where the first line has {len(header)}"
            )
        row = {}
        for column, field in zip(header, fields, strict=True):
            try:
                row[column] = float(field) if field.strip() else math.nan
            except ValueError as error:
                raise UserError(
                    f"{path}, line {place}, column {column}: {field!r} is not a number"
                ) from error
        if not math.isfinite(row["epoch"]):
            raise UserError(f"{path}, line {place}: the epoch is not a number")
        rows[row["epoch"]] = row
        for column, field in zip(header, fields, strict=True):
            if field.strip() and not math.isfinite(row[column]):
                strange.setdefault(column, {})[row["epoch"]] = field.strip()
    for column, epochs in strange.items():
        first = min(epochs)
        more = f" and in {len(epochs) - 1:,} more" if len(epochs) > 1 else ""
        run.notes.append(f"{column} is {epochs[first]} in epoch {first:,.0f}{more}.")
    if not rows:
        run.notes.append("log.csv holds no finished epoch: there are no curves.")
        return None
    return {column: np.array([rows[e][column] for e in sorted(rows)]) for column in header}


def _find_samples(run):
    """(epoch, path) of every readable samples/epoch-*.png, in order."""
    found = []
    for path in (run.folder / "samples").glob("epoch-*.png"):
        match = re.fullmatch(r"epoch-(\d+)\.png", path.name)
        if match:
            found.append((int(match[1]), path))
    readable = []
    for epoch, path in sorted(found):
        try:
            with Image.open(path) as image:
                image.verify()
            readable.append((epoch, path))
        except (OSError, SyntaxError, ValueError):  # Pillow raises each of them for broken PNGs
            run.notes.append(f"samples/{path.name} is no readable PNG and is left out.")
    if not readable:
        run.notes.append("There are no sample grids.")
    return readable
