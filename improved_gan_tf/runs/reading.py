"""What a run's files say, for `RunFolder`, which finds and opens them."""

import csv
import dataclasses
import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from improved_gan_tf import numpy_files
from improved_gan_tf.errors import UserError
from improved_gan_tf.quantities import number
from improved_gan_tf.runs import schema

_LARGEST_FILE = 1 << 28  # bytes

PROBABILITIES = ("labels", "averaged", "current")
"""The arrays of a run's probabilities.npz."""

NO_GRIDS = "There are no sample grids."


@dataclasses.dataclass
class Run:
    """What a run's folder says; a part that is absent is None or empty.

    Attributes:
        folder: The folder's absolute path.
        config: The configuration that the run began with.
        results: The results of the finished run.
        own_baseline: The results of the supervised-only baseline, by its own folder.
        log: {column: float64 (epochs,)}, NaN where the log has no number; sorted by "epoch".
        samples: (epochs done, path) of every readable grid of images, in order.
        real: Path of the grid of real images.
        labeled: Indices of the labeled training images, int (L,).
        exported: Whether the generator has been exported.
        notes: Sentences on what is absent or odd.
    """

    folder: Path
    config: dict | None = None
    results: dict | None = None
    own_baseline: dict | None = None
    log: dict[str, np.ndarray] | None = None
    samples: list[tuple[int, Path]] = dataclasses.field(default_factory=list)
    real: Path | None = None
    labeled: np.ndarray | None = None
    exported: bool = False
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """The recipe's name, or the folder's where no file says it."""
        for source in (self.config, self.results):
            stated = (source or {}).get("recipe")
            name = stated.get("name") if isinstance(stated, dict) else stated
            if isinstance(name, str) and name:
                return name
        return self.folder.name

    @property
    def epochs(self) -> int:
        """How many epochs the log holds."""
        return 0 if self.log is None else int(self.log["epoch"][-1])

    @property
    def planned_epochs(self) -> int | None:
        """How many epochs the run was started for."""
        stated = (self.config or {}).get("recipe")
        planned = stated.get("epochs") if isinstance(stated, dict) else None
        return planned if isinstance(planned, int) else None

    @property
    def baseline(self) -> float | None:
        """Test error of the supervised-only baseline, in 0..1."""
        found = (self.results or {}).get("baseline") or self.own_baseline
        return number(found.get("test_error") if isinstance(found, dict) else found)


def log_rows(found: bytes, path: Path) -> list[dict[str, str]]:
    """The lines of a log, {column: text} each, by epoch.

    A last line that is cut off (by a kill, or because it is being written) is left out; of an epoch
    that is there twice the later line counts. Blank fields have not been measured.

    Raises:
        UserError: The content, that of the file `path`, is no log: it is no text or has no column
            "epoch", a line of another length than the first, or a field that is neither blank nor a
            number.
    """
    try:
        text = found.decode()
        lines = list(csv.reader(text.splitlines()))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a log: {one_line(error)}") from error
    header, body = ([schema.FORMER.get(c, c) for c in lines[0]], lines[1:]) if lines else ([], [])
    if lines and "epoch" not in header:
        raise UserError(f"{path} has no column 'epoch' in its first line; it is not a run's log")
    if body and len(body[-1]) < len(header) and not text.endswith("\n"):
        body.pop()
    rows = {}
    for place, fields in enumerate(body, start=2):
        if not fields:
            continue
        if len(fields) != len(header):
            raise UserError(
                f"{path}, line {place}: {len(fields)} fields where the first line has {len(header)}"
            )
        row = dict(zip(header, fields, strict=True))
        for column, field in row.items():
            try:
                _float(field)
            except ValueError as error:
                raise UserError(
                    f"{path}, line {place}, column {column}: {field!r} is not a number"
                ) from error
        if not (0 <= _float(row["epoch"]) < 1e9 and _float(row["epoch"]).is_integer()):
            raise UserError(f"{path}, line {place}: the epoch is not a whole number")
        rows[_float(row["epoch"])] = row
    return [rows[epoch] for epoch in sorted(rows)]


def columns(rows: list[dict[str, str]]) -> dict[str, np.ndarray] | None:
    """The rows of a log as {column: float64 (epochs,)}; None where there are none."""
    if not rows:
        return None
    return {column: np.array([_float(row[column]) for row in rows]) for column in rows[0]}


def odd_numbers(rows: list[dict[str, str]]) -> list[str]:
    """A sentence on each column of a log that holds NaN or infinities."""
    notes = []
    for column in rows[0] if rows else ():
        odd = [r for r in rows if r[column].strip() and not math.isfinite(_float(r[column]))]
        if odd:
            more = f" and in {len(odd) - 1:,} more" if len(odd) > 1 else ""
            epoch = _float(odd[0]["epoch"])
            notes.append(f"{column} is {odd[0][column].strip()} in epoch {epoch:,.0f}{more}.")
    return notes


def readable(grids: list[tuple[int, Path]], notes: list[str]) -> list[tuple[int, Path]]:
    """The grids that are pictures; a note is added for each that is none, and where none is."""
    found = []
    for epoch, path in grids:
        if is_png(path):
            found.append((epoch, path))
        else:
            notes.append(f"{path.parent.name}/{path.name} is no readable PNG and is left out.")
    if not found:
        notes.append(NO_GRIDS)
    return found


def is_png(path: Path) -> bool:
    """Whether there is a whole PNG."""
    try:
        found = content(path)
        if found is not None:
            with Image.open(io.BytesIO(found), formats=["PNG"]) as image:
                image.load()
    except Exception:  # Pillow raises many kinds for broken PNGs
        return False
    return found is not None


def content(path: Path) -> bytes | None:
    """The content of a file of a run; None where it is absent.

    Raises:
        UserError: It cannot be read, is no file or larger than any that a run has.
    """
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode):  # a FIFO would be waited for
            raise UserError(f"{path} is no file; remove it")
        if about.st_size > _LARGEST_FILE:
            raise UserError(f"{path} has {about.st_size:,} bytes, which no such file of a run has")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {one_line(error)}") from error


def read_json(path: Path, form: Any) -> dict | None:
    """The JSON object in a file; None where the file is absent.

    Args:
        path: The file.
        form: What it may be, see `schema`.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    found = content(path)
    if found is None:
        return None
    try:
        value = json.loads(found.decode())
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path} cannot be read as JSON: {one_line(error)}; mend or remove it"
        ) from error
    wrong = schema.problem(value, form)
    if wrong:
        raise UserError(f"{path}: {wrong}; mend or remove it")
    return value


def indices(path: Path) -> np.ndarray | None:
    """The whole numbers (L,) in a .npy file; None where the file is absent.

    Raises:
        UserError: It holds anything else.
    """
    if not path.exists():
        return None
    try:
        found = numpy_files.read_array(path)
        if found.ndim != 1 or found.dtype.kind not in "iu":
            reason = f"expected whole numbers (L,), not {found.dtype} {found.shape}"
            raise numpy_files.DamagedFile(reason)
    except numpy_files.DamagedFile as error:
        raise UserError(f"{path} is no list of indices: {error}") from error
    return found


def probabilities(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Classes (N,) and twice their probabilities (N, K), of a .npz file; None where it is absent.

    Raises:
        UserError: It holds anything else.
    """
    if not path.exists():
        return None
    try:
        found = numpy_files.read_arrays(path, PROBABILITIES)
        if missing := [name for name in PROBABILITIES if name not in found]:
            raise numpy_files.DamagedFile(f"it lacks {', '.join(missing)}")
        labels, averaged, current = (found[name] for name in PROBABILITIES)
        fit = labels.shape == averaged.shape[:1] and averaged.shape == current.shape
        if averaged.ndim != 2 or not fit:
            shapes = ", ".join(f"{name} {found[name].shape}" for name in PROBABILITIES)
            raise numpy_files.DamagedFile(f"the arrays do not fit together: {shapes}")
        floats = all(x.dtype.kind == "f" and np.isfinite(x).all() for x in (averaged, current))
        if labels.dtype.kind not in "iu" or not floats:
            raise numpy_files.DamagedFile("expected whole numbers and finite floats")
    except numpy_files.DamagedFile as error:
        raise UserError(
            f"{path} holds no class probabilities: {error}; remove it to have it made anew"
        ) from error
    return labels, averaged.astype("float64"), current.astype("float64")


def current_names(value: Any) -> Any:
    """Results with the keys that this version uses, at every depth."""
    if not isinstance(value, dict):
        return value
    return {schema.FORMER.get(key, key): current_names(item) for key, item in value.items()}


def one_line(error: BaseException) -> str:
    """The text of an error, on one line and not too long."""
    return " ".join(str(error).split())[:200]


def _float(field: str) -> float:
    value = float(field) if field.strip() else math.nan
    return value if abs(value) < schema.LARGEST else value * math.inf
