"""Inception and other classifiers: what they take and give."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf import data, inception, metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.extraction import LogitFile, extract
from reference import inception_score as oracle
from tests.helpers.small_model import logits_of, small_model

pytestmark = pytest.mark.filterwarnings("ignore:the Inception score of:UserWarning")


def test_mixed_sizes_and_grey_reach_inception_at_its_size():
    """Each image is resized by itself, exactly as a batch of equals would be."""
    weights = inception.random_weights(2)
    network = metrics.Inception(weights)
    images = [
        np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)
        for i, shape in enumerate([(20, 30, 3), (40, 25, 1), (700, 600, 3)])
    ]
    logits = LogitFile()
    extract(data.as_images(images), network, logits, batch_size=3)
    assert logits.shape == (3, 1008)
    for i, image in enumerate(images):
        alone = network(np.repeat(image, 3 // image.shape[2], axis=2)[None].astype(np.float32))
        # Relative to the largest logit: another batch size, another order of additions.
        error = np.abs(alone[1] - logits[i : i + 1]).max() / np.abs(alone[1]).max()
        assert error < 1e-5
    # The 700 x 600 one was made smaller where it was decoded.
    assert network.prepare(images[2]).shape == (299, 299, 3)
    assert network.prepare(images[1]).shape == (40, 25, 3)


def test_other_classifiers(pixels, tmp_path):
    expected = logits_of(small_model(), pixels)
    logits = metrics.OtherClassifier(small_model(), "a")(pixels)[1]
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    # Behind a softmax: the logits are those before it.
    behind = metrics.OtherClassifier(small_model(softmax=True), "b")(pixels)[1]
    np.testing.assert_allclose(behind, expected, rtol=1e-5, atol=1e-5)

    class Subclass(keras.Model):  # no graph of layers: probabilities, and no features
        def __init__(self):
            super().__init__()
            self.inner = small_model(softmax=True)
            self.build((None, 6, 6, 3))

        def call(self, x):
            return self.inner(x)

        @property
        def input_shape(self):
            return (None, 6, 6, 3)

    plain = metrics.OtherClassifier(Subclass(), "c")
    features, found = plain(pixels)
    assert features is None and plain.num_features is None
    p = oracle.softmax(expected.astype(np.float64))
    np.testing.assert_allclose(found, np.log(p), rtol=1e-4, atol=1e-4)
    with pytest.raises(UserError, match="gives no features"):
        metrics.fid(pixels, pixels, classifier=plain)

    # As files.
    small_model().save(tmp_path / "m.keras")
    archive = keras.export.ExportArchive()
    model = small_model()
    archive.track(model)
    spec = tf.TensorSpec((None, 6, 6, 3), tf.float32)
    archive.add_endpoint("serve", lambda x: {"logits": model(x), "features": x[:, 0, :, 0]}, [spec])
    archive.write_out(str(tmp_path / "sm"), verbose=False)
    for name in ("m.keras", "sm"):
        loaded = metrics.load_classifier(tmp_path / name)
        np.testing.assert_allclose(loaded(pixels)[1], expected, rtol=1e-5, atol=1e-5)
        assert loaded.digest.startswith("sha256:") and loaded.num_features in (6, 7)


def test_other_classifiers_get_their_channels_size_and_range(pixels):
    grey = metrics.OtherClassifier(small_model(channels=1), "grey", image_range=(-1, 1))
    image = Image.fromarray(pixels[0])
    np.testing.assert_array_equal(grey.prepare(pixels[0])[..., 0], np.asarray(image.convert("L")))
    floats = grey.prepare(pixels[0].astype(np.float32))
    np.testing.assert_allclose(floats[..., 0], np.asarray(image.convert("L")), atol=0.51)
    black_and_white = np.stack([np.zeros((6, 6, 1)), np.full((6, 6, 1), 255)])
    scaled = black_and_white / 127.5 - 1
    expected = logits_of(small_model(channels=1), scaled)
    np.testing.assert_allclose(grey(black_and_white)[1], expected, rtol=1e-4, atol=1e-5)
    with pytest.warns(UserWarning, match="12 x 18 are resized to the classifier's 6 x 6"):
        assert grey(np.zeros((2, 12, 18, 1)))[1].shape == (2, 5)


def test_what_is_no_classifier(tmp_path):
    with pytest.raises(UserError, match="there is no such classifier"):
        metrics.load_classifier(tmp_path / "x.keras")
    (tmp_path / "x.keras").write_bytes(b"PK nothing")
    (tmp_path / "sm").mkdir()
    for name in ("x.keras", "sm"):
        with pytest.raises(UserError, match="cannot be loaded as a classifier") as error:
            metrics.load_classifier(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="expected .N, height, width"):
        metrics.OtherClassifier(keras.Sequential([keras.Input((9,)), keras.layers.Dense(3)]), "a")


def test_code_in_a_keras_file_is_not_executed(tmp_path):
    layers = [keras.Input((4, 4, 1)), keras.layers.Lambda(lambda x: x + 1), keras.layers.Flatten()]
    keras.Sequential([*layers, keras.layers.Dense(2)]).save(tmp_path / "x.keras")
    with pytest.raises(UserError, match="cannot be loaded as a classifier .*unsafe|lambda"):
        metrics.load_classifier(tmp_path / "x.keras")


def test_large_images_are_resized_one_by_one():
    """Otherwise a batch of them would be in memory at their own size; the result is the same."""
    classifier = metrics.OtherClassifier(small_model(), "small")
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), np.uint8)
    with pytest.warns(UserWarning, match="are resized"):
        prepared = [classifier.prepare(image) for image in images]
    assert {image.shape for image in prepared} == {(6, 6, 3)}
    np.testing.assert_array_equal(classifier(np.stack(prepared))[1], classifier(images)[1])


def test_inception_reads_its_weights_when_they_are_needed(tmp_path):
    weights = inception.random_weights(2)
    path = inception.save_weights(tmp_path / "own.npz", weights)
    checked = metrics.Inception(path)  # nothing is read yet
    with pytest.raises(UserError, match="is not a published file"):
        checked(np.zeros((1, 8, 8, 3)))
    fingerprint = inception.fingerprint(weights)
    assert metrics.Inception(path, fingerprint=fingerprint).digest == f"arrays:{fingerprint}"
    with pytest.raises(UserError, match="fingerprint"):
        _ = metrics.Inception(path, fingerprint="0").digest
