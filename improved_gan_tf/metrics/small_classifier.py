"""A small classifier of small images, to take Inception's place for data like MNIST."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from improved_gan_tf import data
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, write_json


def build_classifier(image_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """Two convolutions with stride 2 and two dense layers: images in 0..255 -> logits.

    The layer "features" (128 numbers after a relu) serves FID and KID. The sizes in the comments
    are those of 28 x 28 images; any size from 4 x 4 will do.

    Args:
        image_shape: `(H, W, C)`, three integers.
        num_classes: Integer, the number of classes.
    """
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(image_shape, name="images"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 5, strides=2, padding="same", activation="relu"),  # 14 x 14 x 32
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),  # 7 x 7 x 64
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(128, activation="relu", name="features"),
            layers.Dropout(0.25),
            layers.Dense(num_classes, name="logits"),
        ]
    )


def train_classifier(
    data_name: str | os.PathLike,
    out: str | os.PathLike,
    epochs: int | None = None,
    batch_size: int = 100,
    seed: int = 1,
    data_dir: str | None = None,
    verbose: bool = True,
) -> dict[str, Any]:
    """Trains a small classifier on all labels of a data set and writes it as a .keras file.

    A file of the same name with the suffix .json says what it is: data, epochs, seed, test error.

    Args:
        data_name: Name of labelled data with a test set, as in `data.open`: digits, npz:FILE, ...
        out: The .keras file; it replaces one that is there.
        epochs: Integer. None (default) takes as many as make about 3,000 steps, at most 40.
        batch_size: Integer, the images of a step. Defaults to 100.
        seed: Integer, the seed of weights, dropout and order. Defaults to 1.
        data_dir: TFDS' data folder.
        verbose: Whether to show the progress. Defaults to True.

    Returns:
        The dictionary in the .json file.

    Raises:
        UserError: The data are not available, or the file cannot be written.

    Example:

    >>> about = train_classifier("digits", "digits.keras", epochs=1, verbose=False)
    >>> about["test_images"]
    500
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise UserError(f"{out}: the classifier is written as a .keras file; name one")
    found = data.open(data_name, data_dir=data_dir)
    if found.test_split is None or not found.num_classes:
        raise UserError(f"{data_name} has no labels or no test set; name another data set")
    (x, y), (x_test, y_test) = found.arrays("train"), found.arrays(found.test_split)
    scale = 255.0 / found.maximum
    x, x_test = (np.rint(np.asarray(images, np.float32) * scale) for images in (x, x_test))
    epochs = epochs or max(2, min(40, round(3000 * batch_size / len(x))))
    keras.utils.set_random_seed(seed)
    model = build_classifier(x.shape[1:], found.num_classes)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, y, batch_size, epochs, verbose=2 if verbose else 0, shuffle=True)
    loss, accuracy = model.evaluate(x_test, y_test, 500, verbose=0)
    about = {
        "data": found.name,
        "train_images": len(x),
        "test_images": len(x_test),
        "image_shape": list(x.shape[1:]),
        "input": "float 0..255",
        "epochs": epochs,
        "seed": seed,
        "test_error": round(1.0 - accuracy, 6),
        "test_loss": round(loss, 6),
    }
    with temporary(out) as name:
        model.save(name)
    write_json(out.with_suffix(".json"), about)
    return about
