"""Virtual batch normalization (section 3.5)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("improved_gan_tf")
class VirtualBatchNorm(keras.layers.Layer):
    """Normalises every example by itself and a fixed reference batch.

    The input holds the n reference rows first, the live rows after them. With m0 and s0 the means
    of r and of r^2 over the reference rows r (and over height and width), c = 1 / (n + 1) and E_i
    the mean over height and width of live row x_i:

        y(x; m, s) = gamma (x - m) / sqrt(epsilon + s - m^2) + beta
        reference row r_i: y(r_i; m0, s0)
        live row x_i:      y(x_i; c E_i[x_i] + (1 - c) m0, c E_i[x_i^2] + (1 - c) s0)

    So a live row depends on no other live row. Gradients flow through m0 and s0. Statistics are
    computed in float32 at least.

    Args:
        reference_size: number of reference rows, at least 1 (2 with `half`).
        epsilon: inside the square root.
        gain: "linear", the weight is gamma, N(1, .02) at first; "exp", it is gamma_driver,
            N(0, .02), and gamma = exp(gamma_driver).
        per_pixel: no means over height and width: every pixel has its own statistics, gain and
            beta.
        half: 1 or 2: only the first or second reference_size // 2 reference rows make m0 and s0
            (and are the n of c); None: all.
        frozen: m0 and s0 are weights (`reference_mean`, `reference_mean_square`), and all rows of
            the input are live. Set by `freeze_reference`.

    Input: (N,), (N, C) or (N, H, W, C), reference rows included. Output: the same shape.

    Raises:
        ValueError: another rank, unknown channels (`per_pixel`: an unknown dimension), no live
            row, an argument out of its range.

    Source: imagenet/model.py, VBN (gain "linear"), VBNL (gain "exp"), VBNLP (with `per_pixel`).
    """

    def __init__(
        self,
        reference_size,
        epsilon=1e-5,
        gain="linear",
        per_pixel=False,
        half=None,
        frozen=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if gain not in ("linear", "exp"):
            raise ValueError(f'gain must be "linear" or "exp", not {gain!r}.')
        if half not in (None, 1, 2):
            raise ValueError(f"half must be None, 1 or 2, not {half!r}.")
        least = 1 if half is None else 2
        if reference_size < least:
            raise ValueError(f"reference_size must be at least {least}, not {reference_size!r}.")
        self.reference_size = reference_size
        self.epsilon = epsilon
        self.gain = gain
        self.per_pixel = per_pixel
        self.half = half
        self.frozen = frozen
        self._observer = None  # is given the input of each call; see `freeze_reference`

    def _check(self, shape):
        """The shape itself, if it is one of an input of this layer."""
        if len(shape) not in (1, 2, 4):
            raise ValueError(
                "VirtualBatchNorm needs an input (batch,), (batch, features) or (batch, height, "
                f"width, channels), not shape {tuple(shape)}."
            )
        needed = shape[1:] if self.per_pixel else shape[1:][-1:]
        if None in needed:
            raise ValueError(
                f"VirtualBatchNorm needs known {'dimensions' if self.per_pixel else 'channels'} "
                f"after the batch, not shape {tuple(shape)}."
            )
        rows = 0 if self.frozen else self.reference_size
        if shape[0] is not None and shape[0] <= rows:
            raise ValueError(
                f"VirtualBatchNorm needs at least one live row after its {rows} reference rows, "
                f"not a batch of {shape[0]}."
            )
        return shape

    def build(self, input_shape):
        features = tuple(self._check(input_shape)[1:]) or (1,)
        shape = features if self.per_pixel else features[-1:]
        # Without autocast: their digits are needed in mixed precision too.
        common = {"shape": shape, "autocast": False}
        normal = keras.initializers.RandomNormal
        if self.gain == "exp":
            self.gamma_driver = self.add_weight(
                name="gamma_driver", initializer=normal(0.0, 0.02), **common
            )
        else:
            self.gamma = self.add_weight(name="gamma", initializer=normal(1.0, 0.02), **common)
        self.beta = self.add_weight(name="beta", initializer="zeros", **common)
        self._statistics_shape = shape
        if self.frozen:
            common["dtype"] = keras.backend.result_type(self.variable_dtype, "float32")
            common["trainable"] = False
            self.reference_mean = self.add_weight(
                name="reference_mean", initializer="zeros", **common
            )
            self.reference_mean_square = self.add_weight(
                name="reference_mean_square", initializer="ones", **common
            )

    def _means(self, x):
        """E_i[x_i] and E_i[x_i^2] of each row, over height and width unless `per_pixel`."""
        square = ops.square(x)
        if self.per_pixel or len(x.shape) == 2:
            return x, square
        return ops.mean(x, axis=(1, 2), keepdims=True), ops.mean(square, axis=(1, 2), keepdims=True)

    def _reference_means(self, means):
        """The mean over the counted reference rows, of the shape of the weights."""
        count = self._count()
        first = count if self.half == 2 else 0
        mean = ops.mean(means[first : first + count], axis=0)
        return ops.reshape(mean, self._statistics_shape)

    def _count(self):
        return self.reference_size if self.half is None else self.reference_size // 2

    def freeze_reference(self, reference):
        """A frozen copy: the statistics of `reference` are weights, and all its rows are live.

        A copy, because a function traced before would keep to the layer as it was.

        Args:
            reference: this layer's input at the reference rows, float (reference_size, ...).

        Returns:
            A built `VirtualBatchNorm` of the same name, weights and settings.

        Raises:
            ValueError: a layer that is frozen already or has no weights yet, another number of
                rows.
        """
        if self.frozen or not self.built:
            state = "frozen already" if self.frozen else "not built: call it first"
            raise ValueError(f"{self.name} cannot be frozen; it is {state}.")
        if len(reference) != self.reference_size:
            raise ValueError(
                f"{self.name} has {self.reference_size} reference rows, not {len(reference)}."
            )
        statistics = [self._reference_means(m) for m in self._means(self._widened(reference))]
        frozen = type(self).from_config({**self.get_config(), "frozen": True})
        frozen.build((None, *reference.shape[1:]))
        frozen.set_weights([*self.get_weights(), *map(ops.convert_to_numpy, statistics)])
        return frozen

    def _widened(self, inputs):
        """The input in float32 at least, a feature axis added where there is none."""
        x = ops.convert_to_tensor(inputs)
        x = ops.cast(x, keras.backend.result_type(x.dtype, "float32"))
        return ops.expand_dims(x, -1) if len(x.shape) == 1 else x

    def call(self, inputs):
        self._check(inputs.shape)
        if self._observer is not None:
            self._observer(inputs)
        x = self._widened(inputs)
        mean, square = self._means(x)
        new = 1.0 / (self._count() + 1.0)
        if self.frozen:
            mean = new * mean + (1.0 - new) * ops.cast(self.reference_mean, x.dtype)
            square = new * square + (1.0 - new) * ops.cast(self.reference_mean_square, x.dtype)
        else:
            mean, square = (self._mixed(means, new) for means in (mean, square))
        gain = self.gamma if self.gain == "linear" else ops.exp(self.gamma_driver)
        gain, beta = ops.cast(gain, x.dtype), ops.cast(self.beta, x.dtype)
        # In float32 the difference can fall below -epsilon where a mean is large.
        variance = ops.maximum(square - ops.square(mean), 0.0)
        y = (x - mean) * (gain / ops.sqrt(self.epsilon + variance)) + beta
        return ops.cast(y[:, 0] if len(inputs.shape) == 1 else y, self.compute_dtype)

    def _mixed(self, means, new):
        """What each row is normalised by: the reference's mean, for live rows mixed with theirs."""
        reference = self._reference_means(means)
        size = self.reference_size
        fixed = ops.broadcast_to(reference, (size, *means.shape[1:]))
        return ops.concatenate([fixed, new * means[size:] + (1.0 - new) * reference], axis=0)

    def compute_output_shape(self, input_shape):
        return self._check(input_shape)

    def get_config(self):
        return {
            **super().get_config(),
            "reference_size": self.reference_size,
            "epsilon": self.epsilon,
            "gain": self.gain,
            "per_pixel": self.per_pixel,
            "half": self.half,
            "frozen": self.frozen,
        }
