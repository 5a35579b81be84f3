"""The classifier behind a score: Inception, or any other in its place."""

import warnings
from pathlib import Path

import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception import network, published
from improved_gan_tf.inception import weights as weights_files

_LARGE = 299 * 299 * 4  # pixels from which the resized floats of an image are the smaller


class Classifier:
    """What a score needs of a classifier.

    Attributes:
        name, digest: for the protocol; the digest tells classifiers apart.
        channels: 1 or 3.
        num_classes: columns of the logits.
        num_features: columns of the features, or None where there are none (no FID, no KID).
    """

    name, digest, channels, num_classes, num_features = "", "", 3, None, None

    def prepare(self, image):
        """One image (H, W, 1 or 3) in the classifier's channels; also made smaller where that
        saves memory. Called by several threads."""
        if image.shape[2] == self.channels:
            return image
        if self.channels == 3:
            return np.repeat(image, 3, axis=2)
        if image.dtype == np.uint8:
            weights = np.array([19595, 38470, 7471], np.uint32)  # as Pillow's grey: ITU-R 601
            grey = (image.astype(np.uint32) @ weights + 0x8000) >> 16
            return grey.astype(np.uint8)[..., None]
        return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]

    def resize(self, image):
        """One prepared image at the classifier's own size, float32."""
        raise NotImplementedError

    def stack(self, images):
        """A list of prepared images as one batch; those of several sizes are resized first."""
        if len({image.shape for image in images}) > 1:
            images = [self.resize(image) for image in images]
        return np.stack(images)

    def __call__(self, images):
        """(features (N, F) or None, logits (N, K)), float32, of a batch from `stack`."""
        raise NotImplementedError


class Inception(Classifier):
    """The network of inception-2015-12-05; features are `pool_3`, logits are without bias.

    Args:
        weights: `Weights`, or None to find them (`weights.load_weights`).
    """

    name = "inception-2015-12-05"
    num_classes, num_features = network.NUM_CLASSES, network.NUM_FEATURES

    def __init__(self, weights=None):
        import tensorflow as tf

        weights = weights_files.load_weights() if weights is None else weights
        self.model = network.build_network(weights)
        self.digest = getattr(weights, "digest", "") or weights_files.fingerprint(weights)
        self._function = tf.function(
            lambda images: self.model(images, training=False),
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
            autograph=False,
        )

    def prepare(self, image):
        image = super().prepare(image)
        return self.resize(image) if image.shape[0] * image.shape[1] > _LARGE else image

    def resize(self, image):
        from improved_gan_tf.inception.resize import resize_bilinear

        return resize_bilinear(image[None], (network.IMAGE_SIZE,) * 2).numpy()[0]

    def __call__(self, images):
        found = self._function(np.asarray(images, np.float32))
        return found["pool_3"].numpy(), found["logits"].numpy()


class OtherClassifier(Classifier):
    """A classifier of one's own: a Keras model or a SavedModel.

    Images reach it as float32 in `value_range` (0..255 by default), with its number of channels
    (grey is repeated, colour becomes luminance) and at its size where it has one (bilinear,
    antialiased). Its output is taken for probabilities where all rows are distributions, else for
    logits. Features are the layer named "features", else what enters its last Dense layer.

    Args:
        model: a built `keras.Model`, or a loaded SavedModel's signature.
        name, digest: see `Classifier`.
        value_range: what it takes for black and full brightness.
    """

    def __init__(self, model, name, digest="", value_range=(0.0, 255.0)):
        import keras

        self.name, self.digest, self.value_range = name, digest or name, tuple(value_range)
        self._warned = False
        self._kind = None
        if isinstance(model, keras.Model):
            shape, call = self._keras(model)
        else:
            shape, call = self._signature(model)
        if len(shape) != 4 or shape[3] not in (1, 3):
            raise UserError(
                f"{name} takes input of shape {tuple(shape)}; expected (N, height, width, 1 or 3)"
            )
        self.channels, self._size = shape[3], (shape[1], shape[2])
        self._call = call

    def _keras(self, model):
        import keras

        if not getattr(model, "inputs", None):  # a subclass without a graph of layers
            return model.input_shape, lambda images: (None, model.predict_on_batch(images))
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise UserError(
                f"{self.name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
                "expected images in, logits or probabilities out"
            )
        last = model.layers[-1] if isinstance(model.layers[-1], keras.layers.Dense) else None
        named = [layer.output for layer in model.layers if layer.name == "features"]
        features = named[0] if named else last.input if last is not None else None
        wanted = {"output": model.outputs[0]}
        if features is not None:
            wanted["features"] = features
            self.num_features = int(np.prod(features.shape[1:]))
        # Logits from before a softmax, so that no probability is rounded to 0.
        softmax = last is not None and last.activation is keras.activations.softmax
        if softmax:
            wanted["output"] = last.input
            self._kind = "logits"
        both = keras.Model(model.inputs[0], wanted)

        def call(images):
            found = both.predict_on_batch(images)
            output = found["output"]
            if softmax:
                kernel, *bias = (np.asarray(v) for v in last.get_weights())
                output = output @ kernel + (bias[0] if bias else 0.0)
            features = found.get("features")
            return None if features is None else features.reshape(len(images), -1), output

        return model.input_shape, call

    def _signature(self, signature):
        import tensorflow as tf

        (keyword, spec), *more = signature.structured_input_signature[1].items()
        if more:
            raise UserError(f"{self.name} takes {1 + len(more)} inputs; expected images alone")

        def call(images):
            found = signature(**{keyword: tf.constant(images, spec.dtype)})
            features = found.get("features")
            others = [v for k, v in found.items() if k != "features"]
            if len(others) != 1:
                raise UserError(
                    f"{self.name} has the outputs {', '.join(found)}; expected logits or "
                    "probabilities alone, or beside `features`"
                )
            return None if features is None else features.numpy(), others[0].numpy()

        features = signature.structured_outputs.get("features")
        if features is not None:
            self.num_features = int(features.shape[1])
        return spec.shape.as_list(), call

    def resize(self, image):
        import tensorflow as tf

        size = [own or given for own, given in zip(self._size, image.shape[:2], strict=True)]
        if None in self._size:
            raise UserError(f"{self.name} takes images of any size, but of one size at a time")
        if not self._warned and list(image.shape[:2]) != size:
            self._warned = True
            warnings.warn(
                f"images of {image.shape[0]} x {image.shape[1]} are resized to the classifier's "
                f"{size[0]} x {size[1]}",
                stacklevel=2,
            )
        return tf.image.resize(image, size, antialias=True).numpy()

    def __call__(self, images):
        wanted = [o or g for o, g in zip(self._size, images.shape[1:3], strict=True)]
        if list(images.shape[1:3]) != wanted:
            images = np.stack([self.resize(image) for image in images])
        low, high = self.value_range
        features, output = self._call(
            np.asarray(images, np.float32) * np.float32((high - low) / 255.0) + np.float32(low)
        )
        if output.ndim != 2 or output.shape[1] < 2:
            raise UserError(
                f"{self.name} gives an output of shape {output.shape}; expected (N, classes)"
            )
        if self._kind is None:
            sums = output.sum(axis=1)
            distributions = output.min() >= 0 and np.abs(sums - 1).max() < 1e-3
            self._kind = "probabilities" if distributions else "logits"
        self.num_classes = output.shape[1]
        if self._kind == "probabilities":
            output = np.log(np.maximum(output, np.float32(1e-37)))
        return features, output.astype(np.float32)


def load_classifier(path, value_range=(0.0, 255.0)):
    """The classifier in a .keras file or a SavedModel, as an `OtherClassifier`.

    A SavedModel is called by its signature `serving_default` or `serve`, of one input; an output
    `features` beside the other makes FID and KID possible.

    Raises:
        UserError: absent, damaged, or not a classifier of images.
    """
    import keras
    import tensorflow as tf

    path = Path(path).expanduser()
    try:
        if path.is_dir():
            loaded = tf.saved_model.load(str(path))
            found = loaded.signatures
            model = found.get("serving_default") or found.get("serve")
            if model is None:
                raise UserError(f"{path} has no signature serving_default or serve")
            model._keeps_alive = loaded
            digest = published.file_hash(path / "saved_model.pb")
        elif path.is_file():
            model = keras.models.load_model(path, compile=False)
            digest = published.file_hash(path)
        else:
            raise UserError(
                f"{path}: there is no such classifier; expected a .keras file or a "
                "SavedModel folder"
            )
    except UserError:
        raise
    except Exception as error:  # Keras and TensorFlow raise many kinds on damaged files
        reason = " ".join(str(error).split())[:160]
        raise UserError(f"{path} cannot be loaded as a classifier ({reason})") from error
    return OtherClassifier(model, path.name, f"sha256:{digest}", value_range)
