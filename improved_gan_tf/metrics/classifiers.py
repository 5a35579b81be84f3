"""Feature extractors: the base class, and the Inception network."""

import functools
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf.data.pictures import with_channels
from improved_gan_tf.inception import network
from improved_gan_tf.inception.weights import Weights, load_weights
from improved_gan_tf.metrics import spatial
from improved_gan_tf.metrics.resize import resize_of, stated

_INCEPTION_SIZE = (network.IMAGE_SIZE,) * 2
_LARGE = 299 * 299 * 4  # pixels from which an image is smaller once it is resized (float32)


class Classifier:
    """Base class of the feature extractors that `evaluate` can use, such as `Inception`.

    Attributes:
        name: String for the protocol.
        digest: String that differs between classifiers.
        resized: String for the protocol, how images come to its size, e.g. "legacy to 299 x 299".
        classifies: Whether it gives logits, which the Inception score needs.
        clip: Whether its features are CLIP's embeddings of images, which CMMD compares.
        channels: 1 or 3, the channels of its images.
        num_classes: Integer, the columns of the logits; None if unknown before the first call.
        num_features: Integer, the columns of the features; None without (no FID, no KID).
        num_spatial: Integer, the columns of the spatial features; None without (no sFID).
        model: Keras model of the images that gives a dictionary with "logits", for use in a graph;
            None if there is none.
    """

    name: str = ""
    digest: Any = ""
    resized: str = ""
    classifies: bool = True
    clip: bool = False
    channels: int = 3
    num_classes: int | None = None
    num_features: int | None = None
    num_spatial: int | None = None
    model: Any = None

    def load(self) -> None:
        """Reads what it has not read yet, such as weights, so that their absence is known now."""

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """One image (H, W, 1 or 3) in the classifier's channels. Called by several threads."""
        return with_channels(image, self.channels)

    def resize(self, image: np.ndarray) -> np.ndarray:
        """One prepared image at the classifier's own size, float32."""
        raise NotImplementedError

    def stack(self, images: list[np.ndarray]) -> np.ndarray:
        """Prepared images as one batch; those of several sizes are resized first."""
        if len({image.shape for image in images}) > 1:
            images = [self.resize(image) for image in images]
        return np.stack(images)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """(features (N, F) or None, logits (N, K) or None), float32, of a batch from `stack`."""
        raise NotImplementedError

    def with_spatial(self, images: np.ndarray) -> tuple[Any, Any, Any]:
        """The same and the spatial features (N, S), where `num_spatial` says that there are any."""
        raise NotImplementedError


class Inception(Classifier):
    """The network of inception-2015-12-05, whose scores are the published ones.

    Features are `pool_3`, 2,048 numbers; logits are the original program's, 1,008 without bias;
    spatial features, 2,023, are guided diffusion's (`spatial.py`). Images of any size are resized
    as TensorFlow 1 did, or as clean-fid does. The weights are found and read when they are first
    needed, or by `load`.

    Args:
        weights: `inception.Weights`, or the path of a file of them. None (default) finds the
            published ones or downloads them once (`inception.load_weights`).
        check: Whether to refuse a file that is not a published one. Defaults to True.
        fingerprint: String, the fingerprint that the file's arrays must have, in place of being
            published. Defaults to None.
        resize: "legacy" (default), as the published figures had it; "clean", whose figures compare
            with clean-fid's alone; "antialiased".

    Example:

    >>> from improved_gan_tf import inception
    >>> network = Inception(inception.random_weights(0))  # no download: scores mean nothing
    >>> network.name, network.num_features
    ('inception-2015-12-05', 2048)
    """

    name = "inception-2015-12-05"
    num_classes = network.NUM_CLASSES
    num_features = network.NUM_FEATURES
    num_spatial = spatial.NUM_SPATIAL

    def __init__(
        self,
        weights: Weights | str | os.PathLike | None = None,
        check: bool = True,
        fingerprint: str | None = None,
        resize: str = "legacy",
    ):
        self._weights, self._checks = weights, (check, fingerprint)
        self._resize, self._inside = resize_of(resize), resize == "legacy"
        self.resized = stated(resize, _INCEPTION_SIZE)

    @functools.cached_property
    def _loaded(self) -> tuple[str, Any, Any]:
        weights, self._weights = self._weights, None  # 90 MB that the model holds from now on
        if not isinstance(weights, Weights):
            weights = load_weights(weights, *self._checks)
        model = network.build_network(weights)
        activations = model.get_layer(spatial.LAYER).output
        wanted = {**model.output, "spatial": activations[..., : spatial.CHANNELS]}
        whole = keras.Model(model.input, wanted)
        function = tf.function(
            lambda images: whole(images, training=False),
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
            autograph=False,
        )
        return weights.digest, model, function

    def load(self) -> None:
        _ = self._loaded

    @property
    def digest(self) -> str:
        return self._loaded[0]

    @property
    def model(self) -> keras.Model | None:
        return self._loaded[1] if self._inside else None  # which resizes as TensorFlow 1 did

    def prepare(self, image: np.ndarray) -> np.ndarray:
        image = super().prepare(image)
        whole = self._inside and image.shape[0] * image.shape[1] <= _LARGE
        return image if whole else self.resize(image)

    def resize(self, image: np.ndarray) -> np.ndarray:
        return self._resize(image, _INCEPTION_SIZE)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        return self.with_spatial(images)[:2]

    def with_spatial(self, images: np.ndarray) -> tuple[Any, Any, Any]:
        if not self._inside and images.shape[1:3] != _INCEPTION_SIZE:
            images = np.stack([self.resize(image) for image in images])
        found = self._loaded[2](np.asarray(images, np.float32))
        features, logits, places = (found[k].numpy() for k in ("pool_3", "logits", "spatial"))
        return features, logits, spatial.spatial_features(places)
