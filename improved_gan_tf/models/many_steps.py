"""Training and testing on images in memory, many steps in one compiled call.

Keras' loop runs every step as a compiled function of its own; for a small model what lies between
two steps costs as much as the steps. Here XLA compiles the loop itself, whose first and last
round are arguments: one program serves every call, so that the numbers do not depend on how many
steps a call makes.
"""

import math
from collections.abc import Callable, Collection
from typing import Any

import keras
import tensorflow as tf

from improved_gan_tf.in_memory import InMemory
from improved_gan_tf.models import distributed
from improved_gan_tf.pipelines import options

AT_ONCE = 25  # steps per call, at most: with the MNIST recipe the progress bar moves twice a second


def possible(gan: Any) -> bool:
    """Returns whether the steps of a compiled model can be one call: XLA compiles them, for one."""
    return gan.jit_compile and not gan.run_eagerly and not distributed.possible(gan)


def fit(
    gan: Any,
    train: Callable,
    data: InMemory,
    y: Any = None,
    validation_data: Any = None,
    validation_freq: int | Collection[int] = 1,
    callbacks: Any = None,
    **kwargs: Any,
) -> keras.callbacks.History:
    """Trains on data in memory.

    Args:
        gan: The compiled model, whose `many_steps` is kept from one `fit` to the next.
        train: Keras' `fit` of it.
        data: The data.
        y: None.
        validation_data, validation_freq, callbacks, **kwargs: As `keras.Model.fit` has them.
            Validation on `data.test` is one compiled call.

    Raises:
        ValueError: `y` is given.
    """
    if y is not None:
        raise ValueError("fit takes no y for data in memory, which contain their labels")
    if gan.many_steps is None or gan.many_steps.data is not data:
        gan.many_steps = ManySteps(gan, data)
    steps = gan.many_steps
    callbacks = keras.tree.flatten([] if callbacks is None else callbacks)
    if validation_data is data.test:
        callbacks = [Validation(steps, validation_freq), *callbacks]
    elif validation_data is not None:
        kwargs |= {"validation_data": validation_data, "validation_freq": validation_freq}
    before = gan.train_function, gan.steps_per_execution
    gan.train_function, gan.steps_per_execution = steps, steps.at_once
    kwargs |= {"steps_per_epoch": data.steps_per_epoch, "callbacks": callbacks, "shuffle": False}
    try:
        return train(steps.calls(), **kwargs)
    finally:
        gan.train_function, gan.steps_per_execution = before
        gan.test_function = None  # Keras' own is one for so many steps per call by now


class ManySteps:
    """The training function of `fit` on data in memory, in the place of Keras' own.

    Args:
        gan: The compiled model; its `train_step` makes a step.
        data: The data.

    Attributes:
        at_once: Steps per call, the last one of an epoch excepted.
        broken: The step of the epoch, counted from 0, at which a loss was no longer finite in the
            last call; -1 where there was none.
    """

    def __init__(self, gan: Any, data: InMemory):
        self.gan = gan
        self.data = data
        calls = math.ceil(data.steps_per_epoch / AT_ONCE)
        self.at_once = math.ceil(data.steps_per_epoch / calls)
        self.broken: Any = -1
        self._images = tf.constant(data.train_images)
        self._labels = tf.constant(data.train_labels)
        self._rows: Any = None
        self._tests: Any = None
        steps = data.steps_per_epoch
        rows = tuple(tf.TensorSpec((steps, size), tf.int32) for size in data.batch_sizes)
        signature = [rows, *[tf.TensorSpec((), tf.int32)] * 2]
        self._run = tf.function(self._steps, signature, jit_compile=True, autograph=False)
        self._test = tf.function(self._test_steps, jit_compile=True, autograph=False)

    def calls(self) -> tf.data.Dataset:
        """Returns what `fit` iterates over: the first steps of the calls, epoch after epoch."""
        calls = tf.data.Dataset.range(0, self.data.steps_per_epoch, self.at_once)
        return calls.repeat().with_options(options())

    def __call__(self, calls: Any) -> dict[str, Any]:
        """Makes the steps of the next call; returns the logs after them."""
        start = int(next(calls))
        if start == 0:
            self._rows = tf.nest.map_structure(tf.constant, tuple(self.data.next_epoch()))
        stop = min(start + self.at_once, self.data.steps_per_epoch)
        logs, self.broken = self._run(self._rows, start, stop)
        return logs

    def _steps(self, rows, start, stop):
        def step(i, broken):
            logs = self.gan.train_step(self._batch(*(tf.gather(x, i) for x in rows)))
            values = tf.stack([tf.cast(x, "float32") for x in tf.nest.flatten(logs)])
            fine = tf.reduce_all(tf.math.is_finite(values))
            return i + 1, tf.where((broken < 0) & ~fine, i, broken)

        _, broken = tf.while_loop(lambda i, _: i < stop, step, [start, -1])
        return self.gan.logs(training=True), broken

    def _batch(self, labeled, unlabeled, unlabeled_generator):
        def images(rows):
            return self.data.scaling.apply(tf.cast(tf.gather(self._images, rows), tf.float32))

        return {
            "labeled": (images(labeled), tf.gather(self._labels, labeled)),
            "unlabeled": images(unlabeled),
            "unlabeled_generator": images(unlabeled_generator),
        }

    def test(self) -> dict[str, Any]:
        """Returns what `evaluate(data.test)` returns, in one call."""
        if self._tests is None:
            self._tests = tf.constant(self.data.test_images), tf.constant(self.data.test_labels)
        self.gan.reset_metrics()
        return {name: float(value) for name, value in self._test().items()}

    def _test_steps(self):
        size = min(self.data.test_batch_size, len(self.data.test_labels))

        def test(start, count):
            images, labels = (  # XLA needs the sizes as constants
                tf.slice(x, [start] + [0] * (len(x.shape) - 1), [count, *x.shape[1:]])
                for x in self._tests
            )
            self.gan.test_step((self.data.scaling.apply(tf.cast(images, tf.float32)), labels))

        def step(i):
            test(i * size, size)
            return (i + 1,)

        whole, rest = divmod(len(self.data.test_labels), size)
        tf.while_loop(lambda i: i < whole, step, [0])
        if rest:
            test(whole * size, rest)
        return self.gan.logs(training=False)


class Validation(keras.callbacks.Callback):
    """Adds the errors of the test set to the logs of an epoch.

    Args:
        steps: The functions of the model and its data.
        frequency: Epochs from one validation to the next, or the epochs, counted from 1, that have
            one, as `validation_freq` of `keras.Model.fit`.
    """

    def __init__(self, steps: ManySteps, frequency: int | Collection[int]):
        super().__init__()
        self.steps = steps
        self.frequency = frequency

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        epoch, every = epoch + 1, self.frequency
        if epoch % every == 0 if isinstance(every, int) else epoch in every:
            logs |= {f"val_{name}": value for name, value in self.steps.test().items()}
