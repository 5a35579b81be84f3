"""From images to figures: measurement, other classifiers, the metric, the callback."""

import resource

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from improved_gan_tf import inception, metrics
from improved_gan_tf.errors import UserError
from improved_gan_tf.metrics.extraction import LogitFile, extract
from improved_gan_tf.metrics.image_files import FolderSource
from improved_gan_tf.metrics.sources import open_images
from reference import inception_score as oracle

pytestmark = pytest.mark.filterwarnings("ignore:the Inception score of:UserWarning")


def small_model(channels=3, softmax=False, size=6, classes=5):
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((size, size, channels)),
            layers.Rescaling(1 / 32),
            layers.Flatten(),
            layers.Dense(7, activation="tanh"),
            layers.Dense(classes, activation="softmax" if softmax else None),
        ]
    )


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (97, 6, 6, 3), dtype=np.uint8)


@pytest.fixture
def classifier():
    return metrics.OtherClassifier(small_model(), "small")


def _logits(model, images):
    return model(images.astype(np.float32)).numpy()


def test_score_of_an_array(pixels, classifier):
    p = oracle.softmax(_logits(small_model(), pixels).astype(np.float64))
    found = metrics.inception_score(pixels, splits=4, classifier=classifier)
    mean, std = found
    # float32 logits of two passes that may be batched differently.
    np.testing.assert_allclose((mean, std), oracle.inception_score(p, 4), rtol=1e-5)
    assert found.protocol["count"] == 97 and found.protocol["splits"] == 4
    assert found.protocol["classifier"] == "small" and found.protocol["shuffle_seed"] is None
    order = np.random.RandomState(2020).permutation(97)
    found = metrics.inception_score(pixels, 4, 2020, classifier=classifier, batch_size=10)
    np.testing.assert_allclose(found, oracle.inception_score(p[order], 4), rtol=1e-5)
    scores = metrics.image_scores(pixels, classifier=classifier)
    np.testing.assert_allclose(scores, (p * np.log(p / p.mean(0))).sum(1), rtol=1e-4, atol=1e-6)
    chosen = metrics.best(pixels, 0.1, classifier=classifier)
    assert len(chosen) == 10 and scores[chosen].min() >= np.sort(scores)[-10]


def test_fid_and_kid_of_arrays(pixels, classifier):
    model = small_model()
    features = keras.Model(model.inputs[0], model.layers[-1].input)
    x, y = pixels[:50], pixels[40:]
    f, g = (_logits(features, a).astype(np.float64) for a in (x, y))
    assert metrics.fid(x, y, classifier=classifier) == pytest.approx(
        oracle.frechet_distance(f, g), rel=1e-4
    )
    reference = metrics.statistics_of(y, classifier=classifier, keep_features=True)
    assert metrics.fid(x, reference, classifier=classifier) == pytest.approx(
        oracle.frechet_distance(f, g), rel=1e-4
    )
    mean, std = metrics.kid(x, reference, 1, 50, classifier=classifier)
    rng = np.random.RandomState(2020)
    rows = [rng.choice(len(a), 50, replace=False) for a in (f, g)]
    expected = oracle.kernel_distance(f[rows[0]], g[rows[1]])
    assert (mean, std) == (pytest.approx(expected, rel=1e-4), 0.0)


def test_few_images(classifier, pixels):
    with pytest.raises(UserError, match="9 images cannot be split into 10 parts"):
        metrics.inception_score(pixels[:9], classifier=classifier)
    with pytest.warns(UserWarning, match="97 images is biased"):
        metrics.inception_score(pixels, classifier=classifier)
    with pytest.warns(UserWarning, match="FID from 5 images, fewer than the 7 features"):
        metrics.fid(pixels[:5], pixels, classifier=classifier)
    with pytest.raises(UserError, match="1000 images cannot be drawn from 97"):
        metrics.kid(pixels, pixels, classifier=classifier)
    for options, message in (({"batch_size": 0}, "batch size"), ({"workers": -1}, "worker")):
        with pytest.raises(UserError, match=message):
            metrics.inception_score(pixels, classifier=classifier, **options)


def test_mixed_sizes_and_grey_reach_inception_at_its_size():
    """Each image is resized by itself, exactly as a batch of equals would be."""
    weights = inception.random_weights(2)
    network = metrics.Inception(weights)
    images = [
        np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)
        for i, shape in enumerate([(20, 30, 3), (40, 25, 1), (700, 600, 3)])
    ]
    logits = LogitFile()
    extract(open_images(images), network, logits, batch_size=3)
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
    expected = _logits(small_model(), pixels)
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
    expected = _logits(small_model(channels=1), np.stack([-np.ones((6, 6, 1)), np.ones((6, 6, 1))]))
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


# --- in training ---


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
        oracle.softmax(_logits(small_model(), pixels).astype(np.float64)), 1
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


def test_callback_scores_in_fit(pixels):
    classifier = metrics.OtherClassifier(small_model(), "small")
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
    with pytest.raises(UserError, match="3 images cannot be split"):
        metrics.ScoreCallback(3, classifier=classifier)


# --- memory and threads ---


def test_memory_does_not_grow_with_the_number_of_images():
    """Images that are made as they are asked for: 3,000 of them raise the peak by less than a
    tenth of what they take together."""

    def draw(n, seed):
        return np.random.default_rng(seed).integers(2, 256, (n, 256, 256, 3), dtype=np.uint8)

    class Mean(metrics.OtherClassifier):
        def __init__(self):
            self.channels, self.num_features, self.num_classes = 3, 3, 3
            self.name = self.digest = "mean"

        def __call__(self, images):
            found = images.mean(axis=(1, 2), dtype=np.float32)
            return found, found

    metrics.inception_score(metrics.Drawn(draw, 300), 1, classifier=Mean())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    metrics.inception_score(metrics.Drawn(draw, 3000), 1, classifier=Mean())
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert growth < 0.1 * 3000 * 256 * 256 * 3


def test_decoding_ahead_is_bounded_and_in_order(tmp_path):
    for i in range(60):
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(tmp_path / f"{i:02d}.png")
    started = []

    def prepare(image):
        started.append(int(image[0, 0, 0]))
        return image

    images = FolderSource(tmp_path).images(prepare, 3)
    first = [int(next(images)[0, 0, 0]) for _ in range(2)]
    assert first == [0, 1]
    assert max(started) < 2 + 3 * 4  # no more than four a thread in flight
    assert [int(image[0, 0, 0]) for image in images] == list(range(2, 60))
