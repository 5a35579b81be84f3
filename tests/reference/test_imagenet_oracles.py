"""The NumPy oracles of the ImageNet model; see test_oracles.py."""

import numpy as np
import pytest

from reference import convolution, cross_batch_norm, joint_minibatch, losses, virtual_batch_norm
from reference.activations import ACTIVATIONS, sigmoid
from reference.convolution import Dense
from tests.helpers.golden import imagenet_cases, imagenet_index, load_imagenet, within_noise
from tests.helpers.gradients import agree

RNG = np.random.RandomState(0)


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
    away = x != 0  # where the original's derivative is 0.6 (D3)
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
