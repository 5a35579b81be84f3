"""Historical averaging against the mean of all past values, taken at once."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import improved_gan_tf as ig
from improved_gan_tf.regularizers import HistoricalAveraging
from reference import historical_averaging as oracle
from tests.helpers.golden import PRECISIONS, close
from tests.helpers.gradients import agree

SHAPES = [(4, 3), (5,), ()]


def history(steps, seed=0):
    """Parameters of every step: random walks that begin away from 0."""
    rng = np.random.RandomState(seed)
    return [2 + np.cumsum(rng.randn(steps, *shape), axis=0) for shape in SHAPES]


def variables(dtype="float32"):
    return [keras.Variable(np.zeros(shape), dtype=dtype) for shape in SHAPES]


def filled(steps=3, weight=0.3):
    """Averaging with a past of `steps` values, and the variables."""
    theta, averaging = variables(), HistoricalAveraging(weight)
    averaging.build(theta)
    for values in zip(*history(steps), strict=True):
        averaging.update(values)
    return averaging, theta


def same_state(one, other):
    assert len(one.weights) == len(other.weights) == 1 + len(SHAPES)
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("compiled", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_penalty_gradient_and_state(dtype, compiled):
    """Of every step; in float32 the rounding of 60 updates is far below the tolerance."""
    weight, past = 0.3, history(60)
    theta, averaging = variables(dtype), HistoricalAveraging(weight)
    averaging.build(theta)
    assert [mean.dtype for mean in averaging.means] == [dtype] * len(SHAPES)

    def step():
        with tf.GradientTape() as tape:
            penalty = averaging.penalty(theta)
        gradients = tape.gradient(penalty, [v.value for v in theta])
        averaging.update(theta)
        return penalty, gradients

    if compiled is not None:
        step = tf.function(step, jit_compile=compiled)
    for t in range(60):
        for variable, values in zip(theta, past, strict=True):
            variable.assign(values[t])
        penalty, gradients = step()
        assert penalty.dtype == dtype
        if t == 0:
            assert float(penalty) == 0 and not any(np.any(g) for g in gradients)
            continue
        pairs = [(values[t], values[:t]) for values in past]
        expected = sum(oracle.penalty(now, before, weight) for now, before in pairs)
        close(penalty, expected, PRECISIONS[dtype])
        for gradient, (now, before) in zip(gradients, pairs, strict=True):
            close(gradient, oracle.gradient(now, before, weight), PRECISIONS[dtype])
    for mean, values in zip(averaging.means, past, strict=True):
        close(mean, values.mean(axis=0), PRECISIONS[dtype])
    assert int(averaging.count) == 60


def test_oracle():
    past, theta = history(7)[0], history(1, seed=1)[0][0]
    gradient = oracle.gradient(theta, past, 0.3)
    agree(lambda x: oracle.penalty(x, past, 0.3), theta, gradient)


def test_the_documented_step_of_training():
    """Penalty, update, then the optimizer's step: the past is theta[1..t], without the present."""
    theta, averaging = keras.Variable([4.0, -1.0], dtype="float64"), HistoricalAveraging(0.3)
    averaging.build([theta])
    optimizer = keras.optimizers.SGD(0.125)
    now, past = np.array([4.0, -1.0]), []
    for _ in range(20):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(theta**2) + averaging.penalty([theta])
        gradient = tape.gradient(loss, theta.value)
        averaging.update([theta])
        optimizer.apply([gradient], [theta])
        slope = 2 * now + (oracle.gradient(now, past, 0.3) if past else 0)
        past.append(now)
        now = now - 0.125 * slope
        close(theta, now)


def test_float32_keeps_small_changes_over_many_updates():
    """20,000 values near 1 that differ by 1e-3: rounding is at worst 3e-8 t, 6e-4; here 1e-6."""
    values = (1 + 1e-3 * np.random.RandomState(0).randn(20_000)).astype("float32")
    averaging = HistoricalAveraging(1.0)
    averaging.build([keras.Variable(values[0])])

    @tf.function(jit_compile=True)
    def run(values):
        for value in values:
            averaging.update([value])

    run(tf.constant(values))
    close(averaging.means[0], values.astype("float64").mean(), 1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_low_precision_variables_have_means_in_float32(dtype):
    """1/3 + 1/300 would be 1/3 again in bfloat16."""
    theta = keras.Variable([1.0], dtype=dtype)
    averaging = HistoricalAveraging(0.5, dtype=dtype)
    averaging.build([theta])
    for value in [1.0] + [0.0] * 299:
        averaging.update([np.array([value])])
    assert averaging.means[0].dtype == "float32"
    close(averaging.means[0], [1 / 300], 1e-6)
    penalty = averaging.penalty([theta])
    assert keras.backend.standardize_dtype(penalty.dtype) == "float32"
    close(penalty, 0.5 * (1 - 1 / 300) ** 2, 1e-6)


def test_mixed_precision_policy():
    """Its variables are float32, and so are the means and the penalty."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        averaging, theta = filled()
        assert {v.dtype for v in averaging.means} == {"float32"}
        penalty = averaging.penalty(theta)
        expected = sum(oracle.penalty(0, past, 0.3) for past in history(3))
        close(penalty, expected, 1e-6)
    finally:
        keras.config.set_dtype_policy(before)


# ---- files --------------------------------------------------------------------------------------


class Holder(keras.Model):
    """A model with averaging of its one layer's variables."""

    def __init__(self, averaging=None, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2)
        self.averaging = HistoricalAveraging(0.25) if averaging is None else averaging

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.averaging.build(self.dense.trainable_variables)

    def call(self, inputs):
        return self.dense(inputs)


def held(seed):
    model = Holder()
    model.build((None, 3))
    rng = np.random.RandomState(seed)
    for _ in range(4):
        model.averaging.update([rng.randn(3, 2), rng.randn(2)])
    return model


def test_a_model_tracks_the_state_and_not_the_variables_twice():
    model = held(0)
    assert len(model.weights) == 2 + 3 and len(model.trainable_variables) == 2
    assert len(model.averaging.weights) == 3 and not model.averaging.trainable_variables


@pytest.mark.parametrize("form", ["keras", "weights", "checkpoint"])
def test_state_is_saved_with_a_model(form, tmp_path):
    model = held(0)
    if form == "keras":
        model.save(tmp_path / "model.keras")
        objects = {"Holder": Holder}
        other = keras.saving.load_model(tmp_path / "model.keras", custom_objects=objects)
        assert other.averaging.weight == 0.25
    else:
        other = held(1)
        if form == "weights":
            model.save_weights(tmp_path / "model.weights.h5")
            other.load_weights(tmp_path / "model.weights.h5")
        else:
            path = tf.train.Checkpoint(model=model).save(tmp_path / "checkpoint")
            tf.train.Checkpoint(model=other).restore(path).assert_consumed()
    assert int(other.averaging.count) == 4
    for one in (model, other):  # and both go on alike
        one.averaging.update([np.ones((3, 2)), np.ones(2)])
    for a, b in zip(model.averaging.weights, other.averaging.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_configuration():
    averaging, theta = filled(weight=0.75)
    serialized = keras.saving.serialize_keras_object(averaging)
    loaded = keras.saving.deserialize_keras_object(serialized)
    assert type(loaded) is HistoricalAveraging and loaded.get_config() == averaging.get_config()
    assert loaded.built and [v.shape for v in loaded.means] == SHAPES
    loaded.set_weights(averaging.get_weights())
    same_state(averaging, loaded)
    close(loaded.penalty(theta), averaging.penalty(theta))
    unbuilt = keras.saving.serialize_keras_object(HistoricalAveraging(1.0))
    assert not keras.saving.deserialize_keras_object(unbuilt).built


def test_a_new_process_knows_the_name(tmp_path):
    """Also where the room has not been imported."""
    code = (
        "import improved_gan_tf, keras\n"
        "config = {'weight': 0.5}\n"
        "spec = {'class_name': 'HistoricalAveraging', 'config': config, 'module': None,\n"
        "        'registered_name': 'improved_gan_tf>HistoricalAveraging'}\n"
        "print(keras.saving.deserialize_keras_object(spec).weight)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.split()[-1:] == ["0.5"], found.stderr[-2000:]


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_bad_weights(weight):
    with pytest.raises(ValueError, match="weight must be a finite number of at least 0, not"):
        HistoricalAveraging(weight)


def test_weight_zero_is_no_penalty():
    averaging, theta = filled(weight=0)
    assert float(averaging.penalty(theta)) == 0


@pytest.mark.parametrize("method", ["build", "penalty", "update"])
def test_other_variables_are_refused(method):
    averaging, theta = filled()
    before = averaging.get_weights()
    for wrong in (theta[:2], [*theta, theta[0]], [theta[1], theta[0], theta[2]]):
        with pytest.raises(ValueError, match=r"is built for variables of shapes \[\(4, 3\)"):
            getattr(averaging, method)(wrong)
    for a, b in zip(before, averaging.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_use_before_build():
    for method in ("penalty", "update"):
        with pytest.raises(ValueError, match=r"not built; call build\(variables\) first"):
            getattr(HistoricalAveraging(1.0), method)([keras.Variable([1.0])])


def test_build_again_keeps_the_state():
    averaging, theta = filled()
    before = averaging.get_weights()
    averaging.build(theta)
    for a, b in zip(before, averaging.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_it_is_a_room_of_the_package():
    assert ig.regularizers.HistoricalAveraging is HistoricalAveraging
