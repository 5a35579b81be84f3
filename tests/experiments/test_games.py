"""The games of section 3.3: every step against oracles, and the claims about where they end."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf.experiments.games import GAMES, METHODS, WITHIN, descend, play, scan
from improved_gan_tf.regularizers import HistoricalAveraging
from reference import minimax as oracle
from tests.helpers.golden import close

every_game = pytest.mark.parametrize("game", GAMES.values(), ids=list(GAMES))
every_method = pytest.mark.parametrize("method", METHODS)
# Offsets from the equilibrium; in the second game x is below 0 at the last two.
OFFSETS = np.array([(1.5, 0.5), (0.3, -1.2), (-1.9, 0.4), (-1.2, -1.0)])


@every_game
@every_method
@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_steps_equal_the_oracle(game, method, weight):
    starts = game.equilibrium + OFFSETS
    found = np.stack(list(descend(game, starts, 80, method, 0.1, weight)), axis=1)
    assert found.shape == (4, 81, 2)
    for places, start in zip(found, starts, strict=True):
        expected = oracle.trajectory(game.name, start, 80, method, 0.1, weight)
        close(places, expected, 1e-9)


def value(game, x, y):
    if game.name == "xy":
        return x * y
    return (tf.where(x < 0, x, x**2) - 1) * (y - 1)


@every_game
@every_method
def test_steps_equal_those_of_historical_averaging(game, method):
    """Gradients by TensorFlow, a `HistoricalAveraging` for each player, Keras' plain descent."""
    start = game.equilibrium + OFFSETS[0]
    x, y = (keras.Variable(v, dtype="float64") for v in start)
    averaging = [HistoricalAveraging(0.3), HistoricalAveraging(0.3)]
    for each, player in zip(averaging, (x, y), strict=True):
        each.build([player])

    def gradient(player, sign, pull):
        with tf.GradientTape() as tape:
            cost = sign * value(game, x.value, y.value) + pull.penalty([player])
        found = tape.gradient(cost, player.value)
        pull.update([player])
        return found

    places = [start]
    for _ in range(25):
        for_x = gradient(x, 1, averaging[0])
        if method == "alternating":
            x.assign_sub(0.1 * for_x)
        for_y = gradient(y, -1, averaging[1])
        if method == "simultaneous":
            x.assign_sub(0.1 * for_x)
        y.assign_sub(0.1 * for_y)
        places.append((float(x), float(y)))
    found = np.stack(list(descend(game, start, 25, method, 0.1, 0.3)))
    close(found, np.array(places), 1e-12)


@every_game
@every_method
def test_averaging_converges_and_descent_does_not(game, method):
    starts = game.starts(40, seed=5)
    without = play(game, starts, 5000, method, 0.05, 0.0)
    assert without.share == 0
    if method == "alternating":  # orbits
        assert 0.95 < without.change < 1.05
    else:
        assert without.change > 100
    with_it = play(game, starts, 5000, method, 0.05, 0.1)
    assert with_it.share == 1 and with_it.change < 0.01
    # In the end as the analysis says, slowly.
    assert with_it.power == pytest.approx(game.power(0.1), rel=0.02)


@every_game
@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_large_weights_are_slow(game, weight):
    outcome = play(game, game.equilibrium + 0.1 * OFFSETS, 5000, "alternating", 0.1, weight)
    assert outcome.power == pytest.approx(game.power(weight), rel=0.1)


@every_game
@every_method
@pytest.mark.parametrize("weight", [0.05, 0.3, 1.0])
def test_limit_of_the_rate(game, method, weight):
    """Near the equilibrium steps settle below it, and leave above it."""
    limit, starts = game.limit(method, weight), game.equilibrium + 1e-3 * OFFSETS
    below, above = (
        play(game, starts, 1000, method, factor * limit, weight) for factor in (0.9, 1.1)
    )
    begin = game.distance(starts)
    assert (below.last < 0.9 * below.first).all() and (above.last > 1.2 * begin).all()


@every_game
def test_without_averaging_no_rate_settles(game):
    assert game.limit("simultaneous", 0) == game.limit("alternating", 0) == 0


def test_what_descent_does_on_xy():
    """Simultaneous steps multiply the distance by sqrt(1 + r^2); alternating ones keep a form."""
    game, rate = GAMES["xy"], 0.3
    simultaneous = np.stack(list(descend(game, OFFSETS, 50, "simultaneous", rate, 0.0)))
    factors = game.distance(simultaneous[1:]) / game.distance(simultaneous[:-1])
    np.testing.assert_allclose(factors, np.sqrt(1 + rate**2), rtol=1e-12)
    x, y = np.moveaxis(np.stack(list(descend(game, OFFSETS, 500, "alternating", rate, 0.0))), -1, 0)
    form = x**2 + y**2 - rate * x * y
    np.testing.assert_allclose(form, np.broadcast_to(form[0], form.shape), rtol=1e-9)


def test_outcome():
    """Levels, tenths, share and change of 30 steps, counted by hand."""
    game = GAMES["nonconvex"]
    starts = game.starts(21, seed=3)
    outcome = play(game, starts, 30, "alternating", 0.2, 0.2)
    distances = np.array(
        [
            np.hypot(
                *(np.array(oracle.trajectory(game.name, s, 30, "alternating", 0.2, 0.2)) - 1).T
            )
            for s in starts
        ]
    )
    ordered = np.sort(distances, axis=0)
    close(outcome.levels, ordered[[1, 10, 19]].T)
    first, last = distances[:, :4].mean(axis=1), distances[:, -4:].mean(axis=1)  # of 31 places
    close(outcome.first, first)
    close(outcome.last, last)
    close(outcome.worst, distances[:, -4:].max(axis=1))
    assert outcome.share == np.mean(outcome.worst <= WITHIN)
    close(outcome.change, np.median(last / first))


@every_game
def test_scan_plays_every_weight_and_rate(game):
    starts, rates, weights = game.starts(5, seed=0), (0.05, 0.2), (0.1, 0.4, 3.0)
    found = scan(game, starts, 300, "simultaneous", rates, weights)
    assert found.share.shape == found.change.shape == (3, 2)
    for i, weight in enumerate(weights):
        for j, rate in enumerate(rates):
            one = play(game, starts, 300, "simultaneous", rate, weight)
            assert found.share[i, j] == one.share and found.change[i, j] == one.change


def test_starts():
    starts = GAMES["nonconvex"].starts(1000, seed=1)
    assert starts.min() >= -1 and starts.max() <= 3 and np.ptp(starts) > 3.9
    np.testing.assert_array_equal(starts[:10], GAMES["nonconvex"].starts(10, seed=1))
    assert not np.array_equal(starts, GAMES["nonconvex"].starts(1000, seed=2))


@pytest.mark.filterwarnings("error")
@every_game
@every_method
@pytest.mark.parametrize(("rate", "weight"), [(1e308, 0.1), (3.0, 1e308), (1e200, 0.0)])
def test_overflow_is_an_infinite_distance(game, method, rate, weight):
    outcome = play(game, game.starts(6, seed=0), 40, method, rate, weight)
    assert (
        outcome.share == 0 and np.isinf(outcome.last).all() and not np.isnan(outcome.levels).any()
    )
    assert outcome.change == np.inf and np.isnan(outcome.power)
