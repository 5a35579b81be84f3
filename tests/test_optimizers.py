"""Adam, the decay of the learning rate and the running average, by recordings and closed forms.

Tolerances are relative to an array's largest value: 1e-9 in float64, 1e-4 in float32 (rounding is
6e-8 per step, and a few steps are compared).
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf.optimizers import FinalDecay, InnerEpsilonAdam, debiased, update_average
from reference import adam, averaging
from tests.helpers.golden import close, entries, load, name

GIVEN = [entry for entry in entries("adam_updates") if "given" in entry["file"]]
(QUADRATIC,) = (entry for entry in entries("adam_updates") if "quadratic" in entry["file"])


@pytest.fixture(params=[("float64", 1e-9), ("float32", 1e-4)], ids=lambda p: p[0])
def precision(request):
    """(dtype, tolerance); Keras keeps the learning rate itself in its global float type."""
    before = keras.config.floatx()
    keras.config.set_floatx(request.param[0])
    yield request.param
    keras.config.set_floatx(before)


def optimizer(hyper):
    return InnerEpsilonAdam(learning_rate=hyper["lr"], beta_1=hyper["mom1"], beta_2=hyper["mom2"])


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("entry", GIVEN, ids=name)
def test_given_gradients(entry, precision, compiled):
    dtype, rtol = precision
    hyper, a = entry["hyper"], load(entry["file"])
    variables = [keras.Variable(a[f"p{i}_0"], dtype=dtype) for i in (0, 1)]
    ours = optimizer(hyper)
    ours.build(variables)

    def step(gradients):
        ours.apply(gradients, variables)

    if compiled:
        step = tf.function(step)
    moments = [v for v in ours.variables if v.shape in ((4, 3), (5,))]
    for s in range(1, hyper["steps"] + 1):
        step([tf.constant(a[f"g{i}_{s}"], dtype) for i in (0, 1)])
        for i, variable in enumerate(variables):
            close(variable, a[f"p{i}_{s}"], rtol)
            first, second = (m for m in moments if m.shape == variable.shape)
            close(first, a[f"v{i}_{s}"], rtol, atol=1e-30)
            close(second, a[f"mg{i}_{s}"], rtol, atol=1e-30)
    assert int(ours.iterations) + 1 == int(a["t_final"])


def test_quadratic(precision):
    dtype, rtol = precision
    hyper, a = QUADRATIC["hyper"], load(QUADRATIC["file"])
    p = keras.Variable(a["p_0"], dtype=dtype)
    curvature, centre = (tf.constant(a[k], dtype) for k in ("a", "c"))
    ours = optimizer(hyper)
    for s in range(1, hyper["steps"] + 1):
        with tf.GradientTape() as tape:
            cost = tf.reduce_sum(0.5 * curvature * (p - centre) ** 2 + 0.1 * p.value**4)
        close(cost, a[f"cost_{s}"], rtol)
        ours.apply([tape.gradient(cost, p.value)], [p])
        close(p, a[f"p_{s}"], rtol)


def test_epsilon_is_inside_the_root():
    """At gradients of 1e-6 Keras' own Adam, with the same epsilon, steps 76 times as far."""
    steps = []
    for ours in (InnerEpsilonAdam(1e-3), keras.optimizers.Adam(1e-3, epsilon=1e-8)):
        variable = keras.Variable(np.zeros(3))
        ours.apply([tf.fill((3,), 1e-6)], [variable])
        steps.append(float(variable[0]))
    # First step, in units of the rate: g / sqrt(g^2 + 1e-8) = 0.01, and, with the second moment
    # not yet corrected, r g / (r g + 1e-8) = 0.76 where r = sqrt(1 - beta_2).
    np.testing.assert_allclose(steps, [-1e-5, -7.6e-4], rtol=1e-3)


def test_schedule():
    """A learning rate that is a schedule is read at the step that is being made."""
    rates = [0.1, 0.1, 0.02, 0.02]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.02])
    variable, ours, oracle, p = (
        keras.Variable([1.0]),
        InnerEpsilonAdam(schedule),
        adam.Adam(),
        np.ones(1),
    )
    for rate in rates:
        ours.apply([tf.constant([0.5])], [variable])
        oracle.learning_rate = rate
        p = oracle.step(p, 0.5)
    close(variable, p, 1e-6)


def test_config_and_state(tmp_path):
    """A saved and loaded optimizer has the original one's state and continues as it does."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(InnerEpsilonAdam(0.01, beta_1=0.5, epsilon=1e-7, clipnorm=5.0), "mse")
    x, y = np.random.RandomState(0).randn(4, 3), np.ones((4, 2))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.beta_1 == 0.5 and loaded.optimizer.epsilon == 1e-7
    states = zip(model.optimizer.variables, loaded.optimizer.variables, strict=True)
    for one, other in states:
        np.testing.assert_array_equal(one, other)
    for one in (model, loaded):
        one.fit(x, y, verbose=0)
    # Two models are two compiled functions, whose sums may differ in float32's last digit.
    for one, other in zip(model.variables, loaded.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


# ---- the running average ------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-4, 0.1])
def test_average(rate, precision):
    dtype, rtol = precision
    history = np.random.RandomState(0).randn(40, 2, 3)
    variable, mean = keras.Variable(history[0], dtype=dtype), keras.Variable(np.zeros((2, 3)))
    close(debiased([mean], [variable], rate, 0)[0], history[0], rtol)  # no average yet
    for p in history:
        variable.assign(p)
        update_average([mean], [variable], rate)
    close(mean, averaging.average(history, rate), rtol)
    (value,) = debiased([mean], [variable], rate, len(history))
    # The debiasing weight is 1e-4 after one step of rate 1e-4 and must not cancel in float32.
    close(value, averaging.debiased(history, rate), rtol)


def test_average_as_recorded(precision):
    """One step from zero at rate 1e-4 with the parameters from before the update."""
    dtype, rtol = precision
    a = load("traj_cifar_fm.npz")
    variable = keras.Variable(a["d00_init"], dtype=dtype)
    mean = keras.Variable(np.zeros(variable.shape), dtype=dtype)
    update_average([mean], [variable], 1e-4)
    close(mean, a["d00_avg1"], rtol)


def test_average_needs_as_many_variables():
    with pytest.raises(ValueError):
        update_average([keras.Variable([1.0])], [], 0.1)


# ---- the decay of the learning rate -------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "fall"), [(1200, 400), (900, 300)])
def test_the_rates_of_the_original(epochs, fall):
    """lr min(3 - epoch / 400, 1), set once per epoch (CIFAR-10; SVHN: 300)."""
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


def test_schedule_saved_and_loaded(tmp_path):
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
def test_bad_schedules(arguments, message):
    with pytest.raises(ValueError, match=message):
        FinalDecay(*arguments)


def test_low_precision():
    """Its moments could not be kept in it: 1 - beta_2 is 0 in bfloat16."""
    with pytest.raises(ValueError, match="cannot keep its moments in bfloat16; for mixed prec"):
        InnerEpsilonAdam().build([keras.Variable([1.0], dtype="bfloat16")])
