"""Pixel values to the range that a recipe trains in, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from improved_gan_tf.errors import UserError

# name: (offset, divisor), of pixels in 0..255.
_AFFINE = {"unit": (0.0, 255.0), "cifar10": (127.5, 128.0), "symmetric": (127.5, 127.5)}
_ALIASES = {"svhn": "symmetric"}
NAMES = tuple(_AFFINE)


@dataclass(frozen=True)
class Scaling:
    """The affine map of stored pixels, 0..maximum, to floats.

    With p = pixel * 255 / maximum: "unit" p / 255 in [0, 1]; "cifar10" (p - 127.5) / 128;
    "symmetric" (p - 127.5) / 127.5 in [-1, 1].

    Args:
        name: "unit", "cifar10" or "symmetric" (also called "svhn"), by default "unit".
        maximum: The largest value a stored pixel can have, by default 255 (16 for digits, 1 for
            floats).

    Raises:
        UserError: Unknown name.

    Example:

    >>> scaling = improved_gan_tf.data.Scaling("symmetric")
    >>> scaling.scale([0, 255]), scaling.range
    (array([-1.,  1.], dtype=float32), (-1.0, 1.0))

    Source: train_mnist_feature_matching.py, cifar10_data.py, svhn_data.py.
    """

    name: str = "unit"
    maximum: float = 255.0

    def __post_init__(self):
        object.__setattr__(self, "name", _ALIASES.get(self.name, self.name))
        if self.name not in _AFFINE:
            raise UserError(f"unknown scaling {self.name!r}; choose one of {', '.join(NAMES)}")

    @property
    def range(self) -> tuple[float, float]:
        """The values of a black and of a full pixel."""
        offset, divisor = _AFFINE[self.name]
        return (0.0 - offset) / divisor, (255.0 - offset) / divisor

    def apply(self, x: Any) -> Any:
        """Scales float32 pixels; only operators, so that arrays and tensors give equal bits."""
        if self.name == "unit":  # one division: exactly the original's x / 255
            return x / np.float32(self.maximum)
        offset, divisor = _AFFINE[self.name]
        if self.maximum != 255.0:
            x = x * np.float32(255.0 / self.maximum)
        return (x - np.float32(offset)) / np.float32(divisor)

    def scale(self, images: Any) -> np.ndarray:
        """Stored pixels, any shape, to scaled float32."""
        return self.apply(np.asarray(images).astype(np.float32))

    def unscale(self, images: Any) -> np.ndarray:
        """Scaled floats, any shape, to uint8 pixels 0..255, rounded and clipped.

        The inverse of `scale` for 8-bit data; other data comes back stretched to 0..255.
        """
        offset, divisor = _AFFINE[self.name]
        pixels = np.asarray(images, np.float32) * np.float32(divisor) + np.float32(offset)
        return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
