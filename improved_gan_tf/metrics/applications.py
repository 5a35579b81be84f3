"""The networks of `keras.applications` as extractors, with weights by Keras' own loader."""

import contextlib
import inspect
import os
import sys
from pathlib import Path

import keras

from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.feature_extractor import FeatureExtractor

PREFIX = "keras_applications:"

# The size that each was trained at where it is not 224.
_SIZES = {
    "Xception": 299, "InceptionV3": 299, "InceptionResNetV2": 299, "NASNetLarge": 331,
    "EfficientNetB1": 240, "EfficientNetB2": 260, "EfficientNetB3": 300, "EfficientNetB4": 380,
    "EfficientNetB5": 456, "EfficientNetB6": 528, "EfficientNetB7": 600,
    "EfficientNetV2B1": 240, "EfficientNetV2B2": 260, "EfficientNetV2B3": 300,
    "EfficientNetV2S": 384, "EfficientNetV2M": 480, "EfficientNetV2L": 480,
}  # fmt: skip


def load_application(
    name: str, weights: str | os.PathLike | None = None, resize: str = "clean"
) -> FeatureExtractor:
    """An ImageNet network of `keras.applications`, without its classes.

    Its features are the means over all places of its last feature map. Images are resized to the
    size that it was trained at and normalized by its module's `preprocess_input`.

    Args:
        name: The name of its function, e.g. "ResNet50" or "ConvNeXtTiny".
        weights: A file of its weights without the top, as Keras publishes them (`..._notop.h5`) or
            `save_weights` writes. None (default) lets Keras find or download ImageNet's.
        resize: "clean" (default), "legacy" or "antialiased".

    Raises:
        UserError: There is no such network, or its weights cannot be had.

    Example:

    >>> extractor = load_application("MobileNetV2")  # doctest: +SKIP
    >>> extractor.num_features  # doctest: +SKIP
    1280
    """
    functions = {key: each for key, each in vars(keras.applications).items() if callable(each)}
    if name not in functions:
        known = ", ".join(sorted(functions))
        raise UserError(f"keras.applications has no {name!r}; choose from {known}")
    modules = filter(inspect.ismodule, vars(keras.applications).values())
    # No module publishes MobileNetV3Small and -Large, which normalize images by themselves.
    found = [each.preprocess_input for each in modules if name in vars(each)]
    full, size = PREFIX + name, _SIZES.get(name, 224)
    if weights is not None:
        weights = Path(weights).expanduser()
        if not weights.is_file():
            raise UserError(f"{weights}: there is no such file of weights for {full}")
    settings = {"include_top": False, "pooling": "avg", "input_shape": (size, size, 3)}
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the bar of a download
            model = functions[name](weights=None if weights else "imagenet", **settings)
        if weights is not None:
            model.load_weights(weights)
    except Exception as error:  # Keras raises many kinds
        reason = " ".join(str(error).split())[:160]
        if weights is not None:
            raise UserError(
                f"{weights} cannot be loaded as weights of {name} without its top ({reason})"
            ) from error
        raise UserError(
            f"the weights of {full} could not be downloaded ({reason}); on a machine with internet "
            f"access, run keras.applications.{name}(include_top=False) and copy the file that it "
            "writes to ~/.keras/models to the same place here, or pass it with --weights FILE"
        ) from error
    return FeatureExtractor(model, full, found[0] if found else None, resize)
