"""A small classifier of small pictures, to take Inception's place for data like MNIST."""

from pathlib import Path

import keras
import numpy as np

from improved_gan_tf.errors import UserError
from improved_gan_tf.files import temporary, write_json


def build(image_shape, num_classes):
    """Two convolutions of stride 2 and two dense layers: images 0..255 -> logits.

    The layer "features" (128 numbers after a relu) serves FID and KID. Sizes for 28 x 28 below;
    any size from 4 x 4 will do.

    Args:
        image_shape: (H, W, C).
        num_classes: K.
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


def train(data_name, out, epochs=None, batch_size=100, seed=1, data_dir=None, verbose=True):
    """Trains the classifier on all labels of a data set and writes it to `out` (.keras).

    Beside it, with the suffix .json, goes what it is: data, epochs, seed, errors on the test set.

    Args:
        data_name: what `improved_gan_tf.data.read` takes: digits, mnist, npz:FILE, folder:DIR...
        out: the .keras file; one that is there is replaced.
        epochs: None takes as many as make about 3,000 steps, at most 40.
        batch_size: of a step.
        seed: of weights, dropout and order.
        data_dir: TFDS' data folder.
        verbose: whether to show progress.

    Returns:
        The dictionary in the .json file.

    Raises:
        UserError: the data are absent; another suffix; a place that cannot be written.
    """
    from improved_gan_tf import data

    out = Path(out)
    if out.suffix != ".keras":
        raise UserError(f"{out}: the classifier is written as a .keras file; name one")
    found = data.read(data_name, data_dir)
    scale = 255.0 / found.maximum
    x, x_test = (
        np.rint(np.asarray(images, np.float32) * scale)
        for images in (found.train_images, found.test_images)
    )
    epochs = epochs or max(2, min(40, round(3000 * batch_size / len(x))))
    keras.utils.set_random_seed(seed)
    model = build(x.shape[1:], found.num_classes)
    model.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x, found.train_labels, batch_size, epochs, verbose=2 if verbose else 0, shuffle=True)
    loss, accuracy = model.evaluate(x_test, found.test_labels, 500, verbose=0)
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
