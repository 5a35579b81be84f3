"""Trains a small classifier of small images, to take Inception's place for data like MNIST."""

import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from improved_gan_tf import data
from improved_gan_tf.data.order import checked_seed
from improved_gan_tf.errors import UserError
from improved_gan_tf.files import cannot_write, temporary, write_json
from improved_gan_tf.metrics.classifier_networks import NETWORKS, default_network

_EPOCHS = 20  # of the residual network


def train_classifier(
    data_name: str | os.PathLike,
    out: str | os.PathLike,
    epochs: int | None = None,
    batch_size: int = 100,
    seed: int = 1,
    data_dir: str | None = None,
    verbose: bool = True,
    network: str | None = None,
    mirror: bool = False,
) -> dict[str, Any]:
    """Trains a small classifier on all labels of a data set and writes it as a .keras file.

    Images without a label are left out, with a warning.

    A file of the same name with the suffix .json says what it is: data, network, epochs, seed, test
    error. Training that was stopped goes on where it was after its last whole epoch, kept beside
    `out` until the end, when it is started again with the same arguments.

    Args:
        data_name: Name of labeled data with a test set, as in `data.open`: digits, npz:FILE, ...
        out: The .keras file; it replaces one that is there.
        epochs: Integer. None (default): 20 of the residual network; of the convolutional one as
            many as make about 3,000 steps, at most 40.
        batch_size: Integer, the images of a step. Defaults to 100.
        seed: Integer from 0, the seed of weights, dropout and order. Defaults to 1.
        data_dir: TFDS' data folder.
        verbose: Whether to show the progress. Defaults to True.
        network: "convolutional" or "residual". None (default): the residual one for images of 32 x
            32 pixels and more.
        mirror: Whether half of the images are mirrored in training: for photographs, not for
            digits. Defaults to False.

    Returns:
        The dictionary in the .json file.

    Raises:
        UserError: The data are not available, an argument is out of its range, or the file cannot
            be written.

    Example:

    >>> about = train_classifier("digits", "digits.keras", epochs=1, verbose=False)
    >>> about["test_images"]
    500
    """
    out = Path(out)
    if out.suffix != ".keras":
        raise UserError(f"{out}: the classifier is written as a .keras file; name one")
    if network is not None and network not in NETWORKS:
        raise UserError(f"network must be one of {', '.join(NETWORKS)}, not {network!r}")
    for what, given in (("epochs", epochs), ("batch size", batch_size)):
        if given is not None and given < 1:
            raise UserError(f"{what} must be at least 1, not {given}")
    checked_seed(seed)
    found = data.open(data_name, data_dir=data_dir)
    if found.test_split is None or not found.num_classes:
        raise UserError(f"{data_name} has no labels or no test set; name another data set")
    x, y = _bytes(found, "train")
    network = network or default_network(x.shape[1:])
    steps = -(-len(x) // batch_size)
    several = _EPOCHS if network == "residual" else max(2, min(40, round(3000 / steps)))
    about = {
        "data": found.name,
        "train_images": len(x),
        "image_shape": list(x.shape[1:]),
        "input": "float 0..255",
        "network": network,
        "mirror": mirror,
        "epochs": epochs or several,
        "batch_size": batch_size,
        "seed": seed,
    }
    model, seconds = _train(x, y, about, found.num_classes, out, verbose)
    x_test, y_test = _bytes(found, found.test_split)
    loss, accuracy = model.evaluate(x_test, y_test, 500, verbose=0)
    about |= {
        "test_images": len(x_test),
        "test_error": round(1.0 - accuracy, 6),
        "test_loss": round(loss, 6),
        "seconds": round(seconds, 1),
    }
    with temporary(out) as name:
        model.save(name)
    write_json(out.with_suffix(".json"), about)
    for path in _kept(out):
        path.unlink(missing_ok=True)
    return about


def _bytes(source: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images in 0..255 and labels of a split, without those that have no label."""
    images, labels = source.arrays(split)
    labeled = labels >= 0
    if not labeled.all():
        if not labeled.any():
            raise UserError(f"{source.name}: no {split} image has a label; label each class")
        left = f"{np.count_nonzero(~labeled)} {split} images without a label are left out"
        warnings.warn(f"{source.name}: {left}", stacklevel=3)
        images, labels = np.asarray(images)[labeled], labels[labeled]
    scale = 255.0 / source.maximum
    return np.rint(np.asarray(images, np.float32) * scale).astype(np.uint8), labels


def _train(x, y, about, num_classes, out, verbose):
    """The trained model and the seconds it took, from the last whole epoch that was kept on."""
    weights, notes = _kept(out)
    batch_size, epochs, seed = (about[name] for name in ("batch_size", "epochs", "seed"))
    steps = -(-len(x) // batch_size)
    model, seconds = _resumed(weights, notes, about)
    if model is None:
        try:  # before the notes, which would make the old file one of this training
            weights.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(weights, error) from error
        write_json(notes, {"about": about, "seconds": 0.0})
        keras.utils.set_random_seed(seed)
        model = NETWORKS[about["network"]](x.shape[1:], num_classes, about["mirror"])
        model.compile(
            _optimizer(about["network"], steps * epochs),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    first = int(model.optimizer.iterations) // steps
    if first and verbose:
        print(f"continuing after epoch {first}")
    for epoch in range(first, epochs):
        start = time.perf_counter()
        draws = np.random.default_rng((seed, epoch))
        order = draws.permutation(len(x))
        for state in _random_states(model):
            state.assign(draws.integers(2**32, size=state.shape, dtype=np.uint32))
        model.fit(
            x[order],
            y[order],
            batch_size,
            epochs=epoch + 1,
            initial_epoch=epoch,
            verbose=2 if verbose else 0,
            shuffle=False,
        )
        with temporary(weights) as name:
            model.save(name)
        seconds += time.perf_counter() - start
        write_json(notes, {"about": about, "seconds": seconds})
    return model, seconds


def _kept(out: Path) -> tuple[Path, Path]:
    """The files that keep an unfinished training: the model, and what it is."""
    return out.with_suffix(".partial.keras"), out.with_suffix(".partial.json")


def _resumed(weights: Path, notes: Path, about: dict[str, Any]) -> tuple[Any, float]:
    """The model and the seconds of a training with the same arguments, or None and 0."""
    try:
        before = json.loads(notes.read_text())
        if before["about"] == about:
            return keras.saving.load_model(weights), float(before["seconds"])
    except Exception:  # absent or damaged, of which Keras raises nearly anything
        pass  # training begins anew
    return None, 0.0


def _random_states(model: keras.Model) -> list[Any]:
    """The states of its seed generators, which .keras files do not hold."""
    saved = {id(variable) for variable in model.weights}
    return [v for v in model.variables if id(v) not in saved and "seed" in v.path]


def _optimizer(network: str, steps: int) -> keras.optimizers.Optimizer:
    """Adam; of the residual network momentum with a rate that rises to 0.1 and falls to 0."""
    if network == "convolutional":
        return keras.optimizers.Adam(1e-3)
    warmup = max(1, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warmup), warmup_target=0.1, warmup_steps=warmup
    )
    return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-3)
