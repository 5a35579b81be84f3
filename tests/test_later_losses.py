"""The losses of later semi-supervised GANs against NumPy's, and those against their definitions."""

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import losses
from reference import semi_supervised_terms as oracle
from reference.losses import softmax
from tests.helpers.gradients import agree

RNG = np.random.RandomState(0)
LOGITS, NEAR = 2 * RNG.randn(2, 7, 5)
FEATURES = np.abs(RNG.randn(6, 9))  # as after a relu, all on one side
# name: (ours, the oracle's value, its gradient, the argument it is of, the others before it)
CASES = {
    "conditional_entropy": (
        losses.conditional_entropy,
        oracle.conditional_entropy,
        oracle.conditional_entropy_gradient,
        LOGITS,
        (),
    ),
    "pull_away": (losses.pull_away, oracle.pull_away, oracle.pull_away_gradient, FEATURES, ()),
    "consistency": (
        losses.consistency,
        oracle.consistency,
        lambda a, b: -oracle.consistency_gradient(a, b),
        NEAR,
        (LOGITS,),
    ),
    "divergence": (
        losses.divergence,
        oracle.divergence,
        oracle.divergence_gradient,
        NEAR,
        (LOGITS,),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name):
    function, value, gradient, x, before = CASES[name]
    agree(lambda at: value(*before, at), x, gradient(*before, x))
    for jit in (False, True):
        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = tf.function(function, jit_compile=jit)(*map(tf.constant, before), tensor)
        np.testing.assert_allclose(loss, value(*before, x), rtol=1e-9)
        found = tape.gradient(loss, tensor)
        np.testing.assert_allclose(found, gradient(*before, x), rtol=1e-9, atol=1e-12)


def test_definitions():
    p = softmax(LOGITS)
    entropy = -np.mean(np.sum(p * np.log(p), axis=1))
    np.testing.assert_allclose(oracle.conditional_entropy(LOGITS), entropy, rtol=1e-12)
    q = softmax(NEAR)
    expected = np.mean(np.sum(p * np.log(p / q), axis=1))
    np.testing.assert_allclose(oracle.divergence(LOGITS, NEAR), expected, rtol=1e-12)
    np.testing.assert_allclose(losses.pull_away(np.eye(4)), 0, atol=1e-12)
    np.testing.assert_allclose(losses.pull_away(np.ones((4, 3)) * [[1], [2], [3], [4]]), 1)


def test_both_versions_of_an_image_have_a_gradient():
    a, b = tf.constant(LOGITS), tf.constant(NEAR)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        loss = losses.consistency(a, b)
    one, other = tape.gradient(loss, [a, b])
    np.testing.assert_allclose(one, oracle.consistency_gradient(LOGITS, NEAR), rtol=1e-9)
    np.testing.assert_allclose(other, -one, rtol=1e-12)


def test_extremes():
    """Certain answers and features without a direction: finite in float32, with gradients."""
    certain = tf.constant([[1e4, 0, -1e4], [0, 1e6, 0]], "float32")
    dead = tf.constant([[0, 0], [1, 2], [0, 0]], "float32")
    maps = tf.ones((3, 2, 2, 4))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([certain, dead, maps])
        found = {
            "entropy": (losses.conditional_entropy(certain), certain, 0),
            "dead": (losses.pull_away(dead), dead, 0),
            "maps": (losses.pull_away(maps), maps, 1),
        }
    for loss, x, expected in found.values():
        np.testing.assert_allclose(loss, expected, atol=1e-6)
        assert np.all(np.isfinite(tape.gradient(loss, x)))
