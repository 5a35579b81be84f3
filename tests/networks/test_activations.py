"""The leaky relu of the networks against the original's."""

import keras
import pytest
import tensorflow as tf

from improved_gan_tf.networks.activations import leaky_relu
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@both_precisions
@pytest.mark.parametrize("leak", [0.2, 0.1])
def test_leaky_relu(leak, precision):
    """max(x, leak x) = 0.5 (1 + leak) x + 0.5 (1 - leak) |x|, and so is its slope but at 0 (D3)."""
    case = ImageNetCase("c_ops", precision)
    x = case.tensor(case["lrelu/x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        # 0.2 is the networks'.
        y = leaky_relu(x) if leak == 0.2 else keras.ops.maximum(x, leak * x)
    case.check(y, f"lrelu/leak{leak}/out")
    away = case["lrelu/x"] != 0
    case.check(tape.gradient(y, x)[away], f"lrelu/leak{leak}/grad", rows=away)
