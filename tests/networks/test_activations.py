"""The leaky relu of the networks against the original's."""

import tensorflow as tf

from improved_gan_tf.networks.activations import leaky_relu
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@both_precisions
def test_leaky_relu(precision):
    """0.6 x + 0.4 |x| in the original; its slope is ours but at 0 (D3)."""
    case = ImageNetCase("c_ops", precision)
    x = case.tensor(case["lrelu/x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = leaky_relu(x)
    case.check(y, "lrelu/leak0.2/out")
    away = case["lrelu/x"] != 0
    case.check(tape.gradient(y, x)[away], "lrelu/leak0.2/grad", rows=away)
