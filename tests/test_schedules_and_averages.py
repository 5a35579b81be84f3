"""The decay of the learning rate: the original's numbers, exact resume, every way of compiling."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf.optimizers import FinalDecay, InnerEpsilonAdam


@pytest.mark.parametrize(("epochs", "fall"), [(1200, 400), (900, 300)])
def test_the_rates_of_the_original(epochs, fall):
    """lr min(3 - epoch / 400, 1), set once an epoch (CIFAR-10; SVHN: 300)."""
    schedule = FinalDecay(0.0003, 7, epochs, 1 / 3)
    every = np.arange(epochs)
    expected = 0.0003 * np.minimum(3 - every / fall, 1)
    for step_of_epoch in (0, 6):
        rates = schedule(tf.constant(7 * every + step_of_epoch, tf.int64))
        np.testing.assert_allclose(rates, expected, rtol=1e-5)
    np.testing.assert_array_equal(schedule(tf.constant([7 * epochs, 9 * epochs])), 0)
    assert float(schedule(7 * epochs - 1)) == pytest.approx(0.0003 / fall)


def test_epochs_of_unknown_length():
    """The rate stays as it begins."""
    np.testing.assert_allclose(FinalDecay(0.3, None, 4, 0.5)(tf.constant([0, 10**9])), 0.3)


def test_whole_epochs_are_counted_exactly():
    """Also at counts that float32 cannot hold: 1,200 epochs of 14,001 steps."""
    schedule = FinalDecay(1.0, 14_001, 1200, 1.0)
    for epoch in (1, 1198, 1199):
        before, at = (float(schedule(14_001 * epoch + i)) for i in (-1, 0))
        assert before == pytest.approx((1201 - epoch) / 1200)
        assert at == pytest.approx((1200 - epoch) / 1200)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_adam_follows_it(jit_compile):
    """With gradients of one sign and size Adam's step is the rate itself."""
    variable = keras.Variable(np.zeros(1))
    adam = InnerEpsilonAdam(FinalDecay(0.5, 2, 4, 0.5), epsilon=0.0)
    adam.build([variable])

    @tf.function(jit_compile=jit_compile)
    def step():
        adam.apply([tf.constant([3.0])], [variable])

    places = [0.0]
    for _ in range(10):
        step()
        places.append(-float(variable[0]))
    expected = [0.5] * 4 + [0.5] * 2 + [0.25] * 2 + [0.0] * 2
    np.testing.assert_allclose(np.diff(places), expected, atol=1e-5)


def test_saved_and_loaded(tmp_path):
    """Loaded in the middle of the fall, it goes on bit for bit."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(InnerEpsilonAdam(FinalDecay(0.1, 4, 3, 0.7), beta_1=0.5), "mse")
    x, y = np.random.RandomState(0).randn(8, 3), np.ones((8, 2))
    model.fit(x, y, batch_size=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    schedule = loaded.optimizer._learning_rate
    assert type(schedule) is FinalDecay
    assert schedule.get_config() == model.optimizer._learning_rate.get_config()
    for one in (model, loaded):
        one.fit(x, y, batch_size=2, epochs=2, shuffle=False, verbose=0)
    assert float(loaded.optimizer.learning_rate) == 0
    for one, other in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, 0, 5, 0.5), "at least 1, not 0 and 5"),
        ((0.1, 5, 0, 0.5), "at least 1, not 5 and 0"),
        ((0.1, 5, 5, 0.0), "decay must be above 0 and at most 1, not 0.0"),
        ((0.1, 5, 5, 1.5), "decay must be above 0"),
        ((0.0, 5, 5, 0.5), "initial_learning_rate must be above 0, not 0.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        FinalDecay(*arguments)
