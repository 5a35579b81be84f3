"""The folder of a run: what is in it, and that it is never half-written."""

import csv
import json
import re
from pathlib import Path

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import is_temporary, temporary, write_json

_CHECKPOINT = re.compile(r"epoch-(\d+)\.weights\.h5")


class RunFolder:
    """Paths and files of one run.

    config.json, labeled_indices.npy (but for ImageNet), log.csv, tensorboard/,
    samples/epoch-0001.png, checkpoints/epoch-0001.weights.h5, generator/, results.json; with a
    baseline the same again in baseline/.

    Args:
        path: of the folder; it need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.log = self.path / "log.csv"
        self.samples = self.path / "samples"
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.generator = self.path / "generator"

    def start(self, config, labeled_indices=None):
        """Begins a new run in the folder, which must be empty or absent."""
        self.refuse_if_used()
        if labeled_indices is not None:
            with temporary(self.path / "labeled_indices.npy") as name:
                np.save(name, np.asarray(labeled_indices))
        # Last: a folder with a config.json is a run, one without it was killed before it began.
        self.write_json("config.json", config)

    def refuse_if_used(self):
        """Raises UserError where a new run would mix with files that are already there."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path} is a file; name a folder for the run")
        if self.path.is_dir() and any(
            entry.name != "labeled_indices.npy" and not is_temporary(entry)
            for entry in self.path.iterdir()
        ):
            raise UserError(
                f"{self.path} is not empty; name another folder with --out, or go on with the run "
                "in it by --resume"
            )

    def config(self):
        """What `start` wrote.

        Raises:
            UserError: not a run's folder, or its config.json cannot be read.
        """
        if not (self.path / "config.json").is_file():
            raise UserError(f"{self.path} is not the folder of a run: it has no config.json")
        return self.read_json("config.json")

    def check_labeled_indices(self, labeled_indices):
        """Raises UserError where the run began with another labelled subset (other data)."""
        try:
            began = np.load(self.path / "labeled_indices.npy")
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path}/labeled_indices.npy cannot be read: {error}") from error
        if not np.array_equal(began, labeled_indices):
            raise UserError(
                f"the data are not those that the run in {self.path} began with: another labelled "
                "subset follows from them; name the same data by --data and --data-dir"
            )

    def rows(self):
        """The rows of log.csv, each {column: text}."""
        with open(self.log, newline="") as stream:
            return list(csv.DictReader(stream))

    def seconds(self):
        """Seconds of training in all, over every stop and resumption: the log's sum."""
        return sum(float(row["seconds"]) for row in self.rows())

    def read_json(self, name):
        """The object in the file `name`."""
        try:
            return json.loads((self.path / name).read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path / name} cannot be read: {error}") from error

    def write_json(self, name, value):
        """Writes `value` to the file `name`."""
        write_json(self.path / name, value)

    def latest_checkpoint(self):
        """(epochs done, path) of the newest checkpoint, or (0, None)."""
        found = self._all_checkpoints()
        return found[-1] if found else (0, None)

    def _all_checkpoints(self):
        if not self.checkpoints.is_dir():
            return []
        matches = ((_CHECKPOINT.fullmatch(p.name), p) for p in self.checkpoints.iterdir())
        return sorted((int(m[1]), p) for m, p in matches if m)

    def save_checkpoint(self, model, epoch, keep=2):
        """Saves the model after `epoch` epochs and removes all but the newest `keep`.

        Keras writes under a temporary name first; a kill while it does leaves the older ones.

        Raises:
            UserError: it cannot be written (disk full); the older ones are still there.
        """
        path = self.checkpoints / f"epoch-{epoch:04d}.weights.h5"
        try:
            with temporary(path) as name:
                model.save_weights(name, overwrite=True)
        except (UserError, RuntimeError) as error:  # h5py raises either where the disk is full
            reason = getattr(error.__cause__, "strerror", None) or str(error)
            raise UserError(
                f"cannot write the checkpoint {path}: {reason}; free some space and go on with "
                "--resume: the checkpoints before it are kept"
            ) from error
        for _, old in self._all_checkpoints()[:-keep]:
            old.unlink()

    def restore(self, model):
        """Loads the newest checkpoint into `model`; returns the epochs done, 0 without one.

        Raises:
            UserError: the file is damaged, or is of another model.
        """
        epoch, path = self.latest_checkpoint()
        if path is not None:
            load_weights(model, path)
        return epoch


def load_weights(model, path):
    """`model.load_weights` with one line where the file is damaged or another model's."""
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds: OSError, KeyError, ValueError...
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} is damaged or not a checkpoint of this model; remove it to use the one "
            f"before ({reason})"
        ) from error
