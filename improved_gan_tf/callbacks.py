"""What happens beside training: checkpoints, log, sample grids, progress bar, the NaN stop."""

import csv
import io
import math
import sys
import time

import keras
import numpy as np
import tqdm

from improved_gan_tf import images
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import write_text
from improved_gan_tf.runs.folder import RunFolder


def standard(out, first_epoch=0, value_range=(0.0, 1.0), samples=100):
    """The callbacks of a run that is kept in the folder `out`.

    Args:
        out: the run's folder, or a `RunFolder`.
        first_epoch: epochs already done, where a run is resumed.
        value_range: the generator's values for black and for full brightness.
        samples: images in a sample grid.

    Returns:
        List of callbacks for `fit`, in the order in which they must run: the checkpoint last, so
        that an epoch that has one has its log row and its grid too.
    """
    folder = out if isinstance(out, RunFolder) else RunFolder(out)
    return [
        StopOnNaN(),
        SampleGrid(folder.samples, samples, value_range=value_range),
        RunLog(folder.log, first_epoch),
        keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        Checkpoint(folder),
    ]


class StopOnNaN(keras.callbacks.Callback):
    """Stops training with a `UserError` as soon as a loss is not finite.

    Keras' TerminateOnNaN looks at "loss" alone, which a GAN does not have, and lets the epoch
    end, after which the broken weights would be saved.
    """

    def on_train_begin(self, logs=None):
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                raise UserError(
                    f"{name} became {value} in epoch {self._epoch + 1}, step {batch + 1}: training "
                    "stopped, the last checkpoint is kept; try a lower learning rate"
                )


class Checkpoint(keras.callbacks.Callback):
    """Saves weights, optimizers, averages and random states after every epoch.

    Args:
        folder: a `RunFolder`.
        keep: how many checkpoints stay.
    """

    def __init__(self, folder, keep=2):
        super().__init__()
        self.folder = folder
        self.keep = keep

    def on_epoch_end(self, epoch, logs=None):
        self.folder.save_checkpoint(self.model, epoch + 1, self.keep)


class RunLog(keras.callbacks.Callback):
    """log.csv: one row an epoch, the model's `REPORTED`; errors in 0 .. 1, losses in nats.

    The learning rate is the discriminator's at the first step of the epoch.

    Args:
        path: of the file. Rows up to `first_epoch` that it holds are kept, later ones (of epochs
            whose checkpoint was never written) dropped.
        first_epoch: epochs already done.
    """

    def __init__(self, path, first_epoch=0):
        super().__init__()
        self.path = path
        self.rows = []
        if first_epoch and path.is_file():
            with open(path, newline="") as stream:
                self.rows = [r for r in csv.DictReader(stream) if int(r["epoch"]) <= first_epoch]

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        # At the epoch's end a schedule already gives the next epoch's rate.
        if batch == 0:
            rate = self.model.discriminator_optimizer.learning_rate
            self._learning_rate = float(keras.ops.convert_to_numpy(rate))

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.discriminator_optimizer
        values = {
            "epoch": epoch + 1,
            "steps": int(keras.ops.convert_to_numpy(optimizer.iterations)),
            "seconds": f"{time.perf_counter() - self._start:.2f}",
            "learning_rate": f"{self._learning_rate:.6g}",
        }
        reported = self.model.REPORTED
        values |= {k: f"{v:.6g}" for k, v in (logs or {}).items() if k in reported}
        columns = ("epoch", "steps", "seconds", *reported, "learning_rate")
        self.rows.append({name: values.get(name, "") for name in columns})
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())


class SampleGrid(keras.callbacks.Callback):
    """samples/epoch-0001.png: the generator's images of the same latent vectors, epoch by epoch.

    Nothing is drawn where the generator is not trained (the supervised objective).

    Args:
        folder: where the pictures go.
        count: images in a picture.
        seed: of the latent vectors.
        value_range: the generator's values for black and for full brightness.
        every: epochs from one picture to the next; the first and the last epoch have one anyway.
            Default: so that a run has at most about a hundred.
    """

    def __init__(self, folder, count=100, seed=0, value_range=(0.0, 1.0), every=None):
        super().__init__()
        self.folder = folder
        self.count = count
        self.seed = seed
        self.value_range = value_range
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        epochs = self.params.get("epochs") or 1
        every = self.every or max(1, math.ceil(epochs / 100))
        due = epoch == 0 or epoch + 1 == epochs or (epoch + 1) % every == 0
        if not (due and self.model.trains_generator):
            return
        samples = self.model.sample(self.count, seed=self.seed)
        if not np.isfinite(samples).all():
            return  # StopOnNaN says so with the next batch
        picture = images.grid(images.to_uint8(samples, *self.value_range))
        images.save_png(self.folder / f"epoch-{epoch + 1:04d}.png", picture)


class Progress(keras.callbacks.Callback):
    """One progress bar for the whole run, with the time left; to a file, a line now and then.

    Args:
        first_epoch: epochs already done.
        title: what is being trained.
        interval: seconds between two lines where the output is not a terminal.
    """

    # In the order shown: a narrow terminal cuts off the end.
    _SHORT = {
        "error": "error",
        "running_error": "running",
        "val_error": "val",
        "val_error_current": "val raw",
        "supervised_loss": "supervised",
        "unsupervised_loss": "unsupervised",
        "real_loss": "real",
        "fake_loss": "fake",
        "class_loss": "class",
        "generator_loss": "generator",
    }

    def __init__(self, first_epoch=0, title="training", interval=10.0):
        super().__init__()
        self.first_epoch = first_epoch
        self.title = title
        self.interval = interval

    def on_train_begin(self, logs=None):
        steps, self._epochs = self.params["steps"], self.params["epochs"]
        print(f"{self.title}: {self._epochs - self.first_epoch} epochs of {steps} steps")
        self._validation = {}
        self._last = self._start = time.perf_counter()
        self._bar = tqdm.tqdm(
            total=(self._epochs - self.first_epoch) * steps,
            unit="step",
            dynamic_ncols=True,
            disable=not sys.stdout.isatty(),
            file=sys.stdout,
        )

    def on_epoch_begin(self, epoch, logs=None):
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        self._bar.set_postfix_str(self._shown((logs or {}) | self._validation), refresh=False)
        self._bar.update()

    def _shown(self, logs):
        return ", ".join(f"{short} {logs[k]:.3g}" for k, short in self._SHORT.items() if k in logs)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self._validation = {k: v for k, v in logs.items() if k.startswith("val_")}
        last = epoch + 1 == self._epochs
        now = time.perf_counter()
        due = last or epoch == self.first_epoch or now - self._last >= self.interval
        if self._bar.disable and due:
            self._last = now
            left = (now - self._start) / (epoch + 1 - self.first_epoch) * (self._epochs - epoch - 1)
            shown = self._shown(logs)
            print(f"epoch {epoch + 1}/{self._epochs}: {shown} ({left:.0f} s left)", flush=True)

    def on_train_end(self, logs=None):
        self._bar.set_postfix_str(self._shown(logs or {}))
        self._bar.close()
