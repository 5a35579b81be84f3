"""A GAN whose discriminator classifies by the running average of its parameters."""

from collections.abc import Iterable
from numbers import Real
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf import losses, replicas
from improved_gan_tf.models import arrays
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

    average: str
    average_rate: float
    averages: list[Any]
    average_steps: Any
    average_start: int = 0

    def add_averages(self, average: str, rate: float) -> None:
        """Makes the variables of the average; see `SemiSupervisedGAN` for the arguments."""
        if average not in AVERAGES:
            raise ValueError(f"average must be one of {', '.join(AVERAGES)}, not {average!r}")
        if not isinstance(rate, Real) or not 0 < rate < 1:
            raise ValueError(f"average_rate must be a number between 0 and 1, not {rate!r}")
        self.average, self.average_rate = average, rate
        fixed = {"initializer": "zeros", "trainable": False}
        self.average_steps = self.add_weight((), dtype="int32", name="average_steps", **fixed)
        self.averages = [
            self.add_weight(v.shape, dtype=v.dtype, name="average", **fixed)
            for v in self.discriminator.trainable_variables
        ]

    def check_averages(self) -> None:
        """Checks that the discriminator trains the parameters that are averaged.

        Raises:
            ValueError: Layers were frozen, or no longer are, after the GAN was made.
        """
        shapes = [tuple(v.shape) for v in self.discriminator.trainable_variables]
        if shapes != [tuple(v.shape) for v in self.averages]:
            raise ValueError(
                "layers of the discriminator were frozen or unfrozen after the GAN was made; set "
                "trainable before"
            )

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
        if average == "none":
            return variables
        begun = keras.ops.convert_to_tensor(self.average_steps) > 0
        pairs = zip(self.averages, variables, strict=True)
        return [keras.ops.where(begun, average, current) for average, current in pairs]

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self._classified(inputs, training=training)

    def _classified(self, inputs, average=None, training=False):
        variables = self.discriminator.trainable_variables
        values = [keras.ops.convert_to_tensor(v) for v in self.classifier_values(average)]
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return self.discriminator(inputs, training=training)

    def evaluate(self, x: Any = None, y: Any = None, **kwargs: Any) -> Any:
        """Returns errors and metrics, as `keras.Model.evaluate`.

        Args:
            x: Images, a float array (N, H, W, C) in `image_range`, or a data set of batches
                (images, labels).
            y: With arrays, N class numbers.
            **kwargs: Arguments of `keras.Model.evaluate`, except `sample_weight`.

        Raises:
            ValueError: Images or labels are not as the model needs them, or have weights.
        """
        arrays.check_call(self, x, y, self.num_classes, kwargs)
        return super().evaluate(x, y, **kwargs)

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
            y = tf.reshape(y, [-1])
            logits = [full(self._classified(x, average)) for average in sets.values()]
            return tf.stack([tf.math.count_nonzero(losses.errors(y, each)) for each in logits])

        images, counts = 0, np.zeros(len(sets), "int64")
        for x, y in dataset:
            images += len(y)
            counts += wrong(x, y).numpy()
        return {"images": images, **{k: int(c) / images for k, c in zip(sets, counts, strict=True)}}
