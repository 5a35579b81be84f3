"""Products of rounded factors: values, gradients of both orders, whatever the sizes."""

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import replicas
from improved_gan_tf.layers import Dense, WeightNorm
from improved_gan_tf.products import rounded_product


def _rounded(x):
    return np.asarray(x).astype(ml_dtypes.bfloat16).astype("float64")


def _draw(*shape, seed=0):
    return tf.constant(np.random.RandomState(seed).normal(size=shape).astype("float32"))


@pytest.fixture(params=["compiled", "of several replicas"])
def way(request, monkeypatch):
    """XLA's product, and the one that it cannot compile for."""
    if request.param != "compiled":
        monkeypatch.setattr(replicas, "count", lambda: 2)


@pytest.mark.parametrize("n, k, m", [(1, 1, 1), (3, 5, 2), (2, 300, 10), (100, 33, 65)])
def test_against_an_oracle(way, n, k, m):
    a, b, d, e = _draw(n, k), _draw(k, m, seed=1), _draw(n, m, seed=2), _draw(n, k, seed=3)
    with tf.GradientTape() as outer:
        outer.watch([b, d])
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            product = rounded_product(a, b)
        of_a, of_b = tape.gradient(product, [a, b], output_gradients=d)
        loss = tf.reduce_sum(of_a * e)
    second_b, second_d = outer.gradient(loss, [b, d])
    ra, rb, rd, re = map(_rounded, (a, b, d, e))
    for found, expected in (
        (product, ra @ rb),
        (of_a, rd @ rb.T),
        (of_b, ra.T @ rd),
        (second_b, re.T @ rd),
        (second_d, re @ rb),
    ):
        # The numbers are rounded exactly as NumPy rounds them; their products are exact in float32.
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6 * np.abs(expected).max())
    assert n * k * m == 1 or np.abs(product - np.asarray(a) @ np.asarray(b)).max() > 1e-4


def test_of_several_dimensions_and_in_training_alone():
    exact = keras.layers.Dense(4, activation="relu")
    layer = Dense(4, activation="relu", matmul_precision="bfloat16")
    x = _draw(2, 3, 50)
    exact(x), layer(x)
    layer.set_weights([exact.kernel, _draw(4, seed=5)])
    exact.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), exact(x))
    found = layer(x, training=True)
    expected = np.maximum(_rounded(x) @ _rounded(layer.kernel) + np.asarray(layer.bias), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert layer.get_config()["matmul_precision"] == "bfloat16"
    again = Dense.from_config(layer.get_config())
    assert (again.units, again.matmul_precision) == (4, "bfloat16")
    with pytest.raises(ValueError, match="one of float32, bfloat16, not 'half'"):
        Dense(4, matmul_precision="half")


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_other_types_are_keras_own(policy):
    layer = Dense(4, matmul_precision="bfloat16", dtype=policy)
    x = tf.cast(_draw(2, 50), layer.compute_dtype)
    np.testing.assert_array_equal(layer(x, training=True), layer(x))


def test_in_weight_norm():
    """The kernel that is rounded is the normalized one; its gradient reaches the scale."""
    layer = WeightNorm(Dense(3, matmul_precision="bfloat16"), train_scale=True)
    x = _draw(5, 40)
    layer(x)
    layer.g.assign([0.5, 1.0, 2.0])
    with tf.GradientTape() as tape:
        found = layer(x, training=True)
        loss = tf.reduce_sum(found * _draw(5, 3, seed=7))
    v = np.asarray(layer.layer.kernel, "float64")
    kernel = np.asarray(layer.g) * v / np.sqrt(1e-6 + (v**2).sum(axis=0))
    np.testing.assert_allclose(found, _rounded(x) @ _rounded(kernel), rtol=1e-3, atol=1e-3)
    of_kernel = _rounded(x).T @ _rounded(_draw(5, 3, seed=7))
    gradients = tape.gradient(loss, layer.trainable_variables)
    by_name = {
        v.path.split("/")[-1]: g for v, g in zip(layer.trainable_variables, gradients, strict=True)
    }
    of_g = (of_kernel * kernel / np.asarray(layer.g)).sum(axis=0)
    np.testing.assert_allclose(by_name["g"], of_g, rtol=1e-4, atol=1e-4)
