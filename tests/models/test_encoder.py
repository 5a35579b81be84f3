"""An encoder of z: its loss, both networks' gradients, one optimizer, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import losses, models, networks
from improved_gan_tf.models import Objective
from reference import semi_supervised_terms as oracle
from tests.helpers.gradients import agree
from tests.helpers.model_cases import (
    OBJECTIVE,
    SHAPE,
    later_gan,
    semi_supervised_gan,
    three_streams,
)

RNG = np.random.RandomState(4)
Z, CODES = RNG.uniform(size=(5, 3)), RNG.randn(5, 6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_likelihood(jit_compile):
    of_latents, of_codes = oracle.latent_likelihood_gradients(Z, CODES)
    agree(lambda codes: oracle.latent_likelihood(Z, codes), CODES, of_codes)
    agree(lambda z: oracle.latent_likelihood(z, CODES), Z, of_latents)
    z, codes = tf.constant(Z), tf.constant(CODES)
    with tf.GradientTape() as tape:
        tape.watch([z, codes])
        loss = tf.function(losses.latent_likelihood, jit_compile=jit_compile)(z, codes)
    np.testing.assert_allclose(loss, oracle.latent_likelihood(Z, CODES), rtol=1e-9)
    for ours, theirs in zip(tape.gradient(loss, [z, codes]), (of_latents, of_codes), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def _linear_gan():
    """A linear encoder, whose gradients NumPy has."""
    keras.utils.set_random_seed(6)
    z = keras.Input((3,))
    images = keras.layers.Dense(4, activation="sigmoid")(z)
    generator = keras.Model(z, keras.layers.Reshape((2, 2, 1))(images))
    pictures = keras.Input((2, 2, 1))
    x = keras.layers.Dense(5, name="features")(keras.layers.Flatten()(pictures))
    discriminator = keras.Model(pictures, keras.layers.Dense(3)(x))
    shown = keras.Input((2, 2, 1))
    encoder = keras.Model(shown, keras.layers.Dense(6)(keras.layers.Flatten()(shown)))
    return models.SemiSupervisedGAN(generator, discriminator, seed=2, encoder=encoder)


def test_the_generators_step(float64):
    """Encoder and generator descend the objective with the term's weight, by one optimizer."""
    gan, seen, moved = _linear_gan(), {}, []

    def recorded(latents, images_fake, encoded, features_real, features_fake):
        seen.update(z=latents, images=images_fake, codes=encoded, real=features_real)
        seen["fake"] = features_fake
        return 0 * tf.reduce_sum(latents)

    gan.compile(
        objective=[Objective(losses.latent_likelihood, 0.3), "feature_matching", recorded],
        run_eagerly=True,
    )
    apply = gan.generator_optimizer.apply

    def keep(gradients, variables):
        moved.extend(zip([np.array(g) for g in gradients], variables, strict=True))
        return apply(gradients, variables)

    gan.generator_optimizer.apply = keep
    loss = gan._generator_step(
        {"unlabeled_generator": tf.random.uniform((7, 2, 2, 1), dtype="float64")}
    )
    seen = {name: np.asarray(value) for name, value in seen.items()}
    matching = np.mean((seen["fake"].mean(0) - seen["real"].mean(0)) ** 2)
    expected = 0.3 * oracle.latent_likelihood(seen["z"], seen["codes"]) + matching
    np.testing.assert_allclose(loss, expected, rtol=1e-9)
    variables = [*gan.generator.trainable_variables, *gan.encoder.trainable_variables]
    assert [id(v) for _, v in moved] == [id(v) for v in variables]
    upstream = 0.3 * oracle.latent_likelihood_gradients(seen["z"], seen["codes"])[1]
    images = seen["images"].reshape(7, -1)
    (_, _, kernel, bias) = (gradient for gradient, _ in moved)
    np.testing.assert_allclose(kernel, images.T @ upstream, rtol=1e-9)
    np.testing.assert_allclose(bias, upstream.sum(0), rtol=1e-9)


def test_the_generators_optimizer_moves_it():
    gan = later_gan(historical_averaging=0.01)
    before = [np.array(v) for v in gan.encoder.trainable_variables]
    gan.train_step(next(iter(three_streams())))
    for old, new in zip(before, gan.encoder.trainable_variables, strict=True):
        assert np.any(np.asarray(new) != old)
    count = len(gan.generator.trainable_variables) + len(before)
    assert len(gan.histories["generator"].means) == count


def test_without_a_term_it_rests():
    gan = later_gan(objective="feature_matching")
    assert gan.trained("generator") == gan.generator.trainable_variables


def test_refused():
    with pytest.raises(ValueError, match="takes encoded, which the model has no encoder for"):
        semi_supervised_gan(objective=OBJECTIVE)
    gan = semi_supervised_gan()
    wrong = networks.dense.encoder(SHAPE, 5, (4,))
    with pytest.raises(ValueError, match=r"the encoder must return \(N, 12\), .* not \(None, 10\)"):
        models.SemiSupervisedGAN(gan.generator, gan.discriminator, encoder=wrong)
