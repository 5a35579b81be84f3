"""Weight normalization (Salimans & Kingma, 2016) as the original discriminators use it."""

import keras
from keras import ops

from improved_gan_tf.layers.conv_transpose import CenteredConv2DTranspose

_OUTPUT_AXIS = {
    keras.layers.Dense: -1,
    keras.layers.Conv2D: -1,
    keras.layers.Conv2DTranspose: -2,
    CenteredConv2DTranspose: -2,
}


@keras.saving.register_keras_serializable("improved_gan_tf")
class WeightNorm(keras.layers.Wrapper):
    """Wraps a layer so that its kernel is g * v / sqrt(epsilon + sum(v^2)), per output channel.

    The bias is added after that and the wrapped layer's activation applied last. `v` is the
    wrapped layer's own kernel variable.

    Args:
        layer: a `Dense`, `Conv2D` or `Conv2DTranspose`.
        train_scale: whether g is trained. The original keeps it fixed in hidden layers.
        initial_stddev: standard deviation of the pre-activations that `initialize_from_data`
            sets (paper's companion, section 3); None leaves the layer as it is there (the old
            `l2normalize`).
        epsilon: under the root; 1e-6 in nn.py's `weight_norm`, 0 in the MNIST DenseLayer.

    Raises:
        ValueError: another kind of layer, channels first; an input of a rank the layer does not
            take, or whose last dimension is unknown.

    Source: mnist_svhn_cifar10/nn.py: WeightNormLayer and weight_norm; DenseLayer (epsilon=0);
    l2normalize (train_scale=True, initial_stddev=None).
    """

    def __init__(self, layer, train_scale=False, initial_stddev=1.0, epsilon=1e-6, **kwargs):
        super().__init__(layer, **kwargs)
        # Exact types: a subclass such as DepthwiseConv2D arranges its kernel in its own way.
        if type(layer) not in _OUTPUT_AXIS:
            raise ValueError(
                "WeightNorm wraps a Dense, Conv2D or Conv2DTranspose layer, "
                f"not {type(layer).__name__}."
            )
        if getattr(layer, "data_format", "channels_last") != "channels_last":
            raise ValueError("WeightNorm needs a layer with data_format='channels_last'.")
        self.train_scale = train_scale
        self.initial_stddev = initial_stddev
        self.epsilon = epsilon
        self._initializing = False

    def build(self, input_shape):
        dense = isinstance(self.layer, keras.layers.Dense)
        rank_fits = len(input_shape) >= 2 if dense else len(input_shape) == 4
        if not rank_fits or input_shape[-1] is None:
            expected = "(batch, ..., features)" if dense else "(batch, height, width, channels)"
            raise ValueError(
                f"WeightNorm of {type(self.layer).__name__} needs an input {expected} whose last "
                f"dimension is known, not shape {tuple(input_shape)}."
            )
        super().build(input_shape)
        shape = self.layer.kernel.shape
        self._channel = _OUTPUT_AXIS[type(self.layer)] % len(shape)
        self.g = self.add_weight(
            name="g",
            shape=(shape[self._channel],),
            initializer="ones",
            trainable=self.train_scale,
        )

    def effective_kernel(self):
        """g * v / sqrt(epsilon + sum(v^2)), in the compute dtype (the sum in float32 at least)."""
        v = ops.convert_to_tensor(self.layer.kernel)
        dtype = keras.backend.result_type(v.dtype, "float32")
        v, g = ops.cast(v, dtype), ops.cast(self.g, dtype)
        axes = [axis for axis in range(len(v.shape)) if axis != self._channel]
        scale = g * ops.rsqrt(self.epsilon + ops.sum(ops.square(v), axis=axes))
        return ops.cast(v * self._per_channel(scale, len(v.shape)), self.compute_dtype)

    def _per_channel(self, values, rank):
        """`values`, one a channel, shaped to broadcast over a kernel of `rank` dimensions."""
        return ops.reshape(values, [-1 if a == self._channel else 1 for a in range(rank)])

    def call(self, inputs):
        if self._initializing:
            self._set_scale_and_bias(inputs)
        state = [(self.layer.kernel, self.effective_kernel())]
        if self.layer.use_bias:
            # An inner scope hides the outer one's values, so the bias is handed on explicitly.
            state.append((self.layer.bias, ops.convert_to_tensor(self.layer.bias)))
        with keras.StatelessScope(state_mapping=state):
            return self.layer(inputs)

    def _set_scale_and_bias(self, inputs):
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
        inverse = self.initial_stddev / ops.sqrt(ops.mean(ops.square(t - mean), axis=axes))
        self.g.assign(self.g * ops.cast(inverse, self.g.dtype))
        if self.layer.use_bias:
            self.layer.bias.assign(ops.cast(-mean * inverse, self.layer.bias.dtype))

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "train_scale": self.train_scale,
            "initial_stddev": self.initial_stddev,
            "epsilon": self.epsilon,
        }
