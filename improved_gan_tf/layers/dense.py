"""Keras' dense layer with a choice of its products' precision in training."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf.products import PRECISIONS, rounded_product


@keras.saving.register_keras_serializable("improved_gan_tf")
class Dense(keras.layers.Dense):
    """`keras.layers.Dense`, with `matmul_precision`.

    Args:
        units: The number of output units, an integer.
        matmul_precision: A string, "float32" (the default) or "bfloat16". With "float32" the layer
            is identical to `keras.layers.Dense`. With "bfloat16", the inputs of each matrix
            multiplication of the forward and backward pass are rounded to bfloat16 during training
            and accumulated in float32 (see `products.rounded_product`); weights, activations and
            inference stay in float32. It has no effect if the compute dtype is not float32.
        **kwargs: Arguments of `keras.layers.Dense`.

    Input: (N, ..., K). Output: (N, ..., units).
    Raises: `ValueError` for another precision.

    Example:
    >>> layer, x = Dense(3, matmul_precision="bfloat16"), np.random.rand(2, 50).astype("float32")
    >>> exact, fast = layer(x), layer(x, training=True)
    >>> 0 < float(np.abs(exact - fast).max()) < 0.02
    True
    """

    def __init__(self, units: int, matmul_precision: str = "float32", **kwargs: Any):
        super().__init__(units, **kwargs)
        if matmul_precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise ValueError(f"matmul_precision must be one of {known}, not {matmul_precision!r}")
        self.matmul_precision = matmul_precision

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training or self.matmul_precision == "float32" or self.compute_dtype != "float32":
            return super().call(inputs, training=training)
        kernel = ops.copy(self.kernel)  # a tensor: a product's gradients are not of variables
        x = rounded_product(ops.reshape(inputs, (-1, kernel.shape[0])), kernel)
        x = ops.reshape(x, (-1, *ops.shape(inputs)[1:-1], self.units))
        if self.use_bias:
            x = ops.add(x, self.bias)
        return x if self.activation is None else self.activation(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "matmul_precision": self.matmul_precision}
