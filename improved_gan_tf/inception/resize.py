"""Bilinear resizing as TensorFlow 1 did it, bit for bit."""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("improved_gan_tf")
class ResizeBilinear(keras.layers.Layer):
    """Resizes images bilinearly to a square, as TensorFlow 1 did.

    Output pixel (i, j) is the bilinear interpolation at (i H / size, j W / size), where pixels
    beyond the border repeat those at the border: corners are not aligned, pixel centers are not at
    half coordinates, and nothing is smoothed when an image shrinks. `tf.image.resize` and
    `keras.ops.image.resize` put centers at half coordinates, which moves a 32 x 32 image by 4
    pixels of 299 and changes every score.

    The layer calls TensorFlow's own kernel, and therefore runs on the TensorFlow backend only.

    Args:
        size: The height and width of the output, in pixels.

    Input shape: (N, H, W, C), uint8 or float. Output shape: (N, size, size, C), float32.
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = size

    def call(self, images: Any) -> Any:
        return resize_bilinear(images, (self.size, self.size))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


def resize_bilinear(images: Any, size: tuple[int, int]) -> Any:
    """Resizes (N, H, W, C), uint8 or float, to float32 (N, *size, C) as `ResizeBilinear` does."""
    return tf.raw_ops.ResizeBilinear(
        images=images, size=size, align_corners=False, half_pixel_centers=False
    )
