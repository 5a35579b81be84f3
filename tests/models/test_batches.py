"""Batches of a user's own: their types and shapes, one batch alone, and the float64 policy."""

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import data, experiments
from tests.helpers.model_cases import BATCH, batches, imagenet_gan, labeled, semi_supervised_gan

X, Y = labeled()
X = X.round(2).astype("float16").astype("float32")  # what every type can hold


def _streams(x=X, y=Y):
    return batches({"labeled": (x, y), "unlabeled": x})


def _history(dataset):
    return semi_supervised_gan().fit(dataset, verbose=0).history


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_images_of_another_type(dtype):
    assert _history(_streams(X.astype(dtype))) == _history(_streams())


@pytest.mark.parametrize(
    "x, y, message",
    [
        (X.astype("uint8"), Y, "labeled images must be .* floating type .*not uint8; scale them"),
        (X[..., 0], Y, r"labeled has shape \(10, 8, 8\).*; give labeled\[..., None\]"),
        (X[:, :4], Y, r"labeled has shape \(10, 4, 8, 1\)"),
        (X, np.eye(3)[Y], r"must have shape \(N,\).*convert one-hot labels with argmax"),
    ],
)
def test_what_training_refuses(x, y, message):
    with pytest.raises(ValueError, match=message):
        _history(_streams(x, y))


@pytest.mark.parametrize("make", [semi_supervised_gan, imagenet_gan])
def test_what_testing_refuses(make):
    with pytest.raises(ValueError, match="convert one-hot labels with argmax"):
        make().evaluate(batches((X, np.eye(3)[Y])), verbose=0)
    with pytest.raises(ValueError, match=r"\(images, labels\).* weights of examples"):
        make().evaluate(batches((X, Y, np.ones(len(Y)))), verbose=0)


def test_one_batch_alone():
    batch = {"labeled": (X[:BATCH], Y[:BATCH]), "unlabeled": X[:BATCH]}
    gan, other = semi_supervised_gan(), semi_supervised_gan()
    logs = gan.train_on_batch(batch, return_dict=True)
    expected = other.fit(_streams(X[:BATCH], Y[:BATCH]), verbose=0).history
    assert {name: [float(value)] for name, value in logs.items()} == expected
    assert gan.test_on_batch(X, Y) == other.evaluate(X, Y, batch_size=len(Y), verbose=0)
    with pytest.raises(ValueError, match="not a tuple of 3"):
        gan.train_on_batch(X, Y)


def test_a_generator():
    """Keras takes tuples alone from one."""

    def endless():
        while True:
            yield ({"labeled": (X[:BATCH], Y[:BATCH]), "unlabeled": X[:BATCH]},)

    gan = semi_supervised_gan()
    gan.fit(endless(), steps_per_epoch=3, verbose=0)
    assert int(gan.generator_optimizer.iterations) == 3


def test_float64(float64):
    gan = semi_supervised_gan()
    for given in ((X, Y), (_streams(),)):
        history = gan.fit(*given, verbose=0).history
        assert np.isfinite(list(history.values())).all()
    assert gan(X).dtype == gan.averages[0].dtype == tf.float64
    digits = data.load("digits", labels_per_class=10, batch_size=100)
    gan = experiments.build("digits", digits, seed=1)
    history = gan.fit(digits, validation_data=digits.test, verbose=0).history
    assert history["val_error"][0] < 0.9
