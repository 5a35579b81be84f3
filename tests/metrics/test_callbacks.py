"""Figures in training: the Keras metric and the callback."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import metrics
from improved_gan_tf.errors import UserError
from reference import inception_score as oracle
from tests.helpers.small_model import logits_of, small_model

pytestmark = pytest.mark.filterwarnings("ignore:the Inception score of:UserWarning")


class _Wrapped:
    """Stands for Inception where its size would only cost time: a Keras model with the same
    outputs."""

    channels, num_classes, num_features, name, digest = 3, 5, 7, "tiny", "tiny"

    def __init__(self):
        model = small_model()
        outputs = {"logits": model.outputs[0], "pool_3": model.layers[-1].input}
        self.model = keras.Model(model.inputs[0], outputs)


def test_metric_equals_the_score(pixels):
    metric = metrics.InceptionScore(_Wrapped())
    expected = oracle.inception_score(
        oracle.softmax(logits_of(small_model(), pixels).astype(np.float64)), 1
    )[0]
    update = tf.function(metric.update_state)
    for start in range(0, 97, 40):
        update(pixels[start : start + 40])
    # The sums are float64, the logits float32.
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    scaled = metrics.InceptionScore(_Wrapped(), image_range=(-1, 1))
    scaled.update_state(pixels[:9] / 127.5 - 1)
    metric.update_state(pixels[:9])
    assert float(scaled.result()) == pytest.approx(float(metric.result()), rel=1e-4)


def test_metric_in_fit(pixels):
    """In `compile(metrics=...)` of a model whose output is images."""
    generator = keras.Sequential([keras.Input((6, 6, 3)), keras.layers.Conv2D(3, 1)])
    metric = metrics.InceptionScore(_Wrapped(), image_range=(0, 255))
    generator.compile("sgd", "mse", metrics=[metric])
    x = pixels[:64].astype(np.float32)
    history = generator.fit(x / 255, x / 255, epochs=1, batch_size=32, verbose=0)
    assert 1 <= history.history["inception_score"][0] <= 5


def test_callback_scores_in_fit(pixels, classifier):
    reference = metrics.statistics_of(pixels, classifier=classifier)

    def sample(n, seed):
        return np.random.default_rng(seed).uniform(-1, 1, (n, 6, 6, 3))

    callback = metrics.ScoreCallback(
        120,
        every=2,
        sample=sample,
        image_range=(-1, 1),
        splits=4,
        classifier=classifier,
        reference=reference,
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(np.zeros((4, 2)), np.zeros(4), epochs=3, verbose=0, callbacks=[callback])
    scores = history.history["inception_score"]
    assert len(scores) == 2 and scores[0] == scores[1]  # epochs 2 and 3, the same images
    drawn = metrics.Drawn(sample, 120, 0, (-1, 1))
    found = metrics.inception_score(drawn, 4, classifier=classifier)
    assert scores[0] == pytest.approx(found.mean, rel=1e-6)
    assert history.history["inception_score_std"][0] == pytest.approx(found.std, rel=1e-5)
    assert history.history["fid"][0] == pytest.approx(
        metrics.fid(drawn, reference, classifier=classifier), rel=1e-6
    )


def test_metric_needs_a_network_for_the_graph(classifier):
    with pytest.raises(UserError, match="small is no network for a graph; use the ScoreCallback"):
        metrics.InceptionScore(classifier)


class _Gan(keras.Model):
    """Draws images in a range that it states."""

    image_range = (-2.0, 2.0)

    def sample(self, n, seed):
        return np.random.default_rng(seed).uniform(-2, 2, (n, 6, 6, 3))


def _logs(callback, model):
    """What the callback adds to the logs of the one epoch of a training."""
    callback.set_model(model)
    callback.set_params({"epochs": 1})
    logs = {}
    callback.on_epoch_end(0, logs)
    return logs


def test_callback_takes_range_and_images_from_the_model(pixels, classifier):
    """And a reference of images, whose statistics are computed once."""
    options = {"splits": 2, "classifier": classifier, "reference": pixels, "seed": 3}
    model = _Gan()
    logs = _logs(metrics.ScoreCallback(120, **options), model)
    drawn = metrics.Drawn(model.sample, 120, 3, (-2, 2))
    both = ("inception_score", "fid")
    expected = metrics.evaluate(drawn, classifier, reference=pixels, metrics=both, splits=2)
    assert logs["inception_score"] == expected.figures["inception_score"]["mean"]
    assert logs["fid"] == expected.figures["fid"]


def test_callback_with_metrics_of_its_own(pixels, classifier):
    """Those of features as well: the reference is held with its features."""
    names = ("fid", "kid", "precision", "coverage")
    options = {"classifier": classifier, "reference": pixels, "metrics": names}
    with pytest.raises(UserError, match="KID subsets of 1000 images cannot be drawn from 120"):
        metrics.ScoreCallback(120, **options)
    options["metrics"] = ("fid", *names[2:])
    model = _Gan()
    logs = _logs(metrics.ScoreCallback(120, **options), model)
    drawn = metrics.Drawn(model.sample, 120, 0, (-2, 2))
    expected = metrics.evaluate(drawn, **options)
    assert logs == expected.figures and list(logs) == ["fid", "precision", "coverage"]


def test_callback_refuses_before_training(pixels, classifier):
    with pytest.raises(UserError, match="3 images cannot be split"):
        metrics.ScoreCallback(3, classifier=classifier)
    with pytest.raises(UserError, match="every is a number of epochs from 1"):
        metrics.ScoreCallback(every=0, classifier=classifier)
    # As many features, but another classifier.
    other = metrics.OtherClassifier(small_model(), "other")
    reference = metrics.statistics_of(pixels, classifier=other)
    with pytest.raises(UserError, match="statistics by other .7 features. cannot be compared"):
        metrics.ScoreCallback(classifier=classifier, reference=reference)
