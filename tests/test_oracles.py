"""The NumPy oracles against the recorded arrays, and their hand-derived gradients against finite
differences. No Keras here: if these fail, the yardstick of the other tests is wrong."""

import numpy as np
import pytest

from reference import (
    adam,
    averaging,
    batch_norm,
    convolution,
    cross_batch_norm,
    joint_minibatch,
    layouts,
    losses,
    minibatch_discrimination,
    virtual_batch_norm,
)
from reference import weight_norm as wn
from reference.activations import ACTIVATIONS, sigmoid, softplus
from reference.cases import (
    close,
    entries,
    imagenet_cases,
    imagenet_index,
    load,
    load_imagenet,
    name,
    within_noise,
)
from reference.convolution import Convolution, Dense, TransposedConvolution

RNG = np.random.RandomState(0)


def numeric_gradient(function, x, step=1e-6):
    """Central differences of a scalar function, one entry at a time."""
    gradient = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = (function(up) - function(down)) / (2 * step)
    return gradient


def agree(function, x, gradient):
    # Central differences of step 1e-6 carry about 1e-9 of rounding error over values of order 1.
    np.testing.assert_allclose(gradient, numeric_gradient(function, x), rtol=1e-6, atol=1e-7)


# ---- weight normalisation -----------------------------------------------------------------------

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
    close(layouts.images(a["out_init_true"]), expected)  # init=True does nothing to this layer
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


# ---- batch normalisation ------------------------------------------------------------------------


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


# ---- losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", entries("losses"), ids=name)
def test_losses(entry):
    a = load(entry["file"])
    # The recording's softplus is exactly x above 16: up to 1.1e-7 below the true one.
    tolerance = {"atol": 2e-7} if "large" in entry["file"] else {}
    labels, lab, unl, fake = (a[k] for k in ("labels", "logits_lab", "logits_unl", "logits_fake"))
    close(losses.log_sum_exp(lab), a["lse_lab"])
    real_gradient, fake_gradient = losses.unsupervised_gradients(unl, fake)
    for script in ("mnist", "cifar"):
        close(losses.supervised(labels, lab), a[f"{script}_loss_lab"])
        close(losses.unsupervised(unl, fake), a[f"{script}_loss_unl"], **tolerance)
        close(losses.error_rate(labels, lab), a[f"{script}_train_err"])
        close(losses.supervised_gradient(labels, lab), a[f"{script}_grad_lab"])
        close(real_gradient, a[f"{script}_grad_unl"], **tolerance)
        close(fake_gradient, a[f"{script}_grad_fake"], **tolerance)
    close(losses.minibatch_generator(fake), a["mbd_loss_gen"], **tolerance)
    close(losses.minibatch_generator_gradient(fake), a["mbd_loss_gen_grad_fake"], **tolerance)
    for short, distance in (("sq", "squared"), ("abs", "absolute")):
        real, generated = a["feat_real"], a["feat_fake"]
        close(losses.feature_matching(real, generated, distance), a[f"fm_{short}"])
        gradient = losses.feature_matching_gradient(real, generated, distance)
        close(gradient, a[f"fm_{short}_grad"])


def test_loss_gradients():
    labels, lab, unl, fake = np.array([0, 2, 1]), *(2 * RNG.randn(3, 3, 4))
    agree(lambda t: losses.supervised(labels, t), lab, losses.supervised_gradient(labels, lab))
    real_gradient, fake_gradient = losses.unsupervised_gradients(unl, fake)
    agree(lambda t: losses.unsupervised(t, fake), unl, real_gradient)
    agree(lambda t: losses.unsupervised(unl, t), fake, fake_gradient)
    gradient = losses.minibatch_generator_gradient(fake)
    agree(losses.minibatch_generator, fake, gradient)
    for distance in ("squared", "absolute"):
        gradient = losses.feature_matching_gradient(unl, fake, distance)
        agree(lambda t, d=distance: losses.feature_matching(unl, t, d), fake, gradient)


def test_losses_are_those_of_the_explicit_softmax():
    labels, lab, unl, fake = RNG.randint(0, 10, 6), *(3 * RNG.randn(3, 6, 10))
    log_p = losses.explicit_log_probabilities
    np.testing.assert_allclose(np.exp(log_p(lab)).sum(1), 1, rtol=1e-12)
    real = np.log1p(-np.exp(log_p(lab)[:, -1]))
    expected = -np.mean(log_p(lab)[np.arange(6), labels] - real)
    np.testing.assert_allclose(losses.supervised(labels, lab), expected, rtol=1e-10)
    real = np.log1p(-np.exp(log_p(unl)[:, -1]))
    expected = -0.5 * np.mean(real) - 0.5 * np.mean(log_p(fake)[:, -1])
    np.testing.assert_allclose(losses.unsupervised(unl, fake), expected, rtol=1e-10)
    expected = np.mean(log_p(fake)[:, -1])  # -softplus(log Z) = log(1 - D)
    np.testing.assert_allclose(losses.minibatch_generator(fake), expected, rtol=1e-10)


# ---- the ImageNet model -------------------------------------------------------------------------


@pytest.mark.parametrize("case", imagenet_cases("a_"))
def test_virtual_batch_norm(case):
    a, hyper = load_imagenet(case), imagenet_index()[case]["hyper"]
    reference, live, beta = (a[k].astype(float) for k in ("ref_in", "live_in", "beta"))
    exponential = hyper["kind"] != "VBN"
    gamma = np.exp(a["gamma_driver"].astype(float)) if exponential else a["gamma"].astype(float)
    options = {"per_pixel": hyper["kind"] == "VBNLP", "half": hyper["half"]}

    def check(actual, array):
        within_noise(actual, case, array, a[array])

    for actual, array in zip(
        virtual_batch_norm.statistics(reference, **options), ("mean", "mean_sq"), strict=True
    ):
        check(actual.reshape(a[array].shape), array)
    reference_out, live_out = virtual_batch_norm.forward(reference, live, gamma, beta, **options)
    check(reference_out, "ref_out")
    check(live_out, "live_out")
    for prefix, on_reference, on_live in (("live", 0, 1), ("ref", 1, 0)):
        found = virtual_batch_norm.gradients(
            reference, live, gamma, beta, on_reference * a["Rref"], on_live * a["R"], **options
        )
        check(found["reference"], f"{prefix}/d_ref_in")
        check(found["beta"], f"{prefix}/d_beta")
        if exponential:
            check(gamma * found["gamma"], f"{prefix}/d_gamma_driver")
        else:
            check(found["gamma"], f"{prefix}/d_gamma")
        if on_live:
            check(found["live"], "live/d_live_in")
        else:
            np.testing.assert_array_equal(found["live"], 0)


@pytest.mark.parametrize("per_pixel", [False, True])
@pytest.mark.parametrize("half", [None, 1, 2])
def test_virtual_batch_norm_gradients(per_pixel, half):
    arrays = {"reference": RNG.randn(5, 2, 2, 2), "live": RNG.randn(3, 2, 2, 2)}
    arrays["gamma"], arrays["beta"] = RNG.randn(2, *((2, 2, 2) if per_pixel else (2,)))
    upstreams = RNG.randn(5, 2, 2, 2), RNG.randn(3, 2, 2, 2)
    found = virtual_batch_norm.gradients(
        *arrays.values(), *upstreams, per_pixel=per_pixel, half=half
    )

    def loss(**changed):
        outputs = virtual_batch_norm.forward(
            **{**arrays, **changed}, per_pixel=per_pixel, half=half
        )
        return sum(np.sum(y * upstream) for y, upstream in zip(outputs, upstreams, strict=True))

    for key, value in arrays.items():
        agree(lambda t, key=key: loss(**{key: t}), value, found[key])


ROWS = {"first_half": slice(0, 3), "second_half": slice(3, 6), "batch_norm": slice(None)}


@pytest.mark.parametrize("case", imagenet_cases("b_"))
def test_batch_norm_of_a_joint_batch(case):
    """Also the two variants that no published network uses: the package has no layer for them."""
    a, kind = load_imagenet(case), imagenet_index()[case]["hyper"]["kind"]
    a = {key: value.astype(float) for key, value in a.items()}
    if kind == "batch_norm_cross":
        gamma, beta = (np.concatenate([a[f"{k}0"], a[f"{k}1"]]) for k in ("gamma", "beta"))
        output = cross_batch_norm.cross_forward(a["x"], gamma, beta)
        found = cross_batch_norm.cross_gradients(a["x"], gamma, beta, a["R"])
        for key in ("gamma", "beta"):
            found[f"{key}0"], found[f"{key}1"] = np.split(found.pop(key), 2)
    else:
        rows = ROWS[kind.removeprefix("batch_norm_")]
        output = cross_batch_norm.forward(a["x"], a["gamma"], a["beta"], rows)
        found = cross_batch_norm.gradients(a["x"], a["gamma"], a["beta"], a["R"], rows)
    within_noise(output, case, "out", a["out"])
    assert {f"d_{key}" for key in found} == {key for key in a if key.startswith("d_")}
    for key, gradient in found.items():
        within_noise(gradient, case, f"d_{key}", a[f"d_{key}"])


@pytest.mark.parametrize("which", [*ROWS, "cross"])
def test_cross_batch_norm_gradients(which):
    arrays = {"x": RNG.randn(6, 2, 1, 4), "gamma": RNG.randn(4), "beta": RNG.randn(4)}
    upstream = RNG.randn(6, 2, 1, 4)
    if which == "cross":
        forward, gradients = cross_batch_norm.cross_forward, cross_batch_norm.cross_gradients
        rows = ()
    else:
        forward, gradients = cross_batch_norm.forward, cross_batch_norm.gradients
        rows = (ROWS[which],)
    found = gradients(*arrays.values(), upstream, *rows)
    for key, value in arrays.items():
        agree(
            lambda t, key=key: np.sum(forward(*{**arrays, key: t}.values(), *rows) * upstream),
            value,
            found[key],
        )


def test_imagenet_operations():
    """The linear maps, which were recorded without gradients, and the leaky relu."""
    a, hyper = load_imagenet("c_ops"), imagenet_index()["c_ops"]["hyper"]
    for case, settings in hyper.items():
        x, w, b = (a[f"{case}/{k}"].astype(float) for k in ("x", "w", "biases"))
        if case.startswith("conv2d"):
            y = convolution.conv2d_same(x, w, settings["stride"])
        else:
            size = settings["output_shape"][1:3]
            y = convolution.conv2d_transpose_same(x, w, size, settings["stride"])
        within_noise(y + b, "c_ops", f"{case}/out", a[f"{case}/out"])
    x, w, b = (a[f"linear/{k}"].astype(float) for k in ("x", "Matrix", "bias"))
    within_noise(Dense().forward(x, w) + b, "c_ops", "linear/out", a["linear/out"])
    f, derivative = ACTIVATIONS["lrelu"]
    x = a["lrelu/x"].astype(float)
    within_noise(f(x), "c_ops", "lrelu/leak0.2/out", a["lrelu/leak0.2/out"])
    away = x != 0  # at the kink the original's derivative is .6
    gradient = a["lrelu/leak0.2/grad"]
    within_noise(derivative(x)[away], "c_ops", "lrelu/leak0.2/grad", gradient[away])


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [((7, 5), 5, 2), ((6, 8), 3, 2), ((5, 4), 3, 1)]
)
def test_same_convolutions_are_adjoint(size, kernel, stride):
    x, w = RNG.randn(2, *size, 3), RNG.randn(kernel, kernel, 3, 4)
    y = convolution.conv2d_same(x, w, stride)
    upstream = RNG.randn(*y.shape)
    back = convolution.conv2d_transpose_same(upstream, w, size, stride)
    np.testing.assert_allclose(np.sum(back * x), np.sum(y * upstream), rtol=1e-12)


@pytest.mark.parametrize("case", imagenet_cases("d_"))
def test_joint_minibatch(case):
    a = load_imagenet(case)
    m = a["activation"].astype(float)
    for actual, array in zip(joint_minibatch.forward(m), ("f1", "f2"), strict=True):
        within_noise(actual, case, array, a[array])
    gradient = joint_minibatch.gradients(m, a["R1"].astype(float), a["R2"].astype(float))
    within_noise(gradient, case, "d_activation", a["d_activation"])
    rows = len(m) // 2
    assert a["mask_sum_1"] == a["mask_sum_2"] == rows * (2 * rows - 1)


def test_joint_minibatch_gradients():
    m, upstreams = RNG.randn(6, 2, 3), RNG.randn(2, 6, 2)
    gradient = joint_minibatch.gradients(m, *upstreams)
    agree(lambda t: np.sum(np.stack(joint_minibatch.forward(t)) * upstreams), m, gradient)


def test_sigmoid_kl():
    a = load_imagenet("e_sigmoid_kl")
    logits = a["logits"].astype(float)
    for target in ("0.75", "0.375", "0", "1", "0.5"):
        kl, gradient = f"kl_t{target}", f"grad_t{target}"
        found = losses.sigmoid_kl(logits, float(target))
        within_noise(found, "e_sigmoid_kl", kl, a[kl])
        found = sigmoid(logits) - float(target)
        within_noise(found, "e_sigmoid_kl", gradient, a[gradient])


@pytest.mark.parametrize("kind", ["unit", "wide", "offset", "gen_extreme"])
def test_imagenet_losses(kind):
    a, rows = load_imagenet("e_losses"), imagenet_index()["e_losses"]["hyper"]["B"]
    logits, labels = a[f"{kind}/class_logits"].astype(float), a[f"{kind}/labels"]
    gan = losses.gan_logits(logits)
    real, fake = gan[:rows], gan[rows:]

    def check(actual, array):
        within_noise(actual, "e_losses", f"{kind}/{array}", a[f"{kind}/{array}"])

    check(gan, "gan_logits")
    check(sigmoid(gan), "probs")
    check(np.mean(losses.sigmoid_kl(real, 0.75)), "d_loss_real")
    check(np.mean(losses.sigmoid_kl(fake, 0)), "d_loss_fake")
    classes = losses.supervised(labels, logits[:rows])
    check(classes, "d_loss_class")
    check(losses.one_sided_discriminator(real, fake) + classes, "d_loss")
    check(losses.smoothed_generator(fake), "g_loss")

    on_gan = np.concatenate(losses.one_sided_discriminator_gradients(real, fake))
    d_gradient = losses.gan_logits_gradient(logits, on_gan)
    d_gradient[:rows] += losses.supervised_gradient(labels, logits[:rows])
    on_gan = np.concatenate([0 * real, losses.smoothed_generator_gradient(fake)])
    for player, gradient in (
        ("d", d_gradient),
        ("g", losses.gan_logits_gradient(logits, on_gan)),
    ):
        check(gradient[:, -1], f"d_{player}_loss_gencol")
        check(gradient[:, :8], f"d_{player}_loss_first8")
        check(gradient[np.arange(rows), labels], f"d_{player}_loss_label")
        check(np.linalg.norm(gradient, axis=1), f"d_{player}_loss_rownorm")


def test_imagenet_loss_gradients():
    logits, upstream, fake = 2 * RNG.randn(3, 5), RNG.randn(3), RNG.randn(4)
    gradient = losses.gan_logits_gradient(logits, upstream)
    agree(lambda t: np.sum(losses.gan_logits(t) * upstream), logits, gradient)
    on_real, on_fake = losses.one_sided_discriminator_gradients(upstream, fake)
    agree(lambda t: losses.one_sided_discriminator(t, fake), upstream, on_real)
    agree(lambda t: losses.one_sided_discriminator(upstream, t), fake, on_fake)
    agree(losses.smoothed_generator, fake, losses.smoothed_generator_gradient(fake))


# ---- updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", entries("adam_updates"), ids=name)
def test_adam(entry):
    hyper, a = entry["hyper"], load(entry["file"])

    def optimizer():
        return adam.Adam(hyper["lr"], hyper["mom1"], hyper["mom2"])

    if "quadratic" in entry["file"]:
        one, p = optimizer(), a["p_0"]
        for s in range(1, hyper["steps"] + 1):
            close(np.sum(0.5 * a["a"] * (p - a["c"]) ** 2 + 0.1 * p**4), a[f"cost_{s}"])
            p = one.step(p, a["a"] * (p - a["c"]) + 0.4 * p**3)
            close(p, a[f"p_{s}"])
        return
    for i in (0, 1):
        one, p = optimizer(), a[f"p{i}_0"]
        for s in range(1, hyper["steps"] + 1):
            p = one.step(p, a[f"g{i}_{s}"])
            close(p, a[f"p{i}_{s}"])
            close(one.m, a[f"v{i}_{s}"])
            close(one.v, a[f"mg{i}_{s}"])
        assert one.t + 1 == a["t_final"]


def test_averaging():
    history, a = RNG.randn(30, 4), np.zeros(4)
    for p in history:
        a = a + 1e-2 * (p - a)
    np.testing.assert_allclose(averaging.average(history, 1e-2), a, rtol=1e-12)
    constant = np.full((7, 3), 2.5)
    np.testing.assert_allclose(averaging.debiased(constant, 1e-4), 2.5, rtol=1e-12)
    recorded = load("traj_cifar_fm.npz")
    np.testing.assert_allclose(
        averaging.average([recorded["d00_init"]], 1e-4), recorded["d00_avg1"], rtol=1e-12
    )


# ---- small things -------------------------------------------------------------------------------


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
