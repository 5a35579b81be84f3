"""The classifier behind the figures: Inception, or any other in its place."""

import functools
import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf.data.pictures import with_channels
from improved_gan_tf.errors import UserError
from improved_gan_tf.inception import network, published
from improved_gan_tf.inception.resize import resize_bilinear
from improved_gan_tf.inception.weights import Weights, load_weights
from improved_gan_tf.metrics import spatial

_LARGE = 299 * 299 * 4  # pixels from which an image is smaller once it is resized (float32)


class Classifier:
    """What `evaluate` needs of a classifier; the base of `Inception` and `OtherClassifier`.

    Attributes:
        name: String for the protocol.
        digest: String that differs between classifiers.
        channels: 1 or 3, the channels of its images.
        num_classes: Integer, the columns of the logits; None if unknown before the first call.
        num_features: Integer, the columns of the features; None without (no FID, no KID).
        num_spatial: Integer, the columns of the spatial features; None without (no sFID).
        model: Keras model of the images that gives a dictionary with "logits", for use in a graph;
            None if there is none.
    """

    name: str = ""
    digest: Any = ""
    channels: int = 3
    num_classes: int | None = None
    num_features: int | None = None
    num_spatial: int | None = None
    model: Any = None

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

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """(features (N, F) or None, logits (N, K)), float32, of a batch from `stack`."""
        raise NotImplementedError

    def with_spatial(self, images: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
        """The same and the spatial features (N, S), where `num_spatial` says that there are any."""
        raise NotImplementedError


class Inception(Classifier):
    """The network of inception-2015-12-05, whose scores are the published ones.

    Features are `pool_3`, 2,048 numbers; logits are the original program's, 1,008 without bias;
    spatial features, 2,023, are guided diffusion's (`spatial.py`).
    Images of any size are resized as TensorFlow 1 did. The weights are found and read when they
    are first needed.

    Args:
        weights: `inception.Weights`, or the path of a file of them. None (default) finds the
            published ones or downloads them once (`inception.load_weights`).
        check: Whether to refuse a file that is not a published one. Defaults to True.
        fingerprint: String, the fingerprint that the file's arrays must have, in place of being
            published. Defaults to None.

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
    ):
        self._weights, self._checks = weights, (check, fingerprint)

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

    @property
    def digest(self) -> str:
        return self._loaded[0]

    @property
    def model(self) -> keras.Model:
        return self._loaded[1]

    def prepare(self, image: np.ndarray) -> np.ndarray:
        image = super().prepare(image)
        return self.resize(image) if image.shape[0] * image.shape[1] > _LARGE else image

    def resize(self, image: np.ndarray) -> np.ndarray:
        return resize_bilinear(image[None], (network.IMAGE_SIZE,) * 2).numpy()[0]

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        return self.with_spatial(images)[:2]

    def with_spatial(self, images: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
        found = self._loaded[2](np.asarray(images, np.float32))
        features, logits, places = (found[k].numpy() for k in ("pool_3", "logits", "spatial"))
        return features, logits, spatial.spatial_features(places)


class OtherClassifier(Classifier):
    """Any classifier of images in Inception's place: a Keras model or a SavedModel.

    Images reach it as float32 in `image_range`, with its number of channels (grey is repeated,
    colour becomes luminance) and at its size where it has one (bilinear, antialiased). Its output
    is taken for probabilities if all rows are distributions, else for logits. Features are the
    output of the layer named "features", else the input of its last Dense layer; in a SavedModel
    the output `features` of its signature. Spatial features are the output of a layer "spatial".

    Args:
        model: A built `keras.Model`, or what `tf.saved_model.load` returns: it is called by the
            signature `serving_default` or `serve`, with images as the one input.
        name: String for the protocol.
        digest: String that differs between classifiers. Defaults to the name.
        image_range: `(low, high)`, its values for black and full brightness. Defaults to (0, 255).

    Raises:
        UserError: The model does not take images, or gives more than one output beside features.

    Example:

    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    >>> model.add(keras.layers.Dense(10))
    >>> classifier = OtherClassifier(model, "small")
    >>> features, logits = classifier(np.zeros((5, 8, 8, 1)))
    >>> features.shape, logits.shape
    ((5, 64), (5, 10))
    """

    def __init__(
        self,
        model: Any,
        name: str,
        digest: str = "",
        image_range: tuple[float, float] = (0.0, 255.0),
    ):
        self.name, self.digest = name, digest or name
        self.image_range = tuple(image_range)
        self._warned = False
        self._gives_probabilities: bool | None = None  # unknown before the first call
        keras_model = isinstance(model, keras.Model)
        shape, self._call = self._keras(model) if keras_model else self._saved_model(model)
        if len(shape) != 4 or shape[3] not in (1, 3):
            raise UserError(
                f"{name} takes input of shape {tuple(shape)}; expected (N, height, width, 1 or 3)"
            )
        self.channels, self._size = shape[3], (shape[1], shape[2])

    def _keras(self, model):
        try:
            inputs = model.inputs
        except AttributeError:  # a subclass without a graph of layers
            return model.input_shape, lambda images: {"output": model.predict_on_batch(images)}
        if len(inputs) != 1 or len(model.outputs) != 1:
            raise UserError(
                f"{self.name} has {len(inputs)} inputs and {len(model.outputs)} outputs; "
                "expected images in, logits or probabilities out"
            )
        last = model.layers[-1]
        dense = isinstance(last, keras.layers.Dense)
        found = [layer.output for layer in model.layers if layer.name == "features"]
        found += [last.input] if dense else []
        wanted = {"output": model.outputs[0]}
        if found:
            wanted["features"] = found[0]
            self.num_features = int(np.prod(found[0].shape[1:]))
        for layer in model.layers:
            if layer.name == "spatial":
                wanted["spatial"] = layer.output
                self.num_spatial = int(np.prod(layer.output.shape[1:]))
        # Logits from before a softmax, so that no probability is rounded to 0.
        softmax = dense and last.activation is keras.activations.softmax
        if softmax:
            wanted["output"] = last.input
            self._gives_probabilities = False
        both = keras.Model(inputs[0], wanted)

        def call(images):
            found = both.predict_on_batch(images)
            if softmax:
                kernel, *bias = (np.asarray(v) for v in last.get_weights())
                found["output"] = found["output"] @ kernel + (bias[0] if bias else 0.0)
            return found

        return model.input_shape, call

    def _saved_model(self, model):
        signatures = model.signatures
        signature = signatures.get("serving_default") or signatures.get("serve")
        if signature is None:
            raise UserError(f"{self.name} has no signature serving_default or serve")
        (keyword, spec), *more = signature.structured_input_signature[1].items()
        if more:
            raise UserError(f"{self.name} takes {1 + len(more)} inputs; expected images alone")
        outputs = [name for name in signature.structured_outputs if name != "features"]
        if len(outputs) != 1:
            raise UserError(
                f"{self.name} has the outputs {', '.join(signature.structured_outputs)}; expected "
                "logits or probabilities, alone or with `features`"
            )
        features = signature.structured_outputs.get("features")
        if features is not None:
            self.num_features = int(features.shape[1])
        self._model = model  # its functions live as long as it does

        def call(images):
            found = signature(**{keyword: tf.constant(images, spec.dtype)})
            values = {name: value.numpy() for name, value in found.items()}
            return {"output": values.pop(outputs[0]), **values}

        return spec.shape.as_list(), call

    def prepare(self, image: np.ndarray) -> np.ndarray:
        image = super().prepare(image)
        height, width = self._size
        if None in self._size or image.shape[0] * image.shape[1] <= 4 * height * width:
            return image
        return self.resize(image)  # float32 of its size is smaller than the bytes

    def resize(self, image: np.ndarray) -> np.ndarray:
        if None in self._size:
            raise UserError(f"{self.name} takes images of any size, but of one size at a time")
        height, width = image.shape[:2]
        if not self._warned and (height, width) != self._size:
            self._warned = True
            warnings.warn(
                f"images of {height} x {width} are resized to the classifier's "
                f"{self._size[0]} x {self._size[1]}",
                stacklevel=2,
            )
        return tf.image.resize(image, self._size, antialias=True).numpy()

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        return self.with_spatial(images)[:2]

    def with_spatial(self, images: np.ndarray) -> tuple[Any, np.ndarray, Any]:
        given = images.shape[1:3]
        if any(own not in (None, n) for own, n in zip(self._size, given, strict=True)):
            images = np.stack([self.resize(image) for image in images])
        low, high = self.image_range
        found = self._call(
            np.asarray(images, np.float32) * np.float32((high - low) / 255.0) + np.float32(low)
        )
        output = found["output"]
        if output.ndim != 2 or output.shape[1] < 2:
            raise UserError(
                f"{self.name} gives an output of shape {output.shape}; expected (N, classes)"
            )
        if self._gives_probabilities is None:
            sums = output.sum(axis=1)
            self._gives_probabilities = bool(output.min() >= 0 and np.abs(sums - 1).max() < 1e-3)
        self.num_classes = output.shape[1]
        if self._gives_probabilities:
            output = np.log(np.maximum(output, np.float32(1e-37)))
        features, places = (
            None if value is None else value.reshape(len(value), -1)
            for value in map(found.get, ("features", "spatial"))
        )
        return features, output.astype(np.float32), places


def load_classifier(
    path: str | os.PathLike, image_range: tuple[float, float] = (0.0, 255.0)
) -> OtherClassifier:
    """Loads the classifier in a .keras file or a SavedModel; see `OtherClassifier`.

    A SavedModel is a program: it can read and write files. Load those only that you trust; a .keras
    file is read without executing code that it may hold.

    Args:
        path: The file, or the SavedModel's folder.
        image_range: `(low, high)`, its values for black and full brightness. Defaults to (0, 255).

    Raises:
        UserError: It is absent, damaged, or not a classifier of images.

    Example:

    >>> classifier = load_classifier("digits.keras")
    >>> classifier.name
    'digits.keras'
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise UserError(
            f"{path}: there is no such classifier; expected a .keras file or a SavedModel folder"
        )
    folder = path.is_dir()
    if not folder and not (path.is_file() and zipfile.is_zipfile(path)):
        raise UserError(
            f"{path} cannot be loaded as a classifier (no .keras file); expected one, or the "
            f"folder of a SavedModel"
        )
    try:
        digest = published.file_hash(path / "saved_model.pb" if folder else path)
        if folder:
            model = tf.saved_model.load(str(path))
        else:  # safe_mode refuses functions that are stored as code
            model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras and TensorFlow raise many kinds on damaged files
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} cannot be loaded as a classifier ({reason})") from error
    return OtherClassifier(model, path.name, f"sha256:{digest}", image_range)


def as_classifier(what: Classifier | str | os.PathLike | None) -> Classifier:
    """A classifier as it is, the one in the file `what`, or for None `Inception()`."""
    if isinstance(what, str | os.PathLike):
        return load_classifier(what)
    return Inception() if what is None else what
