"""`JointMinibatchDiscrimination`: recorded arrays, and a collapsed generator.

How the batch is cut into tiles is tested in test_minibatch_discrimination.py for both layers.
"""

import numpy as np
import pytest

from improved_gan_tf import layers as ours
from improved_gan_tf.layers import similarities
from reference import joint_minibatch
from tests.helpers.golden import close, imagenet_cases
from tests.helpers.layer_cases import batch
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@both_precisions
@pytest.mark.parametrize("tiles", ["one tile", "one example per tile"])
@pytest.mark.parametrize("case", imagenet_cases("d_"))
def test_recorded(case, tiles, precision, monkeypatch):
    """The recorded activations are the input itself, by a unit matrix as kernel."""
    if tiles == "one example per tile":  # what a large batch would do
        monkeypatch.setattr(similarities, "_ONE_TILE", 1)
        monkeypatch.setattr(similarities, "_TILE", 1)
    case = ImageNetCase(case, precision)
    m = case["activation"]
    examples, kernels, dims = m.shape
    layer = ours.JointMinibatchDiscrimination(kernels, dims, dtype=precision)
    x = case.tensor(m.reshape(examples, -1))
    layer(x)
    layer.kernel.assign(np.eye(kernels * dims))
    layer.bias.assign(np.zeros(kernels * dims))
    features = layer(x)[:, kernels * dims :]
    np.testing.assert_array_equal(layer(x)[:, : kernels * dims], x)
    expected = joint_minibatch.forward(m)
    for i, found in enumerate(np.split(features, 2, axis=1)):
        case.check(found, f"f{i + 1}", expected[i])
    upstream = np.concatenate([np.zeros(x.shape), case["R1"], case["R2"]], axis=1)
    dx, dw, db = case.gradients(layer, x, upstream, [layer.kernel, layer.bias])
    expected = joint_minibatch.gradients(m, case["R1"], case["R2"])
    case.check(np.reshape(dx, m.shape), "d_activation", expected)
    if precision == "float64":
        flat = expected.reshape(examples, -1)
        close(dw, m.reshape(examples, -1).T @ flat)
        np.testing.assert_allclose(db, 0, atol=1e-12)  # a common shift changes no distance


def test_a_collapsed_generator():
    """Equal generated examples: all similarities among them are 1, over B (2B - 1)."""
    layer = ours.JointMinibatchDiscrimination(3, 2)
    generated = np.repeat(batch((5,), 1), 4, axis=0)
    real = 1e4 * batch((5,), 4, seed=1)  # far from each other
    features = layer(np.concatenate([real, generated]))[:, 5:]
    expected = np.zeros((8, 6))
    expected[4:, 3:] = 3 / (4 * 7)
    np.testing.assert_allclose(features, expected, atol=1e-6)
