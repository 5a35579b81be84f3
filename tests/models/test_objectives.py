"""The generator's objective as parts: named, of one's own, weighted and saved."""

import keras
import numpy as np
import pytest
from keras import ops

from improved_gan_tf import losses, models
from improved_gan_tf.models import Objective
from tests.helpers.model_cases import SHAPE, assert_same, semi_supervised_gan, three_streams


@keras.saving.register_keras_serializable("tests")
def mine(features_real, features_fake, logits_fake, power=2.0):
    gap = ops.mean(ops.abs(ops.mean(features_real, 0) - ops.mean(features_fake, 0)) ** power)
    return gap - 0.1 * ops.mean(losses.log_sum_exp(logits_fake))


def _fit(gan):
    return gan.fit(three_streams(), verbose=0, shuffle=False).history


@pytest.mark.parametrize(
    "named, parts",
    [
        ("feature_matching", Objective(losses.feature_matching)),
        ("minibatch_discrimination", losses.minibatch_generator),
        ("minibatch_discrimination", ["minibatch_discrimination"]),
    ],
)
def test_the_named_objectives_are_these_parts(named, parts):
    one, other = semi_supervised_gan(objective=named), semi_supervised_gan(objective=parts)
    assert _fit(one) == _fit(other)
    assert_same(one, other)


def test_the_sum_of_weighted_terms():
    seen = {}

    def recorded(features_real, features_fake, logits_fake):
        seen.update(features=(features_real, features_fake), logits=logits_fake)
        return losses.feature_matching(features_real, features_fake)

    terms = [recorded, Objective(losses.minibatch_generator, 0.25)]
    gan = semi_supervised_gan(objective=terms, run_eagerly=True)
    loss = gan._generator_step(next(iter(three_streams())))
    expected = losses.feature_matching(*seen["features"])
    expected += 0.25 * losses.minibatch_generator(seen["logits"])
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "objective",
    [mine, Objective(mine, 0.5, power=1.0), ["feature_matching", Objective(mine, 0.1)]],
)
def test_one_of_ones_own_trains_and_is_saved(objective, tmp_path):
    gan = semi_supervised_gan(objective=objective)
    assert np.isfinite(_fit(gan)["generator_loss"]).all()
    assert gan.trains_generator
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.get_compile_config() == gan.get_compile_config()
    assert _fit(gan) == _fit(loaded)
    assert_same(gan, loaded)


def test_features_are_computed_only_where_an_objective_names_them():
    discriminator = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    gan = models.SemiSupervisedGAN(semi_supervised_gan().generator, discriminator)
    gan.compile(objective=lambda logits_real, logits_fake: ops.mean(logits_real - logits_fake))
    _fit(gan)
    with pytest.raises(ValueError, match='no layer named "features"'):
        gan.compile(objective=mine)


@pytest.mark.parametrize(
    "objective, message",
    [
        (lambda x: x, "an objective takes some of features_real, .*; x has no value"),
        (lambda x=1: x, "it takes none of them"),
        (3, "objective must be one of .*, a function of some of features_real.*not 3"),
        (["supervised"], "a list of these without supervised, not 'supervised'"),
    ],
)
def test_refused(objective, message):
    with pytest.raises(ValueError, match=message):
        semi_supervised_gan(objective=objective)


def test_values_of_a_term():
    with pytest.raises(ValueError, match="loss has no parameter powr; its .* logits_fake, power"):
        Objective(mine, powr=1.0)
    with pytest.raises(ValueError, match="weight must be a finite number of at least 0"):
        Objective(mine, weight="1")


@keras.saving.register_keras_serializable("tests")
def with_values(logits_fake, scale, activation, offsets=(0.0,), **others):
    return scale * ops.mean(activation(logits_fake)) + sum(offsets) + sum(others.values())


def test_its_values_are_saved(tmp_path):
    """Functions too; **others takes any."""
    values = {"scale": 2, "activation": keras.activations.relu, "offsets": [1.0, 2.0], "more": 3.0}
    gan = semi_supervised_gan(objective=Objective(with_values, 0.5, **values))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.objective.values == values
    assert _fit(gan) == _fit(loaded)
