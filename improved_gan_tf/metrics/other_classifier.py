"""Any Keras model or SavedModel in Inception's place."""

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception import published
from improved_gan_tf.metrics.classifiers import Classifier
from improved_gan_tf.metrics.resize import resize_of, stated


class OtherClassifier(Classifier):
    """Any classifier of images in Inception's place: a Keras model or a SavedModel.

    Images reach it as float32 in `image_range`, with its number of channels (grey is repeated,
    colour becomes luminance) and at its size where it has one. Its output is taken for
    probabilities if all rows are distributions, else for logits. Features are the output of the
    layer named "features", else the input of its last Dense layer, else, where it ends in none, its
    output; in a SavedModel the output `features` of its signature. An output that is itself named
    "features" is not taken for logits. Spatial features are the output of a layer "spatial".

    Args:
        model: A built `keras.Model`, or what `tf.saved_model.load` returns: it is called by the
            signature `serving_default` or `serve`, with images as the one input.
        name: String for the protocol.
        digest: String that differs between classifiers. Defaults to the name.
        image_range: `(low, high)`, its values for black and full brightness. Defaults to (0, 255).
        resize: "antialiased" (default), "clean" or "legacy", where images have another size.

    Raises:
        UserError: The model does not take images, or gives no vector, or more than one output
            beside features.

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
        resize: str = "antialiased",
    ):
        self.name, self.digest = name, digest or name
        self._resize = resize_of(resize)
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
        self.resized = stated(resize, self._size)

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
        output = model.outputs[0]
        found = [layer.output for layer in model.layers if layer.name == "features"]
        self.classifies = not (found and last.name == "features")
        found += [last.input] if dense else [output] if len(output.shape) == 2 else []
        if not found:
            raise UserError(
                f"{self.name} gives no vector but an output of shape {tuple(output.shape)}; "
                'expected (N, numbers), or a layer named "features"'
            )
        wanted = {"output": output, "features": found[0]}
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
        features = signature.structured_outputs.get("features")
        self.classifies = bool(outputs)
        if len(outputs) != 1 and (outputs or features is None):
            raise UserError(
                f"{self.name} has the outputs {', '.join(signature.structured_outputs)}; expected "
                "logits or probabilities, alone or with `features`"
            )
        if features is not None:
            if len(features.shape) != 2:
                raise UserError(
                    f"{self.name} gives no vector but features of shape {features.shape}; expected "
                    "(N, numbers)"
                )
            self.num_features = int(features.shape[1])
        self._model = model  # its functions live as long as it does

        def call(images):
            found = signature(**{keyword: tf.constant(images, spec.dtype)})
            values = {name: value.numpy() for name, value in found.items()}
            return {"output": values.pop(outputs[0]), **values} if outputs else values

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
        return self._resize(image, self._size)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        return self.with_spatial(images)[:2]

    def with_spatial(self, images: np.ndarray) -> tuple[Any, Any, Any]:
        given = images.shape[1:3]
        if any(own not in (None, n) for own, n in zip(self._size, given, strict=True)):
            images = np.stack([self.resize(image) for image in images])
        low, high = self.image_range
        found = self._call(
            np.asarray(images, np.float32) * np.float32((high - low) / 255.0) + np.float32(low)
        )
        features, places = (
            None if value is None else value.reshape(len(value), -1)
            for value in map(found.get, ("features", "spatial"))
        )
        return features, self._logits(found["output"]) if self.classifies else None, places

    def _logits(self, output: np.ndarray) -> np.ndarray:
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
        return output.astype(np.float32)


def load_classifier(
    path: str | os.PathLike,
    image_range: tuple[float, float] = (0.0, 255.0),
    resize: str = "antialiased",
) -> OtherClassifier:
    """Loads the classifier, or other extractor, in a .keras file or a SavedModel.

    A SavedModel is a program: it can read and write files. Load those only that you trust; a .keras
    file is read without executing code that it may hold.

    Args:
        path: The file, or the SavedModel's folder.
        image_range: `(low, high)`, its values for black and full brightness. Defaults to (0, 255).
        resize: "antialiased" (default), "clean" or "legacy".

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
    return OtherClassifier(model, path.name, f"sha256:{digest}", image_range, resize)
