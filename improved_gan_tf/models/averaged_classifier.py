"""A GAN whose discriminator classifies by the running average of its parameters."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, replicas
from improved_gan_tf.models.gan import GAN, full
from improved_gan_tf.optimizers import debiased, update_average

AVERAGES = ("debiased", "original", "none")


class AveragedClassifier(GAN):
    """The base of `SemiSupervisedGAN` that averages and classifies.

    Attributes:
        average, average_rate: See `SemiSupervisedGAN`.
        average_start: See `SemiSupervisedGAN.compile`.
        averages: The variables of the running average, a list.
        average_steps: The variable that counts its updates.
    """

    average_start: int = 0

    def add_averages(self, average: str, rate: float) -> None:
        """Makes the variables of the average; see `SemiSupervisedGAN` for the arguments."""
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}, not {average!r}")
        self.average, self.average_rate = average, rate
        fixed = {"initializer": "zeros", "trainable": False}
        self.average_steps = self.add_weight((), dtype="int32", name="average_steps", **fixed)
        self.averages = [
            self.add_weight(v.shape, dtype=v.dtype, name="average", **fixed)
            for v in self.discriminator.trainable_variables
        ]

    def update_averages(self) -> None:
        """Takes the current parameters into the average, from `average_start` on."""

        def update():
            variables = self.discriminator.trainable_variables
            update_average(self.averages, variables, self.average_rate)
            self.average_steps.assign_add(1)

        if self.average_start:
            updates = tf.convert_to_tensor(self.discriminator_optimizer.iterations)
            begun = updates >= self.average_start
            if replicas.count() == 1:
                tf.cond(begun, update, lambda: None)
                return
            # Without a branch, which TensorFlow cannot compute on several CPU devices.
            states = [self.average_steps, *self.averages]
            before = [keras.ops.copy(v) for v in states]
            update()
            for v, old in zip(states, before, strict=True):
                v.assign(tf.where(begun, keras.ops.convert_to_tensor(v), old))
        else:
            update()

    def classifier_values(self, average: str | None = None) -> list[Any]:
        """Returns the values of the classifier's parameters by `average`, or by `self.average`."""
        average, variables = average or self.average, self.discriminator.trainable_variables
        if average == "debiased":
            return debiased(self.averages, variables, self.average_rate, self.average_steps)
        return self.averages if average == "original" else variables

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self._classified(inputs, training=training)

    def _classified(self, inputs, average=None, training=False):
        variables = self.discriminator.trainable_variables
        values = [keras.ops.convert_to_tensor(v) for v in self.classifier_values(average)]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return self.discriminator(inputs, training=training)

    def error_rates(self, dataset: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
        """Returns the error rates with each of the three sets of parameters, in one pass.

        They are whole counts divided by the number of images; the means of `evaluate` are rounded.

        Args:
            dataset: An iterable of batches (images, labels); every image counts once (D11).

        Returns:
            {"images": N, "error": with the debiased average, "error_current": with the current
            parameters, "error_original_average": with the original's (D10)}, errors in 0..1.
        """
        sets = {"error": "debiased", "error_current": "none", "error_original_average": "original"}

        # Without XLA, which takes longer to compile it than a test set to classify.
        @tf.function(reduce_retracing=True)
        def wrong(x, y):
            logits = [full(self._classified(x, average)) for average in sets.values()]
            return tf.stack([tf.math.count_nonzero(losses.errors(y, each)) for each in logits])

        images, counts = 0, np.zeros(len(sets), "int64")
        for x, y in dataset:
            images += len(y)
            counts += wrong(x, y).numpy()
        return {"images": images, **{k: int(c) / images for k, c in zip(sets, counts, strict=True)}}
