"""Any `keras.Model` is a generator or a discriminator: functional, `Sequential`, subclassed."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import export, layers, models
from tests.helpers.model_cases import assert_same

SHAPE, LATENT = (4, 4, 1), 3
DENSE = keras.layers.Dense


def _generator_layers():
    return [DENSE(16, activation="sigmoid"), keras.layers.Reshape(SHAPE)]


def _discriminator_layers(name="features"):
    features = layers.WeightNorm(DENSE(5, activation="relu"), name=name)
    return [keras.layers.Flatten(), features, layers.HashedGaussianNoise(0.1), DENSE(3)]


@keras.saving.register_keras_serializable("tests")
class Chain(keras.Model):
    """A subclassed model that calls one layer after the other."""

    def __init__(self, player="discriminator", **kwargs):
        super().__init__(**kwargs)
        self.player = player
        made = _generator_layers() if player == "generator" else _discriminator_layers()
        self.chain = made

    def call(self, inputs, training=False):
        for layer in self.chain:
            noisy = isinstance(layer, layers.HashedGaussianNoise)
            inputs = layer(inputs, training=training) if noisy else layer(inputs)
        return inputs

    def get_config(self):
        return {**super().get_config(), "player": self.player}


def _sequential(start=True):
    inputs = ([keras.Input((LATENT,))], [keras.Input(SHAPE)]) if start else ([], [])
    parts = (_generator_layers(), _discriminator_layers())
    return [keras.Sequential(a + b) for a, b in zip(inputs, parts, strict=True)]


def _called(pair):
    pair[1](pair[0](np.zeros((7, LATENT), "float32")))
    return pair


def _half_called(pair):
    """The discriminator is built for the generator's images."""
    pair[0](np.zeros((7, LATENT), "float32"))
    return pair


def _built():
    pair = _sequential(start=False)
    pair[0].build((None, LATENT))
    pair[1].build((None, *SHAPE))
    return pair


def _nested():
    """The features are in a model inside the model."""
    inner = keras.Sequential([keras.Input(SHAPE), *_discriminator_layers()[:2]])
    return [_sequential()[0], keras.Sequential([keras.Input(SHAPE), inner, DENSE(3)])]


KINDS = {
    "sequential": _sequential,
    "sequential, called before": lambda: _called(_sequential()),
    "sequential, built": _built,
    "sequential without input, called": lambda: _called(_sequential(start=False)),
    "sequential without input, generator called": lambda: _half_called(_sequential(start=False)),
    "subclassed, called": lambda: _called([Chain("generator"), Chain()]),
    "subclassed, generator called": lambda: _half_called([Chain("generator"), Chain()]),
    "nested": _nested,
}


def _gan(pair, **arguments):
    gan = models.SemiSupervisedGAN(*pair, seed=1)
    gan.compile(jit_compile=False, **arguments)
    return gan


def _fit(gan, epochs=1):
    rng = np.random.RandomState(0)
    x, y = rng.uniform(size=(10, *SHAPE)).astype("float32"), rng.randint(3, size=10)
    streams = {"labeled": (x, y), "unlabeled": x, "unlabeled_generator": x}
    data = tf.data.Dataset.from_tensor_slices(streams).batch(5, drop_remainder=True)
    return gan.fit(data, epochs=epochs, verbose=0, shuffle=False).history


@pytest.mark.parametrize("kind", KINDS)
def test_any_model_trains_samples_and_is_saved(kind, tmp_path):
    keras.utils.set_random_seed(1)
    gan = _gan(KINDS[kind]())
    before = [np.array(v) for v in gan.trainable_variables]
    history = _fit(gan)
    assert all(np.isfinite(values).all() for values in history.values())
    for old, new in zip(before, gan.trainable_variables, strict=True):
        assert (old != np.array(new)).any()
    images = gan.sample(4, seed=1)
    assert images.shape == (4, *SHAPE)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.sample(4, seed=1), images)
    _fit(gan), _fit(loaded)
    assert_same(loaded, gan)


@pytest.mark.parametrize("kind", ["sequential without input, called", "subclassed, called"])
def test_any_generator_is_exported(kind, tmp_path):
    gan = _gan(KINDS[kind]())
    served = tf.saved_model.load(str(export.export(gan, tmp_path / "generator")))
    latents = gan.latent_vectors(2, seed=1)
    np.testing.assert_allclose(served.serve(latents), gan.images(latents), atol=1e-6)


def test_features_of_every_kind_are_the_same():
    """A layer's output, recorded in a call, is what the graph of layers gives."""
    keras.utils.set_random_seed(1)
    graph = _gan(_sequential())
    subclassed = _gan(_called([Chain("generator"), Chain()]))
    subclassed.discriminator.set_weights(graph.discriminator.get_weights())
    x = np.random.RandomState(0).uniform(size=(6, *SHAPE)).astype("float32")
    expected = graph.discriminator.get_layer("features")(x.reshape(6, -1))
    np.testing.assert_allclose(graph.features(x), expected, rtol=1e-6)
    np.testing.assert_allclose(subclassed.features(x), expected, rtol=1e-6)


def test_features_by_another_name(tmp_path):
    images = keras.Input(SHAPE)
    x = images
    for layer in _discriminator_layers("hidden"):
        x = layer(x)
    gan = models.SemiSupervisedGAN(_sequential()[0], keras.Model(images, x), features="hidden")
    gan.compile(jit_compile=False)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.features(np.zeros((2, *SHAPE))).shape == (2, 5)


def test_only_feature_matching_needs_features():
    discriminator = keras.Sequential([keras.Input(SHAPE), *_discriminator_layers("hidden")])
    with pytest.raises(ValueError, match='no layer named "features".*one of .*hidden') as error:
        _gan([_sequential()[0], discriminator])
    assert "\n" not in str(error.value)
    for objective in ("minibatch_discrimination", "supervised"):
        _fit(_gan([_sequential()[0], discriminator], objective=objective))


def test_imagenet_gan_of_sequential_networks():
    gan = models.ImageNetGAN(*_sequential(), seed=1)
    gan.compile()
    x, y = np.zeros((4, *SHAPE), "float32"), np.arange(4) % 2
    gan.fit(x, y, batch_size=4, verbose=0)
    assert gan.sample(2, seed=1).shape == (2, *SHAPE)


@pytest.mark.parametrize(
    "pair, message",
    [
        (lambda: [Chain("generator"), Chain()], "the generator chain.* has no shapes yet; start"),
        (lambda: ["generator", Chain()], "the generator must be a keras.Model, not str"),
        (
            lambda: [
                _sequential()[0],
                keras.Sequential([keras.Input((8, 8, 1)), *_discriminator_layers()]),
            ],
            r"draws images of shape \(4, 4, 1\), but the discriminator takes \(8, 8, 1\)",
        ),
        (
            lambda: [_sequential()[0], keras.Sequential([keras.Input(SHAPE), DENSE(3)])],
            r"must return logits of shape \(N, K\), not \(None, 4, 4, 3\)",
        ),
    ],
)
def test_refused(pair, message):
    with pytest.raises(ValueError, match=message) as error:
        models.SemiSupervisedGAN(*pair())
    assert "\n" not in str(error.value)
