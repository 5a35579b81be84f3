"""Weight normalization (Salimans & Kingma, 2016) as the original's discriminators use it."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf import keras_compat
from improved_gan_tf.layers.centered_conv_transpose import CenteredConv2DTranspose
from improved_gan_tf.layers.checks import check_shape
from improved_gan_tf.layers.data_dependent import DataDependent, check_spread
from improved_gan_tf.layers.dense import Dense

_OUTPUT_AXIS = {
    keras.layers.Dense: -1,
    Dense: -1,
    keras.layers.Conv2D: -1,
    keras.layers.Conv2DTranspose: -2,
    CenteredConv2DTranspose: -2,
}


@keras.saving.register_keras_serializable("improved_gan_tf")
class WeightNorm(DataDependent, keras.layers.Wrapper):
    """Wraps a layer so that its kernel has a trained direction and a scale of its own.

        kernel = g * v / sqrt(epsilon + sum(v^2)), the sum per output channel

    `v` is the wrapped layer's own kernel variable. The bias is added after the product with this
    kernel, and the wrapped layer's activation comes last. g is 1 at first, also where the original
    has none (D2). `initialize_from_data` sets g and the bias so that the pre-activations have mean
    0 and standard deviation `initial_stddev`.

    Args:
        layer: The `Dense` (Keras' or ours), `Conv2D`, `Conv2DTranspose` or
            `CenteredConv2DTranspose` to wrap, with the data format "channels_last" (D1).
        train_scale: Whether g is trained; False by default, as in the original's hidden layers.
        initial_stddev: The standard deviation that `initialize_from_data` sets, a float, 1.0 by
            default; None leaves the layer as it is, as the original's older `l2normalize`.
        epsilon: Added to the sum under the root, a float, 1e-6 by default; 0 in the MNIST script.

    Input: what the wrapped layer takes, with known channels. Output: what it returns.
    Raises: `ValueError` for another kind of layer or input.
    Source: mnist_svhn_cifar10/nn.py, WeightNormLayer and weight_norm; DenseLayer (epsilon=0);
    l2normalize (train_scale=True, initial_stddev=None).

    Example:
    >>> layer = WeightNorm(keras.layers.Dense(3, activation="relu"), train_scale=True)
    >>> tuple(layer(np.ones((2, 5))).shape), sorted(v.name for v in layer.trainable_variables)
    ((2, 3), ['bias', 'g', 'kernel'])
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        train_scale: bool = False,
        initial_stddev: float | None = 1.0,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ):
        super().__init__(layer, **kwargs)
        # Exact types: a subclass such as DepthwiseConv2D arranges its kernel in its own way.
        if type(layer) not in _OUTPUT_AXIS:
            raise ValueError(
                "WeightNorm wraps a Dense, Conv2D or Conv2DTranspose layer, "
                f"not {type(layer).__name__}"
            )
        self._is_dense = isinstance(layer, keras.layers.Dense)
        if not self._is_dense and layer.data_format != "channels_last":
            raise ValueError("WeightNorm needs a layer with data_format='channels_last'")
        self.train_scale = train_scale
        self.initial_stddev = initial_stddev
        self.epsilon = epsilon

    @property
    def data_dependent(self) -> bool:
        return self.initial_stddev is not None

    def build(self, input_shape: tuple) -> None:
        rank_fits = len(input_shape) >= 2 if self._is_dense else len(input_shape) == 4
        axes = "..., features" if self._is_dense else "height, width, channels"
        check_shape(
            f"WeightNorm of {type(self.layer).__name__}",
            input_shape,
            f"an input (batch, {axes}) whose last dimension is known",
            rank_fits and input_shape[-1] is not None,
        )
        super().build(input_shape)
        shape = self.layer.kernel.shape
        self._channel = _OUTPUT_AXIS[type(self.layer)] % len(shape)
        scales = {"shape": (shape[self._channel],), "trainable": self.train_scale}
        self.g = self.add_weight(name="g", initializer="ones", **scales)

    def effective_kernel(self) -> Any:
        """g * v / sqrt(epsilon + sum(v^2)), in the compute dtype (the sum in float32 at least)."""
        v = ops.convert_to_tensor(self.layer.kernel)
        dtype = keras.backend.result_type(v.dtype, "float32")
        v, g = ops.cast(v, dtype), ops.cast(self.g, dtype)
        axes = [axis for axis in range(len(v.shape)) if axis != self._channel]
        scale = g * ops.rsqrt(self.epsilon + ops.sum(ops.square(v), axis=axes))
        per_channel = [-1 if axis == self._channel else 1 for axis in range(len(v.shape))]
        return ops.cast(v * ops.reshape(scale, per_channel), self.compute_dtype)

    def call(self, inputs: Any) -> Any:
        if self.initializing:
            self.set_from_data(inputs)
        state = [(self.layer.kernel, self.effective_kernel())]
        if self.layer.use_bias:
            # An inner scope hides the outer one's values, so the bias is handed on explicitly.
            state.append((self.layer.bias, ops.convert_to_tensor(self.layer.bias)))
        with keras.StatelessScope(state_mapping=state):
            return self.layer(inputs)

    def set_from_data(self, inputs: Any) -> None:
        """g <- g s / std(t), b <- -mean(t) s / std(t), t the pre-activations without bias.

        s is `initial_stddev`; mean and population standard deviation are over all but channels.
        """
        state = [(self.layer.kernel, self.effective_kernel())]
        if self.layer.use_bias:
            state.append((self.layer.bias, ops.zeros(self.layer.bias.shape, self.compute_dtype)))
        activation, self.layer.activation = self.layer.activation, keras.activations.linear
        try:
            with keras.StatelessScope(state_mapping=state):
                t = self.layer(inputs)
        finally:
            self.layer.activation = activation
        t = ops.cast(t, keras.backend.result_type(t.dtype, "float32"))
        axes = list(range(len(t.shape) - 1))
        mean = ops.mean(t, axis=axes)
        spread = ops.sqrt(ops.mean(ops.square(t - mean), axis=axes))
        inverse = self.initial_stddev / check_spread(self, spread, mean)
        with keras_compat.variables_as_stored(self):
            self.g.assign(self.g * ops.cast(inverse, self.g.dtype))
        if self.layer.use_bias:
            with keras_compat.variables_as_stored(self.layer):
                self.layer.bias.assign(ops.cast(-mean * inverse, self.layer.bias.dtype))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        names = ("train_scale", "initial_stddev", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
