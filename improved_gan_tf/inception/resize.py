"""Bilinear resizing as TensorFlow 1 did it, bit for bit."""

import keras


@keras.saving.register_keras_serializable("improved_gan_tf")
class ResizeBilinear(keras.layers.Layer):
    """Resizes (N, H, W, C) to (N, size, size, C), float32.

    Output pixel (i, j) is the bilinear interpolation at (i H / size, j W / size), with neighbours
    beyond the border repeated: corners are not aligned, centres of pixels are not at their halves,
    and nothing is smoothed when shrinking. `tf.image.resize` and `keras.ops.image.resize` put
    centres at halves, which moves a 32 x 32 picture by 4 pixels of 299 and changes every score.

    TensorFlow's own kernel is called, hence this layer runs on TensorFlow alone.

    Args:
        size: height and width of the output.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, images):
        return resize_bilinear(images, (self.size, self.size))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "size": self.size}


def resize_bilinear(images, size):
    """(N, H, W, C), uint8 or float -> float32 (N, *size, C); see `ResizeBilinear`."""
    import tensorflow as tf

    return tf.raw_ops.ResizeBilinear(
        images=images, size=size, align_corners=False, half_pixel_centers=False
    )
