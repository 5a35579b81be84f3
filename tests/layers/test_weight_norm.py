"""`WeightNorm` around dense and convolutional layers: recorded arrays, and its particulars."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from reference import layouts
from tests.helpers.golden import entries, load, name
from tests.helpers.layer_cases import batch
from tests.helpers.layer_golden import TheanoCase, activation, both_precisions


def weight_normed(kind, channels, precision, f, **options):
    """(layer, what comes before it, kernel of the recording -> ours) for a kind of the index."""
    common = {"activation": activation(f), "dtype": precision}
    before, kernel = None, layouts.convolution_kernel
    if kind == "dense":
        inner, kernel = keras.layers.Dense(channels, **common), np.asarray
    elif kind == "nin":
        inner, kernel = keras.layers.Conv2D(channels, 1, **common), layouts.pointwise_kernel
    elif kind == "deconv5_s2":
        inner, kernel = (
            ours.CenteredConv2DTranspose(channels, 5, 2, **common),
            layouts.deconvolution_kernel,
        )
    else:
        inner = keras.layers.Conv2D(channels, 3, strides=2 if "_s2" in kind else 1, **common)
        if "_p1" in kind:
            before = keras.layers.ZeroPadding2D(1, dtype=precision)
    return ours.WeightNorm(inner, dtype=precision, **options), before, kernel


@both_precisions
@pytest.mark.parametrize("entry", entries("WeightNormLayer"), ids=name)
def test_weight_norm(entry, precision):
    hyper, a = entry["hyper"], load(entry["file"])
    layer, before, kernel = weight_normed(
        hyper["kind"],
        len(a["b0"]),
        precision,
        hyper["nonlinearity"],
        train_scale=hyper["train_g"],
        initial_stddev=hyper["init_stdv"],
    )
    case = TheanoCase(layer, precision, a["x"], before)
    assert len(layer.trainable_variables) == len(hyper["trainable_params"])
    v, b, g = layer.layer.kernel, layer.layer.bias, layer.g
    v.assign(kernel(a["W"]))
    b.assign(a["b0"])
    g.assign(a.get("g0", np.ones(g.shape)))
    case.close_images(case(), a["out_plain"])
    dx, dv, db, dg = case.gradients(a["R"], [v, b, g])
    case.close_images(dx, a["grad_x"])
    case.close(dv, kernel(a["grad_W"]))
    case.close(db, a["grad_b"])
    if hyper["g"] is None:  # the original without g has no initialization either
        return
    case.close(dg, a["grad_g"])
    for start, b0, g0 in (("initA", a["b0"], a["g0"]), ("initB", 0 * a["b0"], 0 * a["g0"] + 1)):
        b.assign(b0)
        g.assign(g0)
        case.close_images(case.initialize(a["x"]), a[f"{start}_out"])
        case.close(g, a[f"{start}_g"])
        case.close(b, a[f"{start}_b"])
        case.close_images(case(), a[f"{start}_after_x"])
        case.close_images(case(a["x2"]), a[f"{start}_after_x2"])


@both_precisions
@pytest.mark.parametrize("entry", entries("DenseLayer(old MNIST)"), ids=name)
def test_old_dense(entry, precision):
    """The MNIST discriminator's layer: WeightNorm(Dense) without epsilon, after a Flatten."""
    hyper, a = entry["hyper"], load(entry["file"])
    train_scale = hyper["train_scale"]
    layer, _, _ = weight_normed(
        "dense", len(a["b0"]), precision, hyper["nonlinearity"], train_scale=train_scale, epsilon=0
    )
    rows = slice(None)
    if a["x"].ndim == 4:  # flattened as (C, H, W) there, as (H, W, C) here
        rows = layouts.channels_first_rows(a["x"].shape[1:])
    case = TheanoCase(layer, precision, a["x"], keras.layers.Flatten(dtype=precision))
    assert len(layer.trainable_variables) == 2 + train_scale
    v, b, g = layer.layer.kernel, layer.layer.bias, layer.g
    v.assign(a["theta"][rows])
    b.assign(a["b0"])
    g.assign(a["weight_scale0"])
    case.close_images(case(), a["out_plain"])
    dx, dv, db, dg = case.gradients(a["R"], [v, b, g])
    case.close_images(dx, a["grad_x"])
    case.close(dv, a["grad_theta"][rows])
    case.close(db, a["grad_b"])
    case.close(dg, a["grad_weight_scale"])
    ones = np.ones_like(a["b0"])
    for start, b0, g0 in (("initA", a["b0"], a["weight_scale0"]), ("initB", 0 * ones, ones)):
        b.assign(b0)
        g.assign(g0)
        case.close_images(case.initialize(a["x"]), a[f"{start}_out"])
        case.close(g, a[f"{start}_weight_scale"])
        case.close(b, a[f"{start}_b"])
        case.close_images(case(), a[f"{start}_after_x"])
        case.close_images(case(a["x2"]), a[f"{start}_after_x2"])


@both_precisions
@pytest.mark.parametrize("entry", entries("l2normalize"), ids=name)
def test_l2normalize(entry, precision):
    """The last layer of the MNIST generator: a trained g and no data-dependent initialization."""
    hyper, a = entry["hyper"], load(entry["file"])
    kind = "dense" if hyper["kind"] == "dense" else "conv3_s1_p1"
    layer, before, kernel = weight_normed(
        kind, len(a["b"]), precision, hyper["nonlinearity"], train_scale=True, initial_stddev=None
    )
    case = TheanoCase(layer, precision, a["x"], before)
    v, b, g = layer.layer.kernel, layer.layer.bias, layer.g
    v.assign(kernel(a["W"]))
    b.assign(a["b"])
    g.assign(a["W_scale"])
    case.close_images(case(), a["out_plain"])
    dx, dv, db, dg = case.gradients(a["R"], [v, b, g])
    case.close_images(dx, a["grad_x"])
    case.close(dv, kernel(a["grad_W"]))
    case.close(db, a["grad_b"])
    case.close(dg, a["grad_W_scale"])
    with pytest.raises(ValueError, match="no layer that is initialized"):
        case.initialize(a["x"])
    case.close_images(case(), a["out_init_true"])


def test_ignores_the_length_of_v():
    layer = ours.WeightNorm(keras.layers.Dense(3), epsilon=0.0)
    x = batch((5,))
    before = np.array(layer(x))
    layer.layer.kernel.assign(7.0 * layer.layer.kernel)
    np.testing.assert_allclose(layer(x), before, rtol=1e-5)


def test_a_zero_kernel():
    """The epsilon keeps the output of a zero v finite, and its gradients too."""
    layer = ours.WeightNorm(keras.layers.Dense(3, kernel_initializer="zeros"))
    x = tf.constant(batch((5,)))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x))
    for gradient in tape.gradient(loss, [v.value for v in layer.trainable_variables]):
        assert np.all(np.isfinite(gradient))


def test_called_twice():
    """Two calls of one layer share its variables, as a discriminator's on real and fake do."""
    layer = ours.WeightNorm(keras.layers.Dense(2, activation="relu"))
    a, b = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([a, b], [layer(a), layer(b)])
    assert len(model.weights) == 3
    x = batch((3,))
    one, two = model([x, x])
    np.testing.assert_array_equal(one, two)


def test_frozen_scale():
    layer = ours.WeightNorm(keras.layers.Dense(2))
    layer.build((None, 3))
    assert [v.name for v in layer.non_trainable_variables] == ["g"]
    layer = ours.WeightNorm(keras.layers.Dense(2), train_scale=True)
    layer.build((None, 3))
    assert sorted(v.name for v in layer.trainable_variables) == ["bias", "g", "kernel"]
    layer.trainable = False
    assert not layer.trainable_variables
