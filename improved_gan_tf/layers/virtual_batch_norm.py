"""Virtual batch normalization (section 3.5)."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from improved_gan_tf.layers.checks import check_at_least, check_shape


@keras.saving.register_keras_serializable("improved_gan_tf")
class VirtualBatchNorm(keras.layers.Layer):
    """Normalizes every example by itself and a fixed reference batch (section 3.5).

    The input holds the n reference examples first, the live ones after them (D20). With m0 and s0
    the means of r and of r^2 over the reference examples r (and over height and width),
    c = 1 / (n + 1) and E_i the mean over height and width of live example x_i:

        y(x; m, s) = gamma (x - m) / sqrt(epsilon + s - m^2) + beta
        reference example r_i: y(r_i; m0, s0)
        live example x_i:      y(x_i; c E_i[x_i] + (1 - c) m0, c E_i[x_i^2] + (1 - c) s0)

    So a live example depends on no other live example. Gradients flow through m0 and s0. Statistics
    are computed in float32 at least, and s - m^2 is not taken below 0 (D21).

    Args:
        reference_size: The number of reference examples, an integer from 1 (from 2 with `half`).
        epsilon: Added to the variance under the root, a float, 1e-5 by default.
        gain: "linear" (the default): the weight is gamma, N(1, 0.02) at first; or "exp": it is
            gamma_driver, N(0, 0.02) at first, and gamma = exp(gamma_driver).
        per_pixel: Whether every pixel has its own statistics, gain and beta, without means over
            height and width; False by default.
        half: 1 or 2: only the first or second reference_size // 2 reference examples make m0 and s0
            (and are the n of c). None (the default): all of them.
        frozen: Whether m0 and s0 are the weights `reference_mean` and `reference_mean_square`, and
            all examples of the input are live; False by default, set by `freeze_reference`.

    Input: (N,), (N, C) or (N, H, W, C), reference examples included. Output: the same shape.
    Raises: `ValueError` for an argument out of its range or another input.
    Source: imagenet/model.py, VBN (gain "linear"), VBNL (gain "exp"), VBNLP (with `per_pixel`).

    Example:
    >>> tuple(VirtualBatchNorm(16)(np.random.rand(18, 4, 4, 8)).shape)
    (18, 4, 4, 8)
    """

    observer: Callable[[Any], None] | None = None  # is given each input, for `freeze_reference`

    def __init__(
        self,
        reference_size: int,
        epsilon: float = 1e-5,
        gain: str = "linear",
        per_pixel: bool = False,
        half: int | None = None,
        frozen: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if gain not in ("linear", "exp"):
            raise ValueError(f'gain must be "linear" or "exp", not {gain!r}')
        if half not in (None, 1, 2):
            raise ValueError(f"half must be None, 1 or 2, not {half!r}")
        check_at_least(1 if half is None else 2, reference_size=reference_size)
        self.reference_size = reference_size
        self.epsilon = epsilon
        self.gain = gain
        self.per_pixel = per_pixel
        self.half = half
        self.frozen = frozen

    def _checked(self, shape):
        name, ranks = "VirtualBatchNorm", "(batch, features) or (batch, height, width, channels)"
        check_shape(name, shape, f"an input (batch,), {ranks}", len(shape) in (1, 2, 4))
        known = shape[1:] if self.per_pixel else shape[1:][-1:]
        expected = f"known {'dimensions' if self.per_pixel else 'channels'} after the batch"
        check_shape(name, shape, expected, None not in known)
        size = 0 if self.frozen else self.reference_size
        expected = f"at least one live example after its {size} reference examples"
        check_shape(name, shape, expected, shape[0] is None or shape[0] > size)
        return shape

    def build(self, input_shape: tuple) -> None:
        features = tuple(self._checked(input_shape)[1:]) or (1,)
        shape = features if self.per_pixel else features[-1:]

        def weight(name, start, **more):
            # Without autocast: their digits are needed in mixed precision too.
            return self.add_weight(shape, start, autocast=False, name=name, **more)

        normal = keras.initializers.RandomNormal
        if self.gain == "exp":
            self.gamma_driver = weight("gamma_driver", normal(0.0, 0.02))
        else:
            self.gamma = weight("gamma", normal(1.0, 0.02))
        self.beta = weight("beta", "zeros")
        self._statistics_shape = shape
        if self.frozen:
            dtype = keras.backend.result_type(self.variable_dtype, "float32")
            fixed = {"dtype": dtype, "trainable": False}
            self.reference_mean = weight("reference_mean", "zeros", **fixed)
            self.reference_mean_square = weight("reference_mean_square", "ones", **fixed)

    def _means(self, x):
        """E_i[x_i] and E_i[x_i^2], over height and width unless `per_pixel`."""
        square = ops.square(x)
        if self.per_pixel or len(x.shape) == 2:
            return x, square
        return ops.mean(x, axis=(1, 2), keepdims=True), ops.mean(square, axis=(1, 2), keepdims=True)

    def _reference_means(self, means):
        """The mean over the reference examples that count, of the shape of the weights."""
        count = self._count()
        first = count if self.half == 2 else 0
        mean = ops.mean(means[first : first + count], axis=0)
        return ops.reshape(mean, self._statistics_shape)

    def _count(self):
        return self.reference_size if self.half is None else self.reference_size // 2

    def freeze_reference(self, reference: Any) -> "VirtualBatchNorm":
        """Returns a frozen copy, for which the statistics of `reference` are weights.

        A copy, because a function traced before would keep to the layer as it was.

        Args:
            reference: This layer's input at the reference examples, float (reference_size, ...).
        """
        if self.frozen or not self.built:
            state = "frozen already" if self.frozen else "not built; call it first"
            raise ValueError(f"{self.name} cannot be frozen: it is {state}")
        if len(reference) != self.reference_size:
            raise ValueError(
                f"{self.name} has {self.reference_size} reference examples, not {len(reference)}"
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

    def call(self, inputs: Any) -> Any:
        self._checked(inputs.shape)
        if self.observer is not None:
            self.observer(inputs)
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
        """The means that normalize each example: the reference's, mixed with a live one's own."""
        reference = self._reference_means(means)
        size = self.reference_size
        fixed = ops.broadcast_to(reference, (size, *means.shape[1:]))
        return ops.concatenate([fixed, new * means[size:] + (1.0 - new) * reference], axis=0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self._checked(input_shape)

    def get_config(self) -> dict[str, Any]:
        names = ("reference_size", "epsilon", "gain", "per_pixel", "half", "frozen")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
