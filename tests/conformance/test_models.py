"""The contract of every model: one interface, configs, files, exact resume, export, errors.

What each computes is tested in tests/models.
"""

import inspect

import keras
import numpy as np
import pytest

from improved_gan_tf import export
from improved_gan_tf.models.gan import GAN
from tests.helpers.model_cases import (
    MODELS,
    SHAPE,
    assert_same,
    batches,
    imagenet_gan,
    labeled,
    semi_supervised_gan,
    state,
)

every_model = pytest.mark.parametrize("which", MODELS)


def made(which, **values):
    return MODELS[which][0](**values)


def own_config(gan):
    """The configuration without the networks, whose ids of shared objects may differ."""
    return {k: v for k, v in gan.get_config().items() if k not in gan.networks}


def fit(gan, which, epochs=1, seed=0, **values):
    data = MODELS[which][1](seed)
    return gan.fit(data, epochs=epochs, verbose=0, shuffle=False, **values).history


@every_model
def test_one_interface(which):
    """The methods that callers use have the base's signatures, whatever the model."""
    kind = type(made(which))
    names = ("sample", "images", "latent_vectors", "serving_generator", "draw_latents")
    for name in names:
        signature = inspect.signature(getattr(kind, name))
        base = inspect.signature(getattr(GAN, name))
        assert list(signature.parameters.values()) == list(base.parameters.values()), name
    start = list(inspect.signature(GAN).parameters)[:4]
    assert start == ["generator", "discriminator", "seed", "image_range"]
    assert list(inspect.signature(kind).parameters)[:4] == start


@every_model
def test_config(which):
    gan = made(which, image_range=(-0.25, 2))
    again = type(gan).from_config(gan.get_config())
    assert again.image_range == (-0.25, 2.0)
    assert again.get_config() == gan.get_config()
    gan.compile_from_config(gan.get_compile_config())


@pytest.fixture(scope="module", params=MODELS)
def trained(request):
    """(a model after an epoch, the history of its `fit`); no test may train it further."""
    gan = made(request.param, image_range=(-2.0, 1.5))
    return gan, fit(gan, request.param, validation_data=batches(labeled(20, seed=5)))


def test_reported_names_are_those_of_the_logs(trained):
    gan, history = trained
    assert set(history) == set(gan.reported)
    assert all(np.isfinite(values).all() for values in history.values())
    assert gan.trains_generator


@every_model
@pytest.mark.long
def test_files_go_on_bit_for_bit(which, tmp_path):
    """Both optimizers, averages, random states and the range are in the files."""
    uninterrupted = made(which, image_range=(-2.0, 1.5))
    fit(uninterrupted, which)
    uninterrupted.save(tmp_path / "gan.keras")
    uninterrupted.save_weights(tmp_path / "gan.weights.h5")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert own_config(loaded) == own_config(uninterrupted)
    assert loaded.get_compile_config() == uninterrupted.get_compile_config()
    assert loaded.image_range == (-2.0, 1.5)
    other = made(which, seed=7)
    other.seed = uninterrupted.seed  # ImageNet's draws are a function of it
    other.load_weights(tmp_path / "gan.weights.h5")
    for gan in (loaded, other):
        assert_same(gan, uninterrupted)
    for gan in (uninterrupted, loaded, other):
        fit(gan, which, seed=1)
    for gan in (loaded, other):
        assert_same(gan, uninterrupted)


def test_sample(trained):
    gan, _ = trained
    before = state(gan)
    images = gan.sample(7, seed=3)
    assert images.shape == (7, *SHAPE) and images.dtype == np.float32
    low, high = gan.image_range
    assert low <= images.min() and images.max() <= high
    np.testing.assert_array_equal(images, gan.sample(7, seed=3))
    assert np.abs(images - gan.sample(7, seed=4)).max() > 1e-4
    # An image does not depend on the others of its batch, nor on how many are made at once.
    latents = gan.latent_vectors(7, 3)
    first = keras.tree.map_structure(lambda z: z[:1], latents)
    np.testing.assert_allclose(images[:1], gan.images(first), atol=1e-5)
    at_once, gan.images_at_once = gan.images_at_once, 3
    np.testing.assert_allclose(images, gan.sample(7, seed=3), atol=1e-5)
    gan.images_at_once = at_once
    for old, new in zip(before, state(gan), strict=True):
        np.testing.assert_array_equal(old, new)
    assert np.abs(gan.sample(7) - gan.sample(7)).max() > 1e-4  # without a seed: others each time
    for z in keras.tree.flatten(latents):
        assert gan.latent_range[0] <= z.min() and z.max() < gan.latent_range[1]
    for function in (gan.sample, gan.latent_vectors):
        with pytest.raises(ValueError, match="n must be at least 1, not 0"):
            function(0)


def test_batch_statistics():
    gan = semi_supervised_gan()
    before, images = state(gan), gan.sample(7, seed=3)
    coupled = gan.sample(7, seed=3, batch_statistics=True)
    assert np.abs(coupled - images).max() > 1e-4
    for old, new in zip(before, state(gan), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match="virtual batch normalization never uses the other"):
        imagenet_gan().sample(7, seed=3, batch_statistics=True)


def test_saved_model(trained, tmp_path):
    """The served generator equals the trained one for any batch size, and knows its range."""
    import tensorflow as tf

    gan, _ = trained
    path = export.export(gan, tmp_path / "generator")
    loaded = tf.saved_model.load(str(path))
    for n in (1, 5):
        latents = gan.latent_vectors(n, seed=n)
        z = [tf.constant(x) for x in keras.tree.flatten(latents)]
        np.testing.assert_allclose(loaded.serve(*z), gan.images(latents), atol=1e-5)
        named = {x.name: value for x, value in zip(gan.generator.inputs, z, strict=True)}
        (served,) = loaded.signatures["serve"](**named).values()
        np.testing.assert_array_equal(served, loaded.serve(*z))
    exported = export.open_generator(path)
    assert exported.image_range == (-2.0, 1.5)
    drawn = exported.draw(3, 7)
    assert drawn.shape == (3, *SHAPE)
    np.testing.assert_array_equal(drawn, exported.draw(3, 7))
    assert np.abs(drawn - exported.draw(3, 8)).max() > 1e-4


@pytest.mark.long
@every_model
def test_mixed_precision(which):
    """In float16, with scaled losses; tests/models compares bfloat16 with float32."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        optimizer, scaled = made(which).default_optimizer, keras.optimizers.LossScaleOptimizer
        names = ("generator_optimizer", "discriminator_optimizer")
        gan = made(which, jit_compile=False, **{name: scaled(optimizer()) for name in names})
    finally:
        keras.config.set_dtype_policy("float32")
    before = [np.array(v) for v in gan.trainable_variables]
    history = fit(gan, which)
    assert all(np.isfinite(values).all() for values in history.values())
    assert {v.dtype for v in gan.trainable_variables} == {"float32"}
    moved = [not np.array_equal(a, b) for a, b in zip(before, gan.trainable_variables, strict=True)]
    assert np.mean(moved) > 0.9


@every_model
def test_refused(which):
    gan = made(which)
    shared = gan.default_optimizer()
    with pytest.raises(ValueError, match="need separate optimizers"):
        gan.compile(shared, shared)
    inputs = keras.Input((4, 4, 1))
    other = keras.Model(inputs, keras.layers.Flatten(name="features")(inputs))
    with pytest.raises(ValueError, match="draws images of shape .* discriminator takes"):
        type(gan)(gan.generator, other)
    for wrong in ((1.0, 0.0), (0.0, float("inf")), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match=r"image_range must be \(low, high\)"):
            type(gan)(gan.generator, gan.discriminator, image_range=wrong)
