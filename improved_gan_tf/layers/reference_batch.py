"""The reference batch of virtual batch normalization: its way into a model and out of it."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("improved_gan_tf")
class ReferenceBatch(keras.layers.Layer):
    """Puts fixed rows in front of the batch: concat([reference, x]).

    The rows are drawn once, U(minval, maxval), into the non-trainable weight `reference`,
    (R, ...), which is saved with the model.

    Args:
        reference_size: R, number of rows, at least 1.
        minval, maxval: ends of the uniform distribution.

    Input: (N, ...) with known dimensions after the batch. Output: (R + N, ...).

    Raises:
        ValueError: an unknown dimension, a reference_size below 1.

    Source: imagenet/generator.py, make_z; the concatenation is ours (the original runs its network
    twice, with shared variables).
    """

    def __init__(self, reference_size, minval=-1.0, maxval=1.0, **kwargs):
        super().__init__(**kwargs)
        self.reference_size = _at_least_one(reference_size)
        self.minval = minval
        self.maxval = maxval

    def build(self, input_shape):
        if None in input_shape[1:]:
            raise ValueError(
                "ReferenceBatch needs known dimensions after the batch, "
                f"not shape {tuple(input_shape)}."
            )
        self.reference = self.add_weight(
            name="reference",
            shape=(self.reference_size, *input_shape[1:]),
            initializer=keras.initializers.RandomUniform(self.minval, self.maxval),
            trainable=False,
        )

    def call(self, inputs):
        return ops.concatenate([ops.cast(self.reference, inputs.dtype), inputs], axis=0)

    def compute_output_shape(self, input_shape):
        batch = None if input_shape[0] is None else input_shape[0] + self.reference_size
        return (batch, *input_shape[1:])

    def get_config(self):
        return {
            **super().get_config(),
            "reference_size": self.reference_size,
            "minval": self.minval,
            "maxval": self.maxval,
        }


@keras.saving.register_keras_serializable("improved_gan_tf")
class DropReference(keras.layers.Layer):
    """x[R:], the live rows of a batch that `ReferenceBatch` has enlarged.

    Args:
        reference_size: R, at least 1.

    Input: (R + N, ...). Output: (N, ...).

    Raises:
        ValueError: a batch known to have no live row, a reference_size below 1.
    """

    def __init__(self, reference_size, **kwargs):
        super().__init__(**kwargs)
        self.reference_size = _at_least_one(reference_size)

    def call(self, inputs):
        self.compute_output_shape(inputs.shape)  # refuses a batch without live rows
        return inputs[self.reference_size :]

    def compute_output_shape(self, input_shape):
        batch = input_shape[0]
        if batch is not None and batch <= self.reference_size:
            raise ValueError(
                f"DropReference needs more than its {self.reference_size} reference rows, "
                f"not a batch of {batch}."
            )
        return (None if batch is None else batch - self.reference_size, *input_shape[1:])

    def get_config(self):
        return {**super().get_config(), "reference_size": self.reference_size}


def _at_least_one(reference_size):
    if reference_size < 1:
        raise ValueError(f"reference_size must be at least 1, not {reference_size!r}.")
    return reference_size
