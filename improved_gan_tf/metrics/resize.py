"""How an image comes to an extractor's size: a choice on which every figure depends.

* `legacy`: bilinear as TensorFlow 1 did it, without smoothing; the published figures need it.
* `clean`: bicubic and antialiased, in float32 by channel, then clipped to 0..255; what clean-fid
  (Parmar, Zhang and Zhu, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", 2022)
  does in its mode "clean". Equal to it to the last bit.
* `antialiased`: bilinear and antialiased, which `tf.image.resize` computes.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception.resize import resize_bilinear

Size = tuple[int, int]


def legacy(image: np.ndarray, size: Size) -> np.ndarray:
    """An image (H, W, C), uint8 or float, in float32 (*size, C), as TensorFlow 1 resized."""
    return resize_bilinear(image[None], size).numpy()[0]


def clean(image: np.ndarray, size: Size) -> np.ndarray:
    """The same as clean-fid resizes: Pillow's bicubic filter, on float32 channels, not rounded."""
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(channel, np.float32)).resize(
                size[::-1], Image.Resampling.BICUBIC
            )
        )
        for channel in np.moveaxis(image, 2, 0)
    ]
    return np.stack(channels, axis=2).clip(0, 255)


def antialiased(image: np.ndarray, size: Size) -> np.ndarray:
    """The same by the antialiased bilinear filter of `tf.image.resize`."""
    return tf.image.resize(image, size, antialias=True).numpy()


RESIZES: dict[str, Callable[[np.ndarray, Size], np.ndarray]] = {
    "legacy": legacy,
    "clean": clean,
    "antialiased": antialiased,
}
"""The ways by name."""


def resize_of(name: str) -> Callable[[np.ndarray, Size], np.ndarray]:
    """The function of that name; `UserError` if there is none."""
    if name not in RESIZES:
        raise UserError(f"there is no resize {name!r}; choose from {', '.join(RESIZES)}")
    return RESIZES[name]


def stated(name: str, size: tuple[int | None, int | None]) -> str:
    """What a protocol says of it, e.g. "legacy to 299 x 299"; "none" where no size is asked for."""
    return "none" if None in size else f"{name} to {size[0]} x {size[1]}"
