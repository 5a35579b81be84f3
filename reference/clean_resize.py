"""Antialiased bicubic resizing, from its definition: the oracle of `metrics.resize.clean`.

Along each axis, output pixel i is the weighted mean of the input pixels around the same place,
(i + 0.5) * scale - 0.5 with scale = input size / output size, by Keys' cubic kernel with a = -0.5.
Where the image shrinks the kernel is stretched by the scale, which smooths. Weights are those of
pixels inside the image, divided by their sum. Nothing is rounded; the result is clipped to 0..255.

R. Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
"""

import numpy as np


def cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' kernel, which is 0 from 2 on."""
    x = np.abs(x)
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def weights(given: int, wanted: int) -> np.ndarray:
    """The matrix (wanted, given) that resizes along one axis."""
    scale = given / wanted
    stretch = max(scale, 1.0)
    places = (np.arange(wanted)[:, None] + 0.5) * scale - 0.5
    found = cubic((np.arange(given) - places) / stretch)
    return found / found.sum(axis=1, keepdims=True)


def clean_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image (H, W, C) as float64 (height, width, C)."""
    image = np.asarray(image, np.float64)
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.einsum("ih,jw,hwc->ijc", rows, columns, image, optimize=True).clip(0, 255)
