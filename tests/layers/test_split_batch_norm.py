"""`SplitBatchNorm`: the NumPy oracle on each half of the joint batch."""

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from reference import cross_batch_norm


@pytest.mark.parametrize("shape", [(8, 5), (6, 3, 4, 5)])
def test_halves(shape):
    rng = np.random.RandomState(1)
    x, upstream = rng.randn(*shape) + 2, rng.randn(*shape)
    x[len(x) // 2 :] *= 3  # other statistics than the real half's
    gamma, beta = rng.uniform(0.5, 1.5, shape[-1]), rng.randn(shape[-1])
    layer = ours.SplitBatchNorm(dtype="float64")
    layer.build(shape)
    layer.set_weights([gamma, beta])
    with tf.GradientTape() as tape:
        images = tf.constant(x)
        tape.watch(images)
        y = layer(images)
    found = tape.gradient(y, [images, layer.gamma.value, layer.beta.value], upstream)
    halves = slice(len(x) // 2), slice(len(x) // 2, None)
    expected = [cross_batch_norm.forward(x[half], gamma, beta) for half in halves]
    parts = [cross_batch_norm.gradients(x[half], gamma, beta, upstream[half]) for half in halves]
    exact = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(y, np.concatenate(expected), **exact)
    np.testing.assert_allclose(found[0], np.concatenate([p["x"] for p in parts]), **exact)
    for gradient, name in zip(found[1:], ("gamma", "beta"), strict=True):
        np.testing.assert_allclose(gradient, sum(p[name] for p in parts), **exact)


def test_a_half_does_not_see_the_other():
    x = np.random.RandomState(0).randn(6, 4).astype("float32")
    other = np.concatenate([x[:3], 10 * x[3:] + 5])
    layer = ours.SplitBatchNorm()
    np.testing.assert_array_equal(layer(x)[:3], layer(other)[:3])
    np.testing.assert_allclose(layer(x)[3:], layer(other)[3:], atol=1e-3)  # its own scale is gone
