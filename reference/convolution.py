"""The networks' linear maps in Keras' layouts (D1), and their gradients.

Images are NHWC, kernels (H, W, in, out), kernels of transposed convolutions (H, W, out, in).
A convolution is the sum over kernel offsets (a, b) of a strided slice times a matrix. Each function
below is written that way: as many small matrix products as the kernel has pixels.
"""

import numpy as np


def _slices(offset, stride, count):
    return slice(offset, offset + stride * (count - 1) + 1, stride)


def conv2d(x, kernel, stride=1, pad=0):
    """Cross-correlation with `pad` rows and columns of zeros on all four sides.

        y[n, p, q, k] = sum_{a, b, c} xpad[n, s p + a, s q + b, c] kernel[a, b, c, k]

    Args:
        x: Images, (N, H, W, C).
        kernel: (A, B, C, K).
        stride: The stride s in both directions.
        pad: The number of zeros on each side. With stride 2, Keras' "same" pads an even-sized
            image only at the right and bottom; the original pads both sides.

    Returns:
        (N, 1 + (H + 2 pad - A) // s, 1 + (W + 2 pad - B) // s, K).
    """
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height = 1 + (padded.shape[1] - kernel.shape[0]) // stride
    width = 1 + (padded.shape[2] - kernel.shape[1]) // stride
    y = np.zeros((x.shape[0], height, width, kernel.shape[3]))
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            y += padded[:, _slices(a, stride, height), _slices(b, stride, width)] @ kernel[a, b]
    return y


def conv2d_gradients(x, kernel, upstream, stride=1, pad=0):
    """Gradients of sum(conv2d(x, kernel) * upstream) with respect to x and kernel."""
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height, width = upstream.shape[1:3]
    x_gradient, kernel_gradient = np.zeros(padded.shape), np.zeros(kernel.shape)
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            window = (slice(None), _slices(a, stride, height), _slices(b, stride, width))
            x_gradient[window] += upstream @ kernel[a, b].T
            kernel_gradient[a, b] = np.einsum("npqc,npqk->ck", padded[window], upstream)
    inside = slice(pad, pad + x.shape[1]), slice(pad, pad + x.shape[2])
    return x_gradient[:, inside[0], inside[1]], kernel_gradient


def same_padding(size, kernel, stride):
    """The numbers of zeros before and after an axis for an output of ceil(size / stride).

    This is TensorFlow's "SAME" and Keras' "same": of an odd total, the extra zero is at the end.
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def conv2d_same(x, kernel, stride=1):
    """Cross-correlation with `same_padding` (imagenet/ops.py, conv2d); arguments as `conv2d`."""
    pads = [same_padding(n, k, stride) for n, k in zip(x.shape[1:3], kernel.shape, strict=False)]
    return conv2d(np.pad(x, ((0, 0), *pads, (0, 0))), kernel, stride)


def conv2d_transpose_same(x, kernel, size, stride=2):
    """The adjoint of `conv2d_same` on an image of `size` (H, W) (imagenet/ops.py, deconv2d).

    Each entry of x adds its multiple of the kernel to the padded image; then the padding is cut.
    x: (N, ceil(H / s), ceil(W / s), C); kernel: (A, B, K, C).
    """
    rows, columns = x.shape[1:3]
    pads = [same_padding(n, k, stride) for n, k in zip(size, kernel.shape, strict=False)]
    full = np.zeros(
        (len(x), *(n + sum(p) for n, p in zip(size, pads, strict=True)), kernel.shape[2])
    )
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            full[:, _slices(a, stride, rows), _slices(b, stride, columns)] += x @ kernel[a, b].T
    (top, _), (left, _) = pads
    return full[:, top : top + size[0], left : left + size[1]]


def conv2d_transpose(x, kernel, stride=2, pad=2):
    """The adjoint of a strided convolution, giving exactly stride * (H, W).

        y[n, s p + a - pad, s q + b - pad, k] += sum_c x[n, p, q, c] kernel[a, b, k, c]

    Targets outside the image are dropped. With 5x5, stride 2 and pad 2 this is the original's
    Deconv2DLayer, whose kernel is stored flipped (see `layouts.deconvolution_kernel`). Keras'
    "same" corresponds to pad 1 here: it cuts one row at the top and two at the bottom.

    Args:
        x: Images, (N, H, W, C).
        kernel: (A, B, K, C).
        stride: The stride s in both directions.
        pad: How many rows and columns are cut off at the top and left.

    Returns:
        (N, s H, s W, K).
    """
    rows, columns = x.shape[1:3]
    full = np.zeros(
        (
            x.shape[0],
            pad + stride * rows + kernel.shape[0],
            pad + stride * columns + kernel.shape[1],
            kernel.shape[2],
        )
    )
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            full[:, _slices(a, stride, rows), _slices(b, stride, columns)] += x @ kernel[a, b].T
    return full[:, pad : pad + stride * rows, pad : pad + stride * columns]


def conv2d_transpose_gradients(x, kernel, upstream, stride=2, pad=2):
    """Gradients of sum(conv2d_transpose(x, kernel) * upstream) with respect to x and kernel."""
    rows, columns = x.shape[1:3]
    padded = np.pad(upstream, ((0, 0), (pad, kernel.shape[0]), (pad, kernel.shape[1]), (0, 0)))
    x_gradient, kernel_gradient = np.zeros(x.shape), np.zeros(kernel.shape)
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            window = padded[:, _slices(a, stride, rows), _slices(b, stride, columns)]
            x_gradient += window @ kernel[a, b]
            kernel_gradient[a, b] = np.einsum("npqk,npqc->kc", window, x)
    return x_gradient, kernel_gradient


class Dense:
    """y = x @ kernel with x (..., in), kernel (in, out); also the original's 1x1 NINLayer."""

    output_axis = -1

    def forward(self, x, kernel):
        return x @ kernel

    def gradients(self, x, kernel, upstream):
        flat = x.reshape(-1, x.shape[-1])
        return upstream @ kernel.T, flat.T @ upstream.reshape(-1, upstream.shape[-1])


class Convolution:
    """`conv2d` with a fixed stride and padding."""

    output_axis = -1

    def __init__(self, stride=1, pad=0):
        self.stride, self.pad = stride, pad

    def forward(self, x, kernel):
        return conv2d(x, kernel, self.stride, self.pad)

    def gradients(self, x, kernel, upstream):
        return conv2d_gradients(x, kernel, upstream, self.stride, self.pad)


class TransposedConvolution:
    """`conv2d_transpose` with a fixed stride and padding."""

    output_axis = -2

    def __init__(self, stride=2, pad=2):
        self.stride, self.pad = stride, pad

    def forward(self, x, kernel):
        return conv2d_transpose(x, kernel, self.stride, self.pad)

    def gradients(self, x, kernel, upstream):
        return conv2d_transpose_gradients(x, kernel, upstream, self.stride, self.pad)
