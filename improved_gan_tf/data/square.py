"""The largest square in a picture's middle, resized: by Pillow and by TensorFlow, alike.

Of a picture of height h and width w the square has the side s = min(h, w) and begins at row
(h - s + 1) // 2 and column (w - s + 1) // 2. It is resized to the wanted side with the triangle
filter ("bilinear"), widened by the factor of a reduction so that nothing aliases. Pillow rounds to
bytes and TensorFlow does not; otherwise they differ by less than 1 of 255.

Source: the ImageNet code's center_crop, which takes the whole shorter side, rounds halves up and
resizes by scipy.misc.imresize, that is, by Pillow with this filter.
"""

from __future__ import annotations

from improved_gan_tf.errors import UserError


def checked_size(image_size) -> int | None:
    """`image_size` if it is None or a whole number from 1.

    Raises:
        UserError: it is something else.
    """
    if image_size is None:
        return None
    if isinstance(image_size, bool) or int(image_size) != image_size or image_size < 1:
        raise UserError(f"image size {image_size} given; expected a whole number, 1 or more.")
    return int(image_size)


def square_picture(picture, size: int):
    """The middle square of a Pillow picture, `size` x `size`."""
    from PIL import Image

    width, height = picture.size
    side = min(width, height)
    left, top = (width - side + 1) // 2, (height - side + 1) // 2
    # Cropped first: resize(box=...) would let pixels beside the square into its edges.
    picture = picture.crop((left, top, left + side, top + side))
    return picture.resize((size, size), Image.Resampling.BILINEAR)


def square_tensor(image, size: int):
    """The middle square of an image tensor.

    Args:
        image: [H, W, C] of any number type; H and W may be unknown until it runs.
        size: the side wanted.

    Returns:
        [size, size, C] float32, within the range of `image`.
    """
    import tensorflow as tf

    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side + 1) // 2, (width - side + 1) // 2
    square = tf.cast(image[top : top + side, left : left + side], tf.float32)

    def resized():
        return tf.image.resize(square, (size, size), "bilinear", antialias=True)

    square = tf.cond(tf.equal(side, size), lambda: square, resized)
    return tf.ensure_shape(square, (size, size, image.shape[-1]))
