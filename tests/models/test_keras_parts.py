"""What Keras' own parts do in the models: regularizers, averaging optimizers, dropout."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers, models, networks
from tests.helpers.model_cases import (
    SHAPE,
    assert_same,
    batches,
    imagenet_gan,
    labeled,
    semi_supervised_gan,
    three_streams,
)


def _flat(*stack, head=3):
    return keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), *stack, keras.layers.Dense(head)]
    )


def test_weight_regularizers():
    """Both players: a step of SGD shrinks a regularized weight by 2 * rate * strength * weight."""
    gan = semi_supervised_gan()
    for name in ("generator", "discriminator"):
        found = []
        for strength in (0.0, 0.25):
            gan = semi_supervised_gan(
                generator_optimizer=keras.optimizers.SGD(0.1),
                discriminator_optimizer=keras.optimizers.SGD(0.1),
            )
            variable = gan.player(name)[0].trainable_variables[0]
            variable.regularizer = keras.regularizers.L2(strength)
            start = np.asarray(variable)
            gan.train_step(next(iter(three_streams())))
            found.append(np.asarray(variable))
        np.testing.assert_allclose(found[1] - found[0], -0.05 * start, rtol=1e-3, atol=1e-6)


def test_regularizers_of_the_imagenet_gan():
    found = []
    for strength in (0.0, 0.25):
        gan = imagenet_gan(discriminator_optimizer=keras.optimizers.SGD(0.1))
        variable = gan.discriminator.trainable_variables[-1]
        variable.regularizer = keras.regularizers.L2(strength)
        variable.assign(start := np.ones(variable.shape, "float32"))
        gan.train_step(tuple(map(tf.constant, labeled(10))))
        found.append(np.asarray(variable))
    np.testing.assert_allclose(found[1] - found[0], -0.05 * start, rtol=1e-3, atol=1e-6)


def test_an_optimizer_that_averages():
    """`use_ema`: fit leaves the averages in the networks, as Keras' own fit does."""
    gan = semi_supervised_gan(
        generator_optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    )
    gan.fit(three_streams(), verbose=0)
    optimizer = gan.generator_optimizer
    for variable, average in zip(
        gan.generator.trainable_variables,
        optimizer._model_variables_moving_average,
        strict=True,
    ):
        np.testing.assert_array_equal(variable, average)


def test_dropout_of_a_reloaded_imagenet_gan(tmp_path):
    keras.utils.set_random_seed(1)
    discriminator = _flat(keras.layers.Dropout(0.5, seed=4), head=4)
    generator = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(64), keras.layers.Reshape(SHAPE)]
    )
    gan = models.ImageNetGAN(generator, discriminator, seed=1)
    gan.compile()
    data = batches(labeled())
    gan.fit(data, verbose=0, shuffle=False)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert gan.fit(data, verbose=0).history == loaded.fit(data, verbose=0).history
    assert_same(gan, loaded)


@pytest.mark.parametrize("nested", [False, True])
def test_a_generator_that_cannot_be_frozen(nested):
    """A `Sequential`, or a network in a network: its reference batch goes along."""
    stack = [keras.Input((6,)), layers.ReferenceBatch(4), keras.layers.Dense(64)]
    stack += [layers.VirtualBatchNorm(4), layers.DropReference(4), keras.layers.Reshape(SHAPE)]
    generator = keras.Sequential(stack)
    if nested:
        z = keras.Input((6,))
        generator = keras.Model(z, generator(z))
    gan = models.ImageNetGAN(generator, _flat(head=4), seed=1)
    images = gan.sample(3, seed=1)
    assert images.shape == (3, *SHAPE)
    np.testing.assert_allclose(images[:1], gan.images(gan.latent_vectors(3, 1)[:1]), atol=1e-5)


def test_the_original_average_before_it_begins():
    """It starts at 0, with which weight normalization has no answer."""
    gan = semi_supervised_gan()
    pair = gan.generator, networks.dense.discriminator(SHAPE, 3, (12, 8))
    original = models.SemiSupervisedGAN(*pair, average="original")
    x, y = labeled()
    np.testing.assert_array_equal(original(x), original.discriminator(x))
    rates = original.error_rates([(x, y)])
    assert rates["error_original_average"] == rates["error_current"]
    original.compile(average_start=5)
    original.fit(three_streams(), epochs=1, verbose=0)
    np.testing.assert_array_equal(original(x), original.discriminator(x))


@pytest.mark.parametrize("given", ["auto", True, False])
def test_what_is_saved_of_jit_compile(given, tmp_path):
    """What was given: "auto" may be another choice on the machine that loads the model."""
    gan = semi_supervised_gan(jit_compile=given)
    assert gan.jit_compile is (given != False)  # noqa: E712
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.get_compile_config()["jit_compile"] == given
    assert loaded.jit_compile is gan.jit_compile
