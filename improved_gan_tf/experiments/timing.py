"""How long a recipe trains on this machine, from a few timed steps."""

import itertools
import os
import statistics
import time

import keras

from improved_gan_tf.experiments.building import build, experiment
from improved_gan_tf.experiments.recipe import Recipe
from improved_gan_tf.in_memory import InMemory

_WARM = 2  # steps that are not timed: compilation is in the first
_TIMED = 5


class _Clock(keras.callbacks.Callback):
    def on_train_begin(self, logs: dict | None = None) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.times.append(time.perf_counter())


def epoch_seconds(recipe: Recipe, data_dir: str | os.PathLike | None = None) -> float:
    """The seconds that an epoch's training steps take, without evaluation and checkpoints.

    Seven steps are made, of which the last five are timed.

    Args:
        recipe: The recipe.
        data_dir: TFDS' data folder, see `data.open`.

    Raises:
        UserError: The data are not available, or the recipe's values make no network.
    """
    chosen = experiment(recipe)
    data = chosen.load_data(data_dir)
    gan, clock = build(recipe, data), _Clock()
    batches = chosen.batches(data)
    if isinstance(batches, InMemory):
        batches = batches.train  # a step at a time: many in one call take no longer
    gan.fit(batches.take(_WARM + _TIMED), epochs=1, verbose=0, shuffle=False, callbacks=[clock])
    times = clock.times[min(_WARM, len(clock.times) - 2) - 1 :]
    step = statistics.median(b - a for a, b in itertools.pairwise(times))
    return step * (chosen.steps_per_epoch or data.steps_per_epoch)
