"""Callbacks for `fit`: checkpoints, log, sample grids, progress bar, stopping on NaN."""

import contextlib
import math
import os
import time
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from improved_gan_tf import images
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import cannot_write, system_error, temporary
from improved_gan_tf.progress import Progress as Progress
from improved_gan_tf.quantities import QUANTITIES
from improved_gan_tf.runs.folder import WITHOUT_RECIPE, RunFolder
from improved_gan_tf.runs.software import software

Folder = str | os.PathLike  # a `RunFolder` is one
Logs = Mapping[str, float] | None
_OF_LABELS = ("supervised_loss", "class_loss")
_SCORES = tuple(row.key for row in QUANTITIES if row.kind in ("score", "deviation"))


def standard(
    out: Folder, resume: bool = False, samples: int = 100, checkpoint_seconds: float = 5.0
) -> list[keras.callbacks.Callback]:
    """The callbacks of a run that is kept in the folder `out`, for one `fit`.

    The folder is that of a run as `improved-gan train` makes it, and the commands work on it:
    `sample`, `export`, `report`, `score`, `predict`, and `evaluate --data NAME`. In place of a
    recipe it holds the model.

    Args:
        out: The run's folder: absent or empty, or with `resume` that of a run.
        resume: Whether to go on with the run in `out`, if there is one, whose newest checkpoint the
            model has been given by `RunFolder.restore`. Default False.
        samples: Images in a sample grid. Default 100.
        checkpoint_seconds: Seconds from one checkpoint to the next at least, see `Checkpoint`.
            Default 5.

    Returns:
        A list of callbacks for `fit`, in the order in which they must run: `Checkpoint` is last, so
        that the log line and the sample grid of an epoch are written before its checkpoint.

    Raises:
        UserError: The folder is not empty and `resume` is False. With `resume=True`, `fit` raises
            it if `initial_epoch` is not the epoch after the newest checkpoint.

    Example: a script that goes on where it was stopped, to the same weights bit for bit.

    >>> first = runs.RunFolder("runs/digits").restore(gan)  # epochs done, 0 at the beginning
    >>> data.start_epoch = first
    >>> gan.fit(data, initial_epoch=first, epochs=200, validation_data=data.test,
    ...         callbacks=callbacks.standard("runs/digits", resume=True))
    """
    folder = RunFolder(out)
    if not resume:
        folder.refuse_if_used()
    return [
        Begin(folder),
        StopOnNaN(folder),
        SampleGrid(folder, samples),
        RunLog(folder, folder.latest_checkpoint()[0]),
        TensorBoard(folder),
        Checkpoint(folder, seconds=checkpoint_seconds),
    ]


_locks: dict[str, contextlib.ExitStack] = {}  # of the folders that a `fit` of this process writes


class Begin(keras.callbacks.Callback):
    """Begins the folder of a run before the first epoch of `fit`: config.json and the model.

    This process alone writes the folder while `fit` runs, see `RunFolder.lock`; where an error ends
    `fit`, until the next one or the end of the process. A folder that `experiments.train` has begun
    stays as it is, and is locked by that.

    Args:
        folder: The run's folder.

    Raises:
        Locked: Another process writes the folder.
        UserError: `fit` does not begin with the epoch after the folder's newest checkpoint, or the
            model has never been trained and has not been given that checkpoint.
    """

    def __init__(self, folder: Folder):
        super().__init__()
        self.folder = RunFolder(folder)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._begun = False
        if not self.folder.begun or self.folder.without_recipe:
            self.on_train_end()  # of a `fit` that an error has ended
            lock = contextlib.ExitStack()
            lock.enter_context(self.folder.lock())
            _locks[os.path.realpath(self.folder)] = lock

    def on_train_end(self, logs: Logs = None) -> None:
        _locks.pop(os.path.realpath(self.folder), contextlib.ExitStack()).close()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self._begun:
            return
        self._begun = True
        folder, (done, _) = self.folder, self.folder.latest_checkpoint()
        new = int(keras.ops.convert_to_numpy(self.model.discriminator_optimizer.iterations)) == 0
        if epoch != done or (done and new):
            without = "a model without its weights or its optimizers' state"
            begins = without if epoch == done else f"epoch {epoch + 1}"
            raise UserError(
                f"{folder} has {done} epochs, but fit begins with {begins}; name another folder, "
                "or go on with gan.compile(...), then RunFolder(...).restore(gan), "
                f"standard(..., resume=True) and fit(initial_epoch={done})"
            )
        if folder.begun and not folder.without_recipe:
            return
        config = folder.config() if folder.begun else self._config()
        config["recipe"] |= {"epochs": self.params["epochs"]}
        folder.write_config(config)

    def _config(self) -> dict[str, Any]:
        """What config.json says of a model without a recipe, which is kept beside it."""
        try:
            with temporary(self.folder.model) as name:
                self.model.save(name)
        except UserError:
            raise  # the place cannot be written
        except (TypeError, ValueError, NotImplementedError) as error:
            reason = " ".join(str(error).split())[:200]
            text = f"{self.folder.model} cannot be written, so that the commands `sample`, `export`"
            warnings.warn(f"{text} and others will not work on the run: {reason}", stacklevel=2)
        return {
            "kind": WITHOUT_RECIPE,
            "recipe": {"name": self.folder.path.resolve().name},
            "data": {
                "image_shape": list(self.model.image_shape),
                "num_classes": self.model.num_classes,
                "image_range": list(self.model.image_range),
            },
            **software(),
        }


class StopOnNaN(keras.callbacks.Callback):
    """Stops training with a `UserError` as soon as a loss is not finite.

    Keras' TerminateOnNaN watches "loss" alone, which a GAN does not have, and lets the epoch end,
    after which the broken weights would be saved.

    Args:
        folder: The run's folder, of which the error says whether it has a checkpoint. None (the
            default): it says nothing of that.
    """

    def __init__(self, folder: Folder | None = None):
        super().__init__()
        self.folder = None if folder is None else RunFolder(folder)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                step = self.model.step_not_finite(batch) + 1
                # The losses of the labels are NaN too if one is not a class.
                labels = "check that all labels are classes, or " if name in _OF_LABELS else ""
                raise UserError(
                    f"{name} became {value} in epoch {self._epoch + 1}, step {step}: training "
                    f"stopped{self._kept()}; {labels}try a lower learning rate in a new folder"
                )

    def _kept(self) -> str:
        if self.folder is None:
            return ""
        if self.folder.latest_checkpoint()[1] is None:
            return " before the first checkpoint"
        return ", the last checkpoint is kept"


class Checkpoint(keras.callbacks.Callback):
    """Saves weights, optimizers, averages and random states at the end of epochs.

    A checkpoint is written after the last epoch, and after every earlier epoch that ends at least
    `seconds` after the previous checkpoint. If the process is killed, at most the current epoch or
    the training of that many seconds is lost.

    Args:
        folder: The run's folder.
        keep: The number of most recent checkpoints to keep, an integer from 1. Default 2.
        seconds: The minimum time between two checkpoints, a float. Default 0: save every epoch.
    """

    def __init__(self, folder: Folder, keep: int = 2, seconds: float = 0.0):
        super().__init__()
        self.folder = RunFolder(folder)
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep!r}")
        self.keep = keep
        self.seconds = seconds

    def on_train_begin(self, logs: Logs = None) -> None:
        self._saved, self._done = time.perf_counter(), 0
        self._last = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._done = epoch + 1
        if time.perf_counter() - self._saved >= self.seconds:
            self._save()

    def on_train_end(self, logs: Logs = None) -> None:
        if self._done > self._last:
            self._save()

    def _save(self):
        self.folder.save_checkpoint(self.model, self._done, self.keep)
        self._saved, self._last = time.perf_counter(), self._done


class RunLog(keras.callbacks.Callback):
    """Writes the run's log: one line per epoch, of what the model reports, and of scores.

    Errors are fractions in 0..1, losses in nats. The learning rate is the discriminator's at the
    first step of the epoch.

    Args:
        folder: The run's folder. Lines up to `first_epoch` that its log holds are kept, later ones
            (of epochs whose checkpoint was never written) are dropped.
        first_epoch: Epochs that are done already. Default 0.
    """

    def __init__(self, folder: Folder, first_epoch: int = 0):
        super().__init__()
        self.folder = RunFolder(folder)
        rows = self.folder.rows() if first_epoch else []
        self.rows: list[Mapping[str, Any]] = [r for r in rows if float(r["epoch"]) <= first_epoch]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._start = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        # At the epoch's end a schedule already gives the next epoch's rate.
        if batch == 0:
            rate = self.model.discriminator_optimizer.learning_rate
            self._learning_rate = float(keras.ops.convert_to_numpy(rate))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.discriminator_optimizer
        reported = self.model.reported
        self.rows.append(
            {
                "epoch": epoch + 1,
                "steps": int(keras.ops.convert_to_numpy(optimizer.iterations)),
                "seconds": f"{time.perf_counter() - self._start:.2f}",
                "learning_rate": f"{self._learning_rate:.6g}",
            }
            | {k: f"{v:.6g}" for k, v in (logs or {}).items() if k in reported or k in _SCORES}
        )
        scores = [k for k in _SCORES if any(k in row for row in self.rows)]
        columns = ("epoch", "steps", "seconds", *reported, *scores, "learning_rate")
        self.folder.write_rows(columns, self.rows)


class TensorBoard(keras.callbacks.Callback):
    """Writes the losses, errors and scores of every epoch for TensorBoard.

    By the names that Keras' own callback uses, which keeps 3.3 kB in memory for every step:
    `epoch_NAME`, by epoch, in tensorboard/train, and what is called `val_NAME` in the log as
    `epoch_NAME` in tensorboard/validation, and there as `evaluation_NAME_vs_iterations`, by step.

    Args:
        folder: The run's folder.

    Raises:
        UserError: The files cannot be written.
    """

    def __init__(self, folder: Folder):
        super().__init__()
        self.folder = RunFolder(folder)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        steps = int(keras.ops.convert_to_numpy(self.model.discriminator_optimizer.iterations))
        figures: dict[str, list[tuple[str, float, int]]] = {"train": [], "validation": []}
        for key, value in (logs or {}).items():
            name = key.removeprefix("val_")
            if name == key:
                figures["train"].append((f"epoch_{name}", value, epoch))
            else:
                by_step = (f"evaluation_{name}_vs_iterations", value, steps)
                figures["validation"] += [(f"epoch_{name}", value, epoch), by_step]
        for part, found in figures.items():
            if found:
                self._write(part, found)

    def _write(self, part: str, figures: list[tuple[str, float, int]]) -> None:
        import tensorflow as tf

        place = self.folder.tensorboard / part
        try:
            if part not in self._writers:
                self._writers[part] = tf.summary.create_file_writer(str(place))
            with self._writers[part].as_default():
                for name, value, step in figures:
                    tf.summary.scalar(name, value, step)
            self._writers[part].flush()
        except (OSError, tf.errors.OpError) as error:
            raise cannot_write(place, system_error(error) or OSError(str(error))) from error

    def on_train_end(self, logs: Logs = None) -> None:
        for writer in self._writers.values():
            writer.close()


class SampleGrid(keras.callbacks.Callback):
    """Draws the generator's images of the same latent vectors, epoch by epoch, as one grid each.

    Nothing is drawn where the generator is not trained (the supervised objective).

    Args:
        folder: The run's folder, whose samples/ receives epoch-0001.png, ...
        count: Images in a grid. Default 100.
        seed: Seed of the latent vectors. Default 0.
        every: Epochs from one grid to the next; the first and the last epoch have one anyway.
            Default: so that a run has at most about fifty.
    """

    def __init__(self, folder: Folder, count: int = 100, seed: int = 0, every: int | None = None):
        super().__init__()
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count!r}")
        self.folder = RunFolder(folder)
        self.count = count
        self.seed = seed
        self.every = every

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        epochs = self.params.get("epochs") or 1
        every = self.every or max(1, math.ceil(epochs / 50))
        due = epoch == 0 or epoch + 1 == epochs or (epoch + 1) % every == 0
        if not (due and self.model.trains_generator):
            return
        samples = self.model.sample(self.count, seed=self.seed)
        if not np.isfinite(samples).all():
            return  # StopOnNaN says so with the next batch
        picture = images.grid(images.to_uint8(samples, *self.model.image_range))
        images.save_png(self.folder.grid(epoch + 1), picture)
