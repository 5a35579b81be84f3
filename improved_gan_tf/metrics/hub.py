"""The image towers of KerasHub as extractors: DINOv2, CLIP and others, by their presets.

`keras_hub` is an optional package (the extra "hub"); a preset's weights are found, downloaded and
read by its own loader.
"""

import contextlib
import sys
from typing import Any

import keras
import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.feature_extractor import FeatureExtractor
from improved_gan_tf.metrics.resize import stated

PREFIX = "keras_hub:"

_CLIP = "CLIPBackbone"
_CLASS_TOKEN_FIRST = ("DINOV2Backbone", "DINOV3Backbone")


def load_preset(name: str, resize: str | None = None) -> FeatureExtractor:
    """The image tower of a KerasHub preset.

    Its features are, of CLIP, the image's embedding in the space that it shares with texts; of
    DINOv2 and DINOv3, the class token after the last layer; of convolutional networks, the means
    over all places of the last feature map. The preset's image converter says to which size images
    are resized, how, and how they are normalized.

    Args:
        name: What `keras_hub.models.Backbone.from_preset` takes: e.g. "dinov2_base",
            "clip_vit_large_patch14_336" (which CMMD is defined on), "hf://USER/MODEL", or the
            folder of a preset.
        resize: "clean", "legacy" or "antialiased" in place of the converter's resize. None
            (default) leaves it.

    Raises:
        UserError: KerasHub is not installed, or the preset cannot be had or gives no vectors.

    Example:

    >>> extractor = load_preset("dinov2_base")  # doctest: +SKIP
    >>> extractor.num_features, extractor.resized  # doctest: +SKIP
    (768, 'bicubic, antialiased, of the middle to 224 x 224')
    """
    full = PREFIX + name
    try:
        import keras_hub
    except ImportError as error:
        raise UserError(
            f'{full} needs the package keras-hub; pip install "improved_gan_tf[hub]"'
        ) from error
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the bar of a download
            backbone = keras_hub.models.Backbone.from_preset(name)
            converter = keras_hub.layers.ImageConverter.from_preset(name)
    except Exception as error:  # its loaders raise many kinds
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{full} could not be loaded ({reason}); expected a preset with an image converter. "
            "Without an internet connection: save backbone and converter elsewhere with "
            "save_to_preset(FOLDER), and use keras_hub:FOLDER"
        ) from error
    size = converter.image_size or backbone.inputs[0].shape[1:3]
    how = _own_resize(converter, size) if resize is None else resize
    tower, clip = _tower(backbone, size, full), type(backbone).__name__ == _CLIP
    return FeatureExtractor(tower, full, _normalization(converter), how, clip)


def _tower(backbone: Any, size: tuple[int, int], name: str) -> keras.Model:
    """The model from images of that size to vectors, where the backbone has one."""
    kind = type(backbone).__name__
    images = keras.Input((*size, 3), name="images")
    if kind == _CLIP:
        return keras.Model(images, backbone.get_vision_embeddings(images))
    if len(backbone.inputs) != 1 or len(backbone.inputs[0].shape) != 4:
        raise UserError(f"{name} is a {kind}; expected a network of images")
    output = backbone(keras.tree.map_structure(lambda one: images, backbone.input))
    if kind in _CLASS_TOKEN_FIRST:
        output = output[:, 0]
    elif len(output.shape) == 4:
        output = keras.layers.GlobalAveragePooling2D()(output)
    return keras.Model(images, output)


def _own_resize(converter: Any, size: tuple[int, int]) -> tuple[str, Any]:
    """The converter's resize, of one image: (what the protocol says, function)."""
    filtered = ", antialiased" if converter.antialias else ""
    shape = ", of the middle" if converter.crop_to_aspect_ratio else ""
    shape = ", with borders" if converter.pad_to_aspect_ratio else shape
    resizing = keras.layers.Resizing.from_config(converter.resizing.get_config())

    def resize(image: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(resizing(np.asarray(image, np.float32)))

    return stated(f"{converter.interpolation}{filtered}{shape}", size), resize


def _normalization(converter: Any) -> Any:
    """The function that does of the converter's work what is left after its resize."""
    converter.image_size = None
    return lambda images: keras.ops.convert_to_numpy(converter(images))
