"""The reference batch of virtual batch normalization: its way into a model and out of it."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf.layers.checks import check_at_least, check_shape


@keras.saving.register_keras_serializable("improved_gan_tf")
class ReferenceBatch(keras.layers.Layer):
    """Puts fixed examples in front of the batch: concat([reference, x]).

    They are drawn once, U(minval, maxval), into a non-trainable weight `reference` (R, ...), which
    is saved with the model. The original runs its network twice instead (D20).

    Args:
        reference_size: R, the number of reference examples, an integer from 1.
        minval: The lower end of the uniform distribution, -1.0 by default.
        maxval: Its upper end, 1.0 by default.

    Input: (N, ...) with known dimensions after the batch. Output: (R + N, ...).
    Raises: `ValueError` for a `reference_size` below 1 or an unknown dimension.
    Source: imagenet/generator.py, make_z.

    Example:
    >>> enlarged = ReferenceBatch(16)(np.ones((2, 100)))
    >>> tuple(enlarged.shape), tuple(DropReference(16)(enlarged).shape)
    ((18, 100), (2, 100))
    """

    def __init__(
        self, reference_size: int, minval: float = -1.0, maxval: float = 1.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        check_at_least(1, reference_size=reference_size)
        self.reference_size = reference_size
        self.minval = minval
        self.maxval = maxval

    def build(self, input_shape: tuple) -> None:
        expected, holds = "known dimensions after the batch", None not in input_shape[1:]
        check_shape("ReferenceBatch", input_shape, expected, holds)
        self.reference = self.add_weight(
            name="reference",
            shape=(self.reference_size, *input_shape[1:]),
            initializer=keras.initializers.RandomUniform(self.minval, self.maxval),
            trainable=False,
        )

    def call(self, inputs: Any) -> Any:
        return ops.concatenate([ops.cast(self.reference, inputs.dtype), inputs], axis=0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch = None if input_shape[0] is None else input_shape[0] + self.reference_size
        return (batch, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        names = ("reference_size", "minval", "maxval")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("improved_gan_tf")
class DropReference(keras.layers.Layer):
    """x[R:], the live examples of a batch that `ReferenceBatch` has enlarged.

    Args:
        reference_size: R, the number of reference examples, an integer from 1.

    Input: (R + N, ...), N >= 1. Output: (N, ...).
    Raises: `ValueError` for a `reference_size` below 1 or a batch without live examples.
    """

    def __init__(self, reference_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        check_at_least(1, reference_size=reference_size)
        self.reference_size = reference_size

    def call(self, inputs: Any) -> Any:
        self.compute_output_shape(inputs.shape)  # refuses a batch without live examples
        return inputs[self.reference_size :]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, expected = input_shape[0], f"more than its {self.reference_size} reference examples"
        holds = batch is None or batch > self.reference_size
        check_shape("DropReference", input_shape, expected, holds)
        return (None if batch is None else batch - self.reference_size, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reference_size": self.reference_size}
