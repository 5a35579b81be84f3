"""The optimizers that a recipe's values give its two players: rates, decays, schedules."""

import math

import numpy as np
import pytest

from improved_gan_tf import experiments
from tests.helpers.one_line import refusal_of

STEPS = 7  # per epoch


def _optimizers(steps=STEPS, **values):
    recipe = experiments.override(experiments.get("digits"), epochs=4, **values)
    return experiments.experiment(recipe).optimizers(steps)


def _rates(optimizer, steps):
    found = []
    for step in steps:
        optimizer.iterations.assign(step)
        found.append(float(optimizer.learning_rate))
    return found


def test_both_players_have_the_same_values_by_default():
    for optimizer in _optimizers():
        assert optimizer.get_config()["learning_rate"] == pytest.approx(0.003)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.999)


def test_each_player_can_have_its_own():
    generator, discriminator = _optimizers(
        learning_rate=6e-4,
        generator_learning_rate=3e-4,
        generator_beta_1=0,
        beta_2=0.9999,
        generator_beta_2=0.99,
    )
    assert (generator.beta_1, generator.beta_2) == (0.0, 0.99)
    assert (discriminator.beta_1, discriminator.beta_2) == (0.5, 0.9999)
    rates = [_rates(optimizer, [0])[0] for optimizer in (generator, discriminator)]
    np.testing.assert_allclose(rates, [3e-4, 6e-4], rtol=1e-6)


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_cosine(decay):
    """rate / 2 (1 + cos(pi t / T)) over the last T steps, in both players at the same time."""
    values = {"learning_rate_decay": decay, "learning_rate_schedule": "cosine"}
    generator, discriminator = _optimizers(
        **values, generator_steps=3, generator_learning_rate=0.001
    )
    total, falling = 4 * STEPS, round(4 * STEPS * decay)
    steps = range(total + 1)

    def rate(step):
        past = max(0, step - (total - falling)) / falling
        return 0.5 * (1 + math.cos(math.pi * past))

    expected = np.array([rate(step) for step in steps])
    np.testing.assert_allclose(_rates(discriminator, steps), 0.003 * expected, atol=1e-9)
    found = _rates(generator, [3 * step for step in steps])
    np.testing.assert_allclose(found, 0.001 * expected, atol=1e-9)


def test_a_linear_fall_over_all_epochs():
    _, optimizer = _optimizers(learning_rate_decay=1)
    expected = 0.003 * np.array([1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(_rates(optimizer, range(0, 5 * STEPS, STEPS)), expected, rtol=1e-6)


def test_without_data_the_rate_is_constant():
    values = {"learning_rate_decay": 0.5, "learning_rate_schedule": "cosine"}
    optimizers = _optimizers(None, **values)
    for optimizer in optimizers:
        np.testing.assert_allclose(_rates(optimizer, [0, 10**6]), 0.003, rtol=1e-6)
    # As many variables as with data: what a checkpoint of the run holds.
    for one, other in zip(optimizers, _optimizers(**values), strict=True):
        assert [v.path for v in one.variables] == [v.path for v in other.variables]


def test_a_cosine_over_no_epochs_is_refused():
    refusal_of(_optimizers)(
        "digits: learning_rate_schedule cosine needs learning_rate_decay",
        learning_rate_schedule="cosine",
    )
