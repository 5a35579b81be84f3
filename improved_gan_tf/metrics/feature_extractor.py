"""An extractor that gives one vector for each image, and no class probabilities."""

import hashlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.classifiers import Classifier
from improved_gan_tf.metrics.resize import resize_of, stated


class FeatureExtractor(Classifier):
    """A Keras model of images that gives vectors, with its own resize and normalization.

    Every image is resized by itself to the model's size; then `normalize` turns the batch into the
    model's input. There are no logits, so that no Inception score can be computed.

    Args:
        model: A `keras.Model` with one input, images (N, height, width, 1 or 3) of a fixed size,
            and one output, vectors (N, F).
        name: String for the protocol.
        normalize: Function of a float32 batch with values 0..255 that returns the model's input.
            None (default) leaves it as it is.
        resize: "clean" (default), "legacy" or "antialiased"; or `(text, function)`: what a protocol
            says, and a function of an image (H, W, C) that returns float32 of the model's size.
        clip: Whether the vectors are CLIP's embeddings, which CMMD compares. Defaults to False.

    Raises:
        UserError: The model takes something else than images, or gives no vector.

    Example:

    >>> layers = [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    >>> extractor = FeatureExtractor(keras.Sequential(layers), "means", lambda x: x / 255.0)
    >>> features, logits = extractor(np.full((5, 8, 8, 3), 255, np.uint8))
    >>> features.shape, float(features[0, 0]), logits, extractor.resized
    ((5, 3), 1.0, None, 'clean to 8 x 8')
    """

    classifies = False

    def __init__(
        self,
        model: keras.Model,
        name: str,
        normalize: Callable[[np.ndarray], Any] | None = None,
        resize: str | tuple[str, Callable[[np.ndarray], np.ndarray]] = "clean",
        clip: bool = False,
    ):
        shape, output = model.inputs[0].shape, model.outputs[0].shape
        images = len(shape) == 4 and shape[3] in (1, 3) and None not in shape[1:3]
        if len(model.inputs) != 1 or not images:
            shapes = " and ".join(str(tuple(each.shape)) for each in model.inputs)
            raise UserError(
                f"{name} takes input of shape {shapes}; expected (N, height, width, 1 or 3)"
            )
        if len(model.outputs) != 1 or len(output) != 2 or output[1] is None:
            shapes = " and ".join(str(tuple(each.shape)) for each in model.outputs)
            raise UserError(f"{name} gives no vector but {shapes}; expected (N, numbers)")
        self.name, self.size, self.channels = name, tuple(shape[1:3]), shape[3]
        self.num_features = int(output[1])
        self._network, self._normalize, self.clip = model, normalize, clip
        if isinstance(resize, str):
            function, self.resized = resize_of(resize), stated(resize, self.size)
            self._resize = lambda image: function(image, self.size)
        else:
            self.resized, self._resize = resize
        self.digest = f"arrays:{_digest(model)}"

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return self.resize(super().prepare(image))

    def resize(self, image: np.ndarray) -> np.ndarray:
        return self._resize(image)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        if images.shape[1:3] != self.size:
            images = np.stack([self.resize(image) for image in images])
        given = np.array(images, np.float32)  # a copy, which `normalize` may write into
        if self._normalize is not None:
            given = self._normalize(given)
        return np.asarray(self._network.predict_on_batch(given), np.float32), None


def _digest(model: keras.Model) -> str:
    """The SHA-256 of all weights in order, as little-endian float32."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight), "<f4").tobytes())
    return digest.hexdigest()
