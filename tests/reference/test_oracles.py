"""The NumPy oracles of layers: compared with the recorded arrays, and their gradients with finite
differences. There is no Keras here: if one of these fails, the oracle is wrong, not the package."""

import numpy as np
import pytest

from reference import batch_norm, layouts, minibatch_discrimination
from reference import weight_norm as wn
from reference.activations import ACTIVATIONS, softplus
from reference.convolution import Convolution, Dense, TransposedConvolution
from tests.helpers.golden import close, entries, load, name
from tests.helpers.gradients import agree

RNG = np.random.RandomState(0)


# ---- weight normalization -----------------------------------------------------------------------

LINEAR = {
    "dense": (Dense(), lambda w: w),
    "nin": (Dense(), lambda w: w),
    "conv3_s1_p1": (Convolution(1, 1), layouts.convolution_kernel),
    "conv3_s2_p1_even": (Convolution(2, 1), layouts.convolution_kernel),
    "conv3_s2_p1_odd": (Convolution(2, 1), layouts.convolution_kernel),
    "conv3_valid": (Convolution(), layouts.convolution_kernel),
    "deconv5_s2": (TransposedConvolution(), layouts.deconvolution_kernel),
}


@pytest.mark.parametrize("entry", entries("WeightNormLayer"), ids=name)
def test_weight_norm(entry):
    hyper, a = entry["hyper"], load(entry["file"])
    linear, kernel = LINEAR[hyper["kind"]]
    f = hyper["nonlinearity"]
    x, v, upstream = layouts.images(a["x"]), kernel(a["W"]), layouts.images(a["R"])
    g = a.get("g0", np.ones_like(a["b0"]))
    close(wn.forward(linear, x, v, g, a["b0"], f), layouts.images(a["out_plain"]))
    gradients = wn.gradients(linear, x, v, g, a["b0"], upstream, f)
    close(gradients["x"], layouts.images(a["grad_x"]))
    close(gradients["v"], kernel(a["grad_W"]))
    close(gradients["b"], a["grad_b"])
    if hyper["g"] is None:
        return
    close(gradients["g"], a["grad_g"])
    for start, g in (("initA", a["g0"]), ("initB", np.ones_like(a["g0"]))):
        output, g, b = wn.initialize(linear, x, v, g, f, hyper["init_stdv"])
        close(output, layouts.images(a[f"{start}_out"]))
        close(g, a[f"{start}_g"])
        close(b, a[f"{start}_b"])
        for which in ("x", "x2"):
            output = wn.forward(linear, layouts.images(a[which]), v, g, b, f)
            close(output, layouts.images(a[f"{start}_after_{which}"]))


@pytest.mark.parametrize("entry", entries("DenseLayer(old MNIST)"), ids=name)
def test_old_dense(entry):
    a, f = load(entry["file"]), entry["hyper"]["nonlinearity"]
    x, x2 = (a[k].reshape(len(a[k]), -1) for k in ("x", "x2"))
    theta, scale, b = a["theta"], a["weight_scale0"], a["b0"]
    close(wn.forward(Dense(), x, theta, scale, b, f, epsilon=0), a["out_plain"])
    gradients = wn.gradients(Dense(), x, theta, scale, b, a["R"], f, epsilon=0)
    close(gradients["x"], a["grad_x"].reshape(x.shape))
    close(gradients["v"], a["grad_theta"])
    close(gradients["g"], a["grad_weight_scale"])
    close(gradients["b"], a["grad_b"])
    for start, g in (("initA", scale), ("initB", np.ones_like(scale))):
        output, g, b = wn.initialize(Dense(), x, theta, g, f, epsilon=0)
        close(output, a[f"{start}_out"])
        close(g, a[f"{start}_weight_scale"])
        close(b, a[f"{start}_b"])
        close(wn.forward(Dense(), x, theta, g, b, f, epsilon=0), a[f"{start}_after_x"])
        close(wn.forward(Dense(), x2, theta, g, b, f, epsilon=0), a[f"{start}_after_x2"])


@pytest.mark.parametrize("entry", entries("l2normalize"), ids=name)
def test_l2normalize(entry):
    a, f = load(entry["file"]), entry["hyper"]["nonlinearity"]
    conv = entry["hyper"]["kind"] == "conv"
    linear = Convolution(1, entry["hyper"]["pad"]) if conv else Dense()
    kernel = layouts.convolution_kernel if conv else (lambda w: w)
    x, v = layouts.images(a["x"]), kernel(a["W"])
    expected = layouts.images(a["out_plain"])
    close(wn.forward(linear, x, v, a["W_scale"], a["b"], f), expected)
    close(layouts.images(a["out_init_true"]), expected)  # init=True does not change this layer
    gradients = wn.gradients(linear, x, v, a["W_scale"], a["b"], layouts.images(a["R"]), f)
    close(gradients["x"], layouts.images(a["grad_x"]))
    close(gradients["v"], kernel(a["grad_W"]))
    close(gradients["g"], a["grad_W_scale"])
    close(gradients["b"], a["grad_b"])


@pytest.mark.parametrize(
    ("linear", "x", "v"),
    [
        (Dense(), (4, 3), (3, 2)),
        (Convolution(2, 1), (2, 4, 5, 2), (3, 3, 2, 3)),
        (TransposedConvolution(), (2, 2, 3, 2), (5, 5, 3, 2)),
    ],
    ids=["dense", "convolution", "transposed"],
)
def test_weight_norm_gradients(linear, x, v):
    x, v = RNG.randn(*x), RNG.randn(*v)
    g, b = RNG.randn(2, v.shape[linear.output_axis])
    upstream = RNG.randn(*linear.forward(x, v).shape)
    gradients = wn.gradients(linear, x, v, g, b, upstream, "tanh")

    def loss(x=x, v=v, g=g, b=b):
        return np.sum(wn.forward(linear, x, v, g, b, "tanh") * upstream)

    for key, value in {"x": x, "v": v, "g": g, "b": b}.items():
        agree(lambda t, key=key: loss(**{key: t}), value, gradients[key])


# ---- minibatch discrimination -------------------------------------------------------------------


def close_minibatch(gradients, a, prefix):
    for key in ("x", "theta", "scale", "b"):
        recorded = "log_weight_scale" if key == "scale" else key
        close(gradients[key], a[f"{prefix}grad_{recorded}"])


@pytest.mark.parametrize("entry", entries("MinibatchLayer"), ids=name)
def test_minibatch_discrimination(entry):
    a, mb = load(entry["file"]), minibatch_discrimination
    x, theta, scale, b = a["x"], a["theta"], a["log_weight_scale0"], a["b0"]
    close(mb.forward(x, theta, scale, b), a["out_plain"])
    close_minibatch(mb.gradients(x, theta, scale, b, a["R"]), a, "")
    for start, old_scale in (("initA", scale), ("initB", np.zeros_like(scale))):
        output, new_scale, b = mb.initialize(x, theta, old_scale)
        close(output, a[f"{start}_out"])
        close(new_scale, a[f"{start}_log_weight_scale"])
        close(b, a[f"{start}_b"])
        close(mb.forward(x, theta, new_scale, b), a[f"{start}_after_x"])
        close(mb.forward(a["x2"], theta, new_scale, b), a[f"{start}_after_x2"])
        close_minibatch(mb.gradients(x, theta, new_scale, b, a["R"]), a, f"{start}_after_")


def test_minibatch_discrimination_gradients():
    x, theta = RNG.randn(4, 3), RNG.randn(3, 2, 2)
    scale, b, upstream = RNG.randn(2, 2), RNG.randn(2), RNG.randn(4, 5)
    gradients = minibatch_discrimination.gradients(x, theta, scale, b, upstream)

    def loss(x=x, theta=theta, scale=scale, b=b):
        return np.sum(minibatch_discrimination.forward(x, theta, scale, b) * upstream)

    for key, value in {"x": x, "theta": theta, "scale": scale, "b": b}.items():
        agree(lambda t, key=key: loss(**{key: t}), value, gradients[key])


# ---- batch normalization ------------------------------------------------------------------------


@pytest.mark.parametrize("entry", entries("BatchNormLayer"), ids=name)
def test_batch_norm(entry):
    a, f = load(entry["file"]), entry["hyper"]["nonlinearity"]
    g = a.get("g0", 1.0)
    x = [layouts.images(a[f"x{i}"]) for i in (1, 2, 3)]
    mean, variance = np.zeros_like(a["b0"]), np.ones_like(a["b0"])
    close(batch_norm.deterministic(x[0], mean, variance, a["b0"], g, f), layouts.images(a["det_0"]))
    for i in (1, 2, 3):
        close(batch_norm.forward(x[i - 1], a["b0"], g, f), layouts.images(a[f"out_train_{i}"]))
        mean, variance = batch_norm.running_update(x[i - 1], mean, variance)
        if i != 2:
            close(mean, a[f"mean_after_{i}"])
            close(variance, a[f"var_after_{i}"])
            output = batch_norm.deterministic(x[0], mean, variance, a["b0"], g, f)
            close(output, layouts.images(a[f"det_after_{i}"]))
    gradients = batch_norm.gradients(x[0], a["b0"], layouts.images(a["R"]), g, f)
    close(gradients["x"], layouts.images(a["grad_x"]))
    close(gradients["b"], a["grad_b"])
    if "grad_g" in a:
        close(gradients["g"], a["grad_g"])


@pytest.mark.parametrize("entry", entries("batch_norm wrapper"), ids=name)
def test_batch_norm_around_a_layer(entry):
    a, f = load(entry["file"]), entry["hyper"]["nonlinearity"]
    dense = a["x"].ndim == 2
    linear = Dense() if dense else TransposedConvolution()
    kernel = (lambda w: w) if dense else layouts.deconvolution_kernel
    x, w = layouts.images(a["x"]), kernel(a["W"])
    y = linear.forward(x, w)
    close(batch_norm.forward(y, a["b"], activation=f), layouts.images(a["out_train"]))
    gradients = batch_norm.gradients(y, a["b"], layouts.images(a["R"]), activation=f)
    x_gradient, w_gradient = linear.gradients(x, w, gradients["x"])
    close(x_gradient, layouts.images(a["grad_x"]))
    close(w_gradient, kernel(a["grad_W"]))
    close(gradients["b"], a["grad_b"])


def test_batch_norm_gradients():
    x, b, g, upstream = RNG.randn(3, 2, 2, 2), RNG.randn(2), RNG.randn(2), RNG.randn(3, 2, 2, 2)
    gradients = batch_norm.gradients(x, b, upstream, g, "softplus")

    def loss(x=x, b=b, g=g):
        return np.sum(batch_norm.forward(x, b, g, "softplus") * upstream)

    for key, value in {"x": x, "b": b, "g": g}.items():
        agree(lambda t, key=key: loss(**{key: t}), value, gradients[key])


# ---- activations, layouts -----------------------------------------------------------------------


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_activation_derivatives(activation):
    f, derivative = ACTIVATIONS[activation]
    x = np.array([-3.0, -0.5, 0.25, 2.0])
    agree(lambda t: np.sum(f(t)), x, derivative(x))


def test_softplus_at_the_ends():
    np.testing.assert_array_equal(softplus([-1000.0, 1000.0]), [0.0, 1000.0])


def test_channels_first_rows():
    x = RNG.randn(2, 3, 4, 5)
    w = RNG.randn(60, 7)
    expected = x.reshape(2, -1) @ w
    turned = layouts.images(x).reshape(2, -1) @ w[layouts.channels_first_rows((3, 4, 5))]
    np.testing.assert_allclose(turned, expected, rtol=1e-12)
