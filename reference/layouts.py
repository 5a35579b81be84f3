"""Conversion of the original's layouts to Keras': channels last, kernels (H, W, in, out) (D1).

The recordings have the original's layouts: images NCHW, convolution kernels (out, in, H, W),
transposed convolution kernels (in, out, H, W), stored flipped.
"""

import numpy as np


def images(x):
    """NCHW -> NHWC; two-dimensional arrays are returned as they are."""
    return np.transpose(x, (0, 2, 3, 1)) if x.ndim == 4 else x


def convolution_kernel(w):
    """(out, in, H, W) -> (H, W, in, out)."""
    return np.transpose(w, (2, 3, 1, 0))


def deconvolution_kernel(w):
    """(in, out, H, W) -> (H, W, out, in), rotated by 180 degrees.

    The original's layer is the gradient of a *true* convolution, whose kernel is flipped; Keras'
    Conv2DTranspose is the gradient of a cross-correlation.
    """
    return np.transpose(w[:, :, ::-1, ::-1], (2, 3, 1, 0))


def pointwise_kernel(w):
    """(in, out) of the original's 1x1 NINLayer -> (1, 1, in, out)."""
    return w[None, None]


def channels_first_rows(shape):
    """Indices that reorder a flattened (C, H, W) array to the same array flattened as (H, W, C).

    `w[channels_first_rows((C, H, W))]` reorders a (C*H*W, ...) kernel after the original's flatten
    for ours, and `w[..., channels_first_rows((C, H, W))]` one before the original's reshape.
    """
    return np.transpose(np.arange(np.prod(shape)).reshape(shape), (1, 2, 0)).ravel()
