"""`VirtualBatchNorm`: recorded arrays of all its kinds, frozen too, and its particulars."""

import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from reference import virtual_batch_norm
from tests.helpers.golden import imagenet_cases
from tests.helpers.layer_cases import batch
from tests.helpers.layer_golden import ImageNetCase, both_precisions


@both_precisions
@pytest.mark.parametrize("case", imagenet_cases("a_"))
def test_recorded(case, precision):
    case = ImageNetCase(case, precision)
    a, size = case.arrays, len(case["ref_in"])
    exponential, per_pixel = case.hyper["kind"] != "VBN", case.hyper["kind"] == "VBNLP"
    half = case.hyper["half"]
    layer = ours.VirtualBatchNorm(
        size,
        gain="exp" if exponential else "linear",
        per_pixel=per_pixel,
        half=half,
        dtype=precision,
    )
    x = case.tensor(np.concatenate([a["ref_in"], a["live_in"]]))
    layer(x)
    driver = layer.gamma_driver if exponential else layer.gamma
    name = "gamma_driver" if exponential else "gamma"
    # Per pixel the original's weights of a two-dimensional input are (1, 1, C).
    driver.assign(a[name].reshape(driver.shape))
    layer.beta.assign(a["beta"].reshape(driver.shape))

    gamma, beta = a[name], a["beta"]
    if exponential:
        gamma = np.exp(gamma)
    arguments = (a["ref_in"], a["live_in"], gamma, beta)
    options = {"per_pixel": per_pixel, "half": half}
    expected = virtual_batch_norm.forward(*arguments, **options)
    y = layer(x)
    case.check(y[:size], "ref_out", expected[0])
    case.check(y[size:], "live_out", expected[1])

    for prefix, on_reference, on_live in (("live", 0, 1), ("ref", 1, 0)):
        upstreams = on_reference * a["Rref"], on_live * a["R"]
        expected = virtual_batch_norm.gradients(*arguments, *upstreams, **options)
        if exponential:
            expected["gamma"] = gamma * expected["gamma"]
        variables = [driver, layer.beta]
        dx, dgamma, dbeta = case.gradients(layer, x, np.concatenate(upstreams), variables)
        case.check(dx[:size], f"{prefix}/d_ref_in", expected["reference"])
        if on_live:
            case.check(dx[size:], "live/d_live_in", expected["live"])
        else:  # nothing of the reference examples depends on the live ones
            np.testing.assert_array_equal(dx[size:], 0)
        for found, array, key in ((dgamma, name, "gamma"), (dbeta, "beta", "beta")):
            found = np.reshape(found, a[array].shape)
            case.check(found, f"{prefix}/d_{array}", expected[key])

    frozen = layer.freeze_reference(x[:size])
    case.check(np.reshape(frozen.reference_mean, a["mean"].shape), "mean")
    case.check(np.reshape(frozen.reference_mean_square, a["mean_sq"].shape), "mean_sq")
    case.check(frozen(x[size:]), "live_out")


def test_one_live_example():
    """A live example is normalized by itself and the reference, whatever others there are."""
    layer = ours.VirtualBatchNorm(4)
    x = batch((3, 3, 2), 9)
    together = np.array(layer(x))
    for i in (4, 6, 8):
        alone = layer(np.concatenate([x[:4], x[i : i + 1]]))
        np.testing.assert_allclose(alone[4:], together[i : i + 1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(alone[:4], together[:4], rtol=1e-5, atol=1e-6)


def test_a_large_mean():
    """E[x^2] - E[x]^2 in float32 may come out negative; that must not give NaN."""
    layer = ours.VirtualBatchNorm(4)
    x = tf.constant(1e3 + 1e-2 * batch((5,), 40))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert np.all(np.isfinite(y)) and np.all(np.isfinite(tape.gradient(y, x)))
