"""Names of extractors, as `--extractor` and `evaluate` take them."""

import os
from pathlib import Path

from improved_gan_tf.errors import UserError
from improved_gan_tf.inception.weights import Weights
from improved_gan_tf.metrics import applications, hub
from improved_gan_tf.metrics.classifiers import Classifier, Inception
from improved_gan_tf.metrics.other_classifier import load_classifier

INCEPTION = "inception"


def load_extractor(
    name: str | os.PathLike = INCEPTION,
    *,
    resize: str | None = None,
    weights: Weights | str | os.PathLike | None = None,
    check: bool = True,
    fingerprint: str | None = None,
    image_range: tuple[float, float] = (0.0, 255.0),
) -> Classifier:
    """What turns images into features, by its name.

    Args:
        name: "inception" (default); the path of a .keras file or of a SavedModel, which is a
            program; "keras_applications:NAME", a network of `keras.applications`; or
            "keras_hub:PRESET", an image tower of KerasHub.
        resize: "legacy", "clean" or "antialiased": how images come to its size. None (default) is
            its own: "legacy" of Inception, "clean" of `keras_applications`, "antialiased" of files,
            the converter's of a preset.
        weights: A file of weights of Inception or `keras_applications`. None (default): they are
            found or downloaded by what publishes them.
        check: As in `Inception`. Defaults to True.
        fingerprint: As in `Inception`. Defaults to None.
        image_range: `(low, high)`, the values for black and full brightness of a file's network.
            Defaults to (0, 255).

    Raises:
        UserError: There is no such extractor, or it cannot be had or gives no vector.

    Example:

    >>> load_extractor("digits.keras").resized
    'antialiased to 8 x 8'
    >>> load_extractor("inception", resize="clean").resized  # weights are read when they are needed
    'clean to 299 x 299'
    """
    text = os.fspath(name)
    if text == INCEPTION:
        return Inception(weights, check, fingerprint, resize or "legacy")
    if text.startswith(applications.PREFIX):
        rest = text.removeprefix(applications.PREFIX)
        if isinstance(weights, Weights):
            raise UserError(f"{text} takes the path of a file of weights, not Inception's")
        if fingerprint is not None or not check:
            raise UserError(
                f"{text}: only Inception's weights are checked; leave out fingerprint and "
                "check=False (--fingerprint, --any-weights)"
            )
        return applications.load_application(rest, weights, resize or "clean")
    if weights is not None or fingerprint is not None or not check:
        raise UserError(f"{text} takes Inception's place with its own weights; leave out --weights")
    if text.startswith(hub.PREFIX):
        return hub.load_preset(text.removeprefix(hub.PREFIX), resize)
    if not Path(text).expanduser().exists():
        raise UserError(
            f"{text}: there is no such classifier or other extractor; choose {INCEPTION}, a .keras "
            f"file, a SavedModel's folder, {applications.PREFIX}NAME or {hub.PREFIX}PRESET"
        )
    return load_classifier(Path(text), image_range, resize or "antialiased")


def as_classifier(what: Classifier | str | os.PathLike | None) -> Classifier:
    """A classifier or other extractor as it is, that of the name, or for None `Inception()`."""
    if isinstance(what, str | os.PathLike):
        return load_extractor(what)
    return Inception() if what is None else what
