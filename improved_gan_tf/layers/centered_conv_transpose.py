"""The transposed convolution with the same padding on both sides."""

from typing import Any

import keras
from keras import ops

from improved_gan_tf.layers.checks import check_shape


@keras.saving.register_keras_serializable("improved_gan_tf")
class CenteredConv2DTranspose(keras.layers.Conv2DTranspose):
    """Upsamples by exactly `strides`, the kernel centered: output[s p + a - k // 2] += x[p] w[a].

    Keras' padding="same" puts the smaller half of the padding first (for a 5x5 kernel with stride 2
    one pixel above and two below); the original pads k // 2 on both sides, which shifts the image
    by one pixel (D1). This layer computes the full ("valid") result and keeps the s H rows and s W
    columns that start at k // 2, before the bias and the activation.

    Args:
        filters: The number of output channels, an integer.
        kernel_size: k, an odd integer or a pair of them.
        strides: s, an integer smaller than k, or a pair of them.
        **kwargs: Arguments of `keras.layers.Conv2DTranspose`; `padding`, `output_padding`,
            `dilation_rate` and `data_format` keep their defaults.

    Input: (N, H, W, C), channels last. Output: (N, s H, s W, filters).
    Raises: `ValueError` for another argument or input.
    Source: mnist_svhn_cifar10/nn.py, Deconv2DLayer. Its kernel is spatially flipped against ours.

    Example:
    >>> tuple(CenteredConv2DTranspose(3, 5, 2)(np.ones((1, 4, 6, 2))).shape)
    (1, 8, 12, 3)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, int],
        strides: int | tuple[int, int],
        **kwargs: Any,
    ):
        super().__init__(filters, kernel_size, strides, **kwargs)
        fixed = (self.padding, self.output_padding, self.dilation_rate, self.data_format)
        if fixed != ("valid", None, (1, 1), "channels_last"):
            raise ValueError(
                "CenteredConv2DTranspose has its own padding and takes no padding, output_padding, "
                f"dilation_rate or data_format other than the defaults, not {fixed}"
            )
        pairs = zip(self.kernel_size, self.strides, strict=True)
        if any(k % 2 == 0 or s >= k for k, s in pairs):
            raise ValueError(
                "CenteredConv2DTranspose needs an odd kernel_size and strides smaller than it, "
                f"not {self.kernel_size} and {self.strides}"
            )

    def build(self, input_shape: tuple) -> None:
        expected = "an input (batch, height, width, channels) with known channels"
        holds = len(input_shape) == 4 and input_shape[-1] is not None
        check_shape("CenteredConv2DTranspose", input_shape, expected, holds)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        settings = {"padding": "valid", "data_format": "channels_last"}
        x = ops.conv_transpose(inputs, self.kernel, strides=self.strides, **settings)
        top, left = (k // 2 for k in self.kernel_size)
        # Not x[:, top:...]: TensorFlow's gradient of that takes three times as long.
        x = ops.slice(x, (0, top, left, 0), self.compute_output_shape(ops.shape(inputs)))
        if self.use_bias:
            x = x + self.bias
        return self.activation(x)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, _ = input_shape
        rows = None if height is None else height * self.strides[0]
        columns = None if width is None else width * self.strides[1]
        return (batch, rows, columns, self.filters)
