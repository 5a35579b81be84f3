"""The folder of a run: the only code that knows its files; none is ever half-written.

config.json                         everything it takes to repeat the run
recipe.py                           the recipe's file, of runs that have one
model.keras                         the model as it began, of runs without a recipe
labeled_indices.npy                 the labeled images (semi-supervised runs)
log.csv                             one line per epoch
samples/epoch-0001.png              grids of generated images
samples/real.png                    a grid of real images, to compare them with
checkpoints/epoch-0001.weights.h5   weights, optimizers, averages, random states
tensorboard/, generator/            TensorBoard's events; the exported generator
results.json, scores.json           of a finished run, and of its generator
probabilities.npz                   what its classifier says of the test set (runs of a table)
report/                             curves and the page
baseline/                           the same again, of the supervised-only baseline
lock                                while a process writes the run
"""

import contextlib
import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import (
    is_temporary,
    remove_abandoned,
    temporary,
    write_bytes,
    write_json,
    write_text,
)
from improved_gan_tf.runs import checkpoint, reading, schema
from improved_gan_tf.runs.lock import lock

_CONFIG = "config.json"
_RECIPE = "recipe.py"
_MODEL = "model.keras"
_LABELED = "labeled_indices.npy"
_LOG = "log.csv"
_RESULTS = "results.json"
_SCORES = "scores.json"
_PROBABILITIES = "probabilities.npz"
_LOCK = "lock"
_CHECKPOINT = "epoch-{:04d}.weights.h5"
_GRID = "epoch-{:04d}.png"
_FORMS = {_CONFIG: schema.CONFIG, _RESULTS: schema.RESULTS, _SCORES: schema.SCORES}
WITHOUT_RECIPE = "model"
"""The "kind" in config.json of a run that `callbacks.standard` began, whose model is kept."""


class RunFolder:
    """Reads and writes the files of one run.

    The methods are strict, because training and resuming need every file whole; `read` is tolerant,
    for reports on runs that still train or were killed.

    Args:
        path: The folder; it need not exist.

    Attributes:
        path: The folder, a `Path`.
        recipe: Path of its copy of the recipe's file.
        model: Path of the model as it began, where that was made without a recipe.
        samples, checkpoints, tensorboard, generator, report: Paths of its sub-folders.
        real: Where a grid of real images goes.

    Example:

    >>> folder = RunFolder("runs/digits")
    >>> folder.config()["recipe"]["name"]
    'digits'
    >>> folder.read().baseline
    0.086
    """

    def __init__(self, path: str | os.PathLike):
        self.path: Path = Path(path)
        self.recipe: Path = self.path / _RECIPE
        self.model: Path = self.path / _MODEL
        self.samples: Path = self.path / "samples"
        self.real: Path = self.samples / "real.png"
        self.checkpoints: Path = self.path / "checkpoints"
        self.tensorboard: Path = self.path / "tensorboard"
        self.generator: Path = self.path / "generator"
        self.report: Path = self.path / "report"

    def __fspath__(self) -> str:
        return str(self.path)

    __str__ = __fspath__

    @property
    def baseline(self) -> "RunFolder":
        """The folder of the supervised-only baseline that was trained with this run."""
        return RunFolder(self.path / "baseline")

    @property
    def begun(self) -> bool:
        """Whether a run has begun in the folder; one without config.json was killed before it."""
        return (self.path / _CONFIG).is_file()

    @property
    def without_recipe(self) -> bool:
        """Whether the run that has begun is one of a model that was made without a recipe."""
        return self.config().get("kind") == WITHOUT_RECIPE

    @property
    def finished(self) -> bool:
        """Whether the run has its results."""
        return (self.path / _RESULTS).is_file()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """A context in which this process alone writes the run; `Locked` where another does.

        What a process that was killed has left half-written is removed. See `runs.lock.lock`.
        """
        with lock(self.path / _LOCK):
            for folder in (self.path, self.checkpoints, self.samples, self.report):
                remove_abandoned(folder)
            yield

    def start(
        self,
        config: Mapping,
        labeled_indices: np.ndarray | None = None,
        code: bytes | None = None,
    ) -> None:
        """Begins a new run, in a folder that must be empty or absent (else `UserError`).

        Args:
            config: What `config` is to return, values of JSON.
            labeled_indices: Indices of the labeled training images, int (L,), or None.
            code: Content of the recipe's file, or None; its SHA-256 is in `config`.
        """
        self.refuse_if_used(code)
        if code is not None:
            write_bytes(self.recipe, code)
        if labeled_indices is not None:
            with temporary(self.path / _LABELED) as name:
                np.save(name, np.asarray(labeled_indices))
        self.write_config(config)  # last: see `begun`

    def refuse_if_used(self, code: bytes | None = None) -> None:
        """Raises `UserError` where a new run would mix with files that are already there.

        What `start` leaves where it is killed may be there; of recipe.py, only the same content.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; name a folder for the run")
        if self.path.is_dir() and any(
            entry.name not in (_LABELED, _LOCK, _MODEL)
            and not is_temporary(entry)
            and not (entry == self.recipe and entry.is_file() and entry.read_bytes() == code)
            for entry in self.path.iterdir()
        ):
            raise UserError(
                f"{self.path} is not empty; name another folder (--out), or go on with the run in "
                "it (--resume, in Python resume=True)"
            )

    def check(self) -> None:
        """Raises `UserError` where training could not go on to the end, before it writes anything.

        A damaged file is named, or what stands in the place of a file or a folder.
        """
        self.config()
        self.labeled_indices()
        try:
            self.rows()
        except UserError as error:
            raise UserError(
                f"{error}; put it back as it was, or remove it to go on without the figures of the "
                "epochs so far"
            ) from error
        folders = (self.samples, self.checkpoints, self.tensorboard, self.generator)
        for path in (*folders, self.baseline.path):
            if path.exists() and not path.is_dir():
                raise UserError(f"{path} is there and is no folder; move it away")
        for path in (self.path / _RESULTS, self.real):
            if path.exists() and not path.is_file():
                raise UserError(f"{path} exists but is not a file; move it away")

    def config(self) -> dict:
        """The configuration that the run began with; `UserError` where there is none."""
        found = self._object(_CONFIG)
        if found is None:
            raise UserError(f"{self.path} is not the folder of a run: it has no {_CONFIG}")
        return found

    def write_config(self, config: Mapping) -> None:
        """Writes config.json anew, as where a resumed run is to have more epochs."""
        write_json(self.path / _CONFIG, config)

    def unfinish(self) -> None:
        """Removes what was kept of the end of a run that is to be trained on."""
        for name in (_RESULTS, _PROBABILITIES):
            (self.path / name).unlink(missing_ok=True)

    def code(self) -> bytes | None:
        """The content of the recipe's file, which is as the run began; None where it has none.

        Raises:
            UserError: The file is absent, or not the one whose SHA-256 config.json holds.
        """
        stated = self.config().get("code")
        if not isinstance(stated, dict):
            return None
        found = reading.content(self.recipe)
        if found is None:
            raise UserError(
                f"{self.recipe} is absent; the run's networks and data are made by it: put it back"
            )
        if hashlib.sha256(found).hexdigest() != stated.get("sha256"):
            raise UserError(
                f"{self.recipe} has been changed since the run began (its SHA-256 is not that in "
                f"{_CONFIG}) and is not executed; put the file back as it was"
            )
        return found

    def results(self) -> dict:
        """The results of the finished run; `UserError` where there are none yet."""
        found = self._object(_RESULTS)
        if found is None:
            raise UserError(f"{self.path} has no {_RESULTS} yet; train it to its end (--resume)")
        return reading.current_names(found)

    def scores(self) -> dict | None:
        """The scores of the generator, see `write_scores`; None where there are none."""
        return self._object(_SCORES)

    def write_scores(self, scores: Mapping) -> None:
        """Writes scores.json: figures of generated images, and what they depend on."""
        write_json(self.path / _SCORES, scores)

    def probabilities(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """What `write_probabilities` was given; None where there is none.

        Raises:
            UserError: The file is damaged.
        """
        return reading.probabilities(self.path / _PROBABILITIES)

    def write_probabilities(
        self, labels: np.ndarray, averaged: np.ndarray, current: np.ndarray
    ) -> None:
        """Writes what the classifier says of the test set, rounded to float16.

        Args:
            labels: The true classes, integers (N,).
            averaged, current: The classes' probabilities (N, K), by both sets of parameters.
        """
        parts = np.asarray(labels, "int32"), *(x.astype("float16") for x in (averaged, current))
        with temporary(self.path / _PROBABILITIES) as name:
            np.savez_compressed(name, labels=parts[0], averaged=parts[1], current=parts[2])

    def write_results(self, results: Mapping) -> None:
        """Writes results.json: the run is finished."""
        write_json(self.path / _RESULTS, results)

    def labeled_indices(self) -> np.ndarray | None:
        """Indices of the labeled training images, int (L,); None where the run has no labels."""
        return reading.indices(self.path / _LABELED)

    def check_labeled_indices(self, labeled_indices: np.ndarray) -> None:
        """Raises `UserError` where the run began with another labeled subset (other data)."""
        began = self.labeled_indices()
        if began is None or not np.array_equal(began, labeled_indices):
            raise UserError(
                f"the data are not those that the run in {self.path} began with: another labeled "
                "subset follows from them; name the same data by --data and --data-dir"
            )

    def rows(self) -> list[dict[str, str]]:
        """The lines of log.csv, {column: text} each, by epoch; none where there is no log yet."""
        path = self.path / _LOG
        found = reading.content(path)
        return [] if found is None else reading.log_rows(found, path)

    def write_rows(self, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes log.csv anew; a column that a row lacks is left blank there."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, tuple(columns), "", "ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path / _LOG, text.getvalue())

    def seconds(self) -> float:
        """Seconds of training in all, over every stop and resumption: the log's sum."""
        times = (reading.columns(self.rows()) or {}).get("seconds", np.zeros(0))
        return float(np.sum(times[np.isfinite(times)]))

    def grid(self, epoch: int) -> Path:
        """Where the grid of images after `epoch` epochs goes."""
        return self.samples / _GRID.format(epoch)

    def grids(self) -> list[tuple[int, Path]]:
        """(epochs done, path) of every grid of images, in order."""
        return _numbered(self.samples, _GRID)

    def latest_checkpoint(self) -> tuple[int, Path | None]:
        """(epochs done, path) of the newest checkpoint, or (0, None)."""
        found = _numbered(self.checkpoints, _CHECKPOINT)
        return found[-1] if found else (0, None)

    def save_checkpoint(self, model: Any, epoch: int, keep: int = 2) -> None:
        """Saves the model after `epoch` epochs and removes all but the newest checkpoints.

        Args:
            model: The `keras.Model`.
            epoch: Epochs done.
            keep: How many checkpoints stay, at least 1. Default 2.

        Raises:
            UserError: The checkpoint cannot be written (disk full); the older ones are still there.
        """
        try:
            checkpoint.save(model, self.checkpoints / _CHECKPOINT.format(epoch))
        except UserError as error:
            raise UserError(
                f"{error}; go on with --resume: the checkpoints before it are kept"
            ) from error
        for _, old in _numbered(self.checkpoints, _CHECKPOINT)[:-keep]:
            old.unlink(missing_ok=True)

    def restore(self, model: Any) -> int:
        """Loads the newest checkpoint into `model`; returns the epochs done, 0 without one.

        What is to be trained on is compiled before: else its optimizers' state is not loaded.

        Raises:
            UserError: It is damaged or another model's; the line names one before that is whole.
        """
        found = _numbered(self.checkpoints, _CHECKPOINT)
        if not found:
            return 0
        *before, (epoch, path) = found
        try:
            checkpoint.load(model, path)
        except UserError as error:
            whole = [x for x in before if x[1].is_file() and checkpoint.whole(x[1]) is not False]
            way = "no whole one is before it; begin again in another folder (--out)"
            if whole:
                way = f"remove it to go on after epoch {whole[-1][0]}, by {whole[-1][1].name}"
            if path.is_file() and checkpoint.whole(path):
                way = "the file is as it was written: the model or its data are others"
            raise UserError(f"{error}; {way}") from error
        return epoch

    def read(self) -> reading.Run:
        """Everything that a report uses, with notes on what is absent or odd.

        Raises:
            UserError: There is no such folder; it has neither log nor grids nor results; a file in
                it is not what its name says.
        """
        if not self.path.is_dir():
            raise UserError(f"there is no run folder {self.path}; name the folder of train --out")
        run = reading.Run(self.path.resolve())
        run.config = self._object(_CONFIG)
        run.results = reading.current_names(self._object(_RESULTS))
        # The baseline is finished before the run's own results are written.
        run.own_baseline = reading.current_names(self.baseline._object(_RESULTS))
        rows = self.rows()
        run.log = reading.columns(rows)
        run.samples = reading.readable(self.grids(), run.notes)
        run.real = self.real if reading.is_png(self.real) else None
        run.labeled = self.labeled_indices()
        run.exported = self.generator.is_dir()
        if run.log is None and not run.samples and run.results is None:
            raise UserError(
                f"{self.path} has nothing to report: no finished epoch in {_LOG}, no sample grids, "
                f"no {_RESULTS}; name the folder of a run, or wait for an epoch"
            )
        if run.config is None:
            run.notes.append(f"{_CONFIG} is absent: the recipe is not known.")
        if run.log is None:
            run.notes.append(f"{_LOG} is absent or holds no finished epoch: there are no curves.")
        run.notes += reading.odd_numbers(rows)
        return run

    def _object(self, name: str) -> dict | None:
        """The JSON object in a file of the run; None where the file is absent."""
        return reading.read_json(self.path / name, _FORMS[name])


def _numbered(folder: Path, form: str) -> list[tuple[int, Path]]:
    """(number, path) of the files in `folder` that are named by `form`, in order."""
    before, after = map(re.escape, form.split("{:04d}"))
    pattern = re.compile(before + r"(\d{4,})" + after)
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted((int(m[1]), path) for path in entries if (m := pattern.fullmatch(path.name)))
