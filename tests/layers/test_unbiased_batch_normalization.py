"""`UnbiasedBatchNormalization`: recorded arrays and running values, and its particulars."""

import keras
import numpy as np
import pytest

from improved_gan_tf import layers as ours
from reference import layouts
from tests.helpers.golden import entries, load, name
from tests.helpers.layer_cases import batch
from tests.helpers.layer_golden import TheanoCase, activation, both_precisions


@both_precisions
@pytest.mark.parametrize("entry", entries("BatchNormLayer"), ids=name)
def test_recorded(entry, precision):
    hyper, a = entry["hyper"], load(entry["file"])
    gain = hyper["g"] is not None
    norm = ours.UnbiasedBatchNormalization(scale=gain, dtype=precision)
    layer = keras.Sequential(
        [norm, keras.layers.Activation(activation(hyper["nonlinearity"]), dtype=precision)]
    )
    case = TheanoCase(layer, precision, a["x1"])
    assert len(norm.trainable_variables) == len(hyper["trainable_params"])
    norm.beta.assign(a["b0"])
    if gain:
        norm.gamma.assign(a["g0"])
    case.close_images(case(), a["det_0"])
    variables = [norm.beta, norm.gamma] if gain else [norm.beta]
    dx, db, *dg = case.gradients(a["R"], variables, training=True)
    case.close_images(dx, a["grad_x"])
    case.close(db, a["grad_b"])
    if gain:
        case.close(dg[0], a["grad_g"])
    norm.moving_mean.assign(np.zeros(norm.moving_mean.shape))  # that pass has updated them
    norm.moving_variance.assign(np.ones(norm.moving_variance.shape))
    for i in (1, 2, 3):
        case.close_images(case(a[f"x{i}"], training=True), a[f"out_train_{i}"])
        if i != 2:
            case.close(norm.moving_mean, a[f"mean_after_{i}"])
            case.close(norm.moving_variance, a[f"var_after_{i}"])
            case.close_images(case(), a[f"det_after_{i}"])


@both_precisions
@pytest.mark.parametrize("entry", entries("batch_norm wrapper"), ids=name)
def test_recorded_after_a_layer(entry, precision):
    """A layer without bias and activation, the normalization, the activation: the generators'."""
    a, f = load(entry["file"]), entry["hyper"]["nonlinearity"]
    common, channels = {"use_bias": False, "dtype": precision}, len(a["b"])
    if a["x"].ndim == 2:
        inner, kernel = keras.layers.Dense(channels, **common), np.asarray
    else:
        inner, kernel = (
            ours.CenteredConv2DTranspose(channels, 5, 2, **common),
            layouts.deconvolution_kernel,
        )
    norm = ours.UnbiasedBatchNormalization(dtype=precision)
    layer = keras.Sequential([inner, norm, keras.layers.Activation(f, dtype=precision)])
    case = TheanoCase(layer, precision, a["x"])
    inner.kernel.assign(kernel(a["W"]))
    norm.beta.assign(a["b"])
    case.close_images(case(training=True), a["out_train"])
    dx, dw, db = case.gradients(a["R"], [inner.kernel, norm.beta], training=True)
    case.close_images(dx, a["grad_x"])
    case.close(dw, kernel(a["grad_W"]))
    case.close(db, a["grad_b"])


def test_one_image():
    """In inference an image does not depend on the others of its batch; a single one is fine."""
    layer = ours.UnbiasedBatchNormalization()
    x = batch((3, 3, 2), 6)
    for _ in range(3):
        layer(x, training=True)
    together = np.array(layer(x))
    np.testing.assert_allclose(layer(x[:1]), together[:1], rtol=1e-6, atol=1e-6)
    layer(x[:1], training=True)
    assert all(np.all(np.isfinite(v)) for v in layer.weights)


def test_frozen():
    """As in Keras, a frozen layer normalizes by its running values and keeps them."""
    layer = ours.UnbiasedBatchNormalization()
    x = batch((5,))
    layer(x, training=True)
    before = [np.array(v) for v in layer.weights]
    layer.trainable = False
    np.testing.assert_allclose(layer(x, training=True), layer(x))
    for old, new in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, new)
