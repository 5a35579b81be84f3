"""`CrossBatchNorm`: recorded arrays, and what each half of the channels sees."""

import numpy as np
import pytest

from improved_gan_tf import layers as ours
from reference import cross_batch_norm
from tests.helpers.golden import imagenet_cases
from tests.helpers.layer_cases import batch
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@both_precisions
@pytest.mark.parametrize("case", imagenet_cases("b_batch_norm_cross"))
def test_recorded(case, precision):
    case = ImageNetCase(case, precision)
    a, layer = case.arrays, ours.CrossBatchNorm(dtype=precision)
    x = case.tensor(a["x"])
    layer(x)
    variables = {k: getattr(layer, k) for k in ("gamma0", "beta0", "gamma1", "beta1")}
    for key, variable in variables.items():
        variable.assign(a[key])
    gamma, beta = (np.concatenate([a[f"{k}0"], a[f"{k}1"]]) for k in ("gamma", "beta"))
    arguments = a["x"], gamma, beta
    case.check(layer(x), "out", cross_batch_norm.cross_forward(*arguments))
    expected = cross_batch_norm.cross_gradients(*arguments, a["R"])
    for key in ("gamma", "beta"):
        expected[f"{key}0"], expected[f"{key}1"] = np.split(expected[key], 2)
    dx, *found = case.gradients(layer, x, a["R"], variables.values())
    case.check(dx, "d_x", expected["x"])
    for key, gradient in zip(variables, found, strict=True):
        case.check(gradient, f"d_{key}", expected[key])


def test_examples_of_one_kind():
    """Real examples have mean 0 in the first half of the channels, generated in the second."""
    layer = ours.CrossBatchNorm()
    x = batch((6,), 40) + np.where(np.arange(40) < 20, 0.0, 3.0)[:, None].astype("float32")
    y = np.array(layer(x))
    gamma0, gamma1 = np.array(layer.gamma0), np.array(layer.gamma1)
    for half, channels, gamma in (
        (slice(20), slice(3), gamma0),
        (slice(20, 40), slice(3, 6), gamma1),
    ):
        np.testing.assert_allclose(y[half, channels].mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(y[half, channels].std(0), gamma, rtol=1e-4)
    assert np.all(y[20:, :3].mean(0) > 1) and np.all(y[:20, 3:].mean(0) < -1)


def test_a_large_mean_in_low_precision():
    """The statistics are float32's: in float16 the mean of squares overflows."""
    x = 300 + batch((6,), 40)
    low = ours.CrossBatchNorm(dtype="float16")(x.astype("float16"))
    full = ours.CrossBatchNorm()
    full.build(x.shape)
    np.testing.assert_allclose(np.std(np.asarray(low, "float32")[:20, :3], 0), 1, atol=0.1)
