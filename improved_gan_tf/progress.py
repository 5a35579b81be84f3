"""The progress bar of a run."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import keras
import tqdm

from improved_gan_tf.quantities import QUANTITIES

Logs = Mapping[str, float] | None


class Progress(keras.callbacks.Callback):
    """Shows one progress bar for the whole run, with the time left; in a file, a line now and then.

    Args:
        first_epoch: Epochs that are done already. Default 0.
        title: What is being trained. Default "training".
        interval: Seconds between two lines where the output is not a terminal. Default 10.
    """

    def __init__(self, first_epoch: int = 0, title: str = "training", interval: float = 10.0):
        super().__init__()
        self.first_epoch = first_epoch
        self.title = title
        self.interval = interval

    def on_train_begin(self, logs: Logs = None) -> None:
        self._steps, self._epochs = self.params["steps"], self.params["epochs"]
        first, amount = self.first_epoch, f"{self._epochs} epochs of {self._steps} steps"
        print(f"{self.title}: {amount}" + (f", continuing after epoch {first}" if first else ""))
        self._validation: dict[str, float] = {}
        self._bar: Any = None
        self._live = sys.stdout.isatty()
        print("compiling ...", end="" if self._live else "\n", flush=True)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        if self._bar is not None:
            self._bar.set_description(self._place(), refresh=False)

    def _place(self) -> str:
        return f"epoch {self._epoch + 1}/{self._epochs}"

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self._bar is None:
            # The first call, which compiles, counts for no estimate of the time left.
            self._last = self._start = time.perf_counter()
            self._untimed = min(batch + 1, self._steps)
            if self._live:
                print(f"\r{'':13}\r", end="")
            self._bar = tqdm.tqdm(
                desc=self._place(),
                initial=self.first_epoch * self._steps + min(batch + 1, self._steps),
                total=self._epochs * self._steps,
                unit="step",
                dynamic_ncols=True,
                disable=not self._live,
                file=sys.stdout,
            )
        else:
            done = (self._epoch * self._steps) + min(batch + 1, self._steps)
            self._bar.update(done - self._bar.n)
        self._bar.set_postfix_str(self._shown({**(logs or {}), **self._validation}), refresh=False)

    def _shown(self, logs: Mapping[str, float]) -> str:
        known = (quantity for quantity in QUANTITIES if quantity.key in logs)
        return ", ".join(f"{q.short} {q.text(logs[q.key])}" for q in known)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        self._validation = {k: v for k, v in logs.items() if k.startswith("val_")}
        last = epoch + 1 == self._epochs
        now = time.perf_counter()
        due = last or epoch == self.first_epoch or now - self._last >= self.interval
        if not self._live and due:
            self._last = now
            text = f"{self._place()}: {self._shown(logs)}"
            done = (epoch + 1 - self.first_epoch) * self._steps - self._untimed
            left = (self._epochs - epoch - 1) * self._steps
            if done or not left:
                text += f" ({(now - self._start) / max(done, 1) * left:.0f} s left)"
            print(text, flush=True)

    def on_train_end(self, logs: Logs = None) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(self._shown(logs or {}))
            self._bar.close()
