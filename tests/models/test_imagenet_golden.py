"""The ImageNet networks and three iterations of both players against the original code."""

import keras
import numpy as np
import pytest

from improved_gan_tf import losses
from tests.helpers.imagenet_golden import (
    HYPER,
    LATENTS,
    Comparison,
    batch,
    grid,
    load,
    recorded_gan,
    recorded_networks,
    stats,
    variable,
)


@pytest.fixture(params=["float64", "float32"])
def precision(request):
    """Both precisions: float64 as the recordings' second set, float32 as the first."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


def _points(network, names, x):
    """{name: (input, output)} of some layers in one pass."""
    wanted = [t for n in names for t in (network.get_layer(n).input, network.get_layer(n).output)]
    found = keras.Model(network.input, wanted)(x)
    return {n: (found[2 * i], found[2 * i + 1]) for i, n in enumerate(names)}


def test_generator(precision):
    case = Comparison("f_generator")
    generator, _ = recorded_networks()
    norms = [f"g_vbn_{k}" for k in range(6)]
    _, _, latents = batch()
    found = _points(generator, [*norms, "images"], latents)
    whole, live = (np.asarray(x) for x in found.pop("images"))
    size = HYPER["B"]
    for kind, out in (("ref", whole[:size]), ("live", live)):
        case.add(f"{kind}_down8", out[:, ::8, ::8])
        case.add(f"{kind}_corner", out[:, :8, :8])
        case.add(f"{kind}_corner2", out[:, -8:, -8:])
        case.add(f"{kind}_centre", out[0, 56:72, 56:72])
        case.add(f"{kind}_stats", stats(out))
        case.add(f"{kind}_grid", grid(out, 64))
        case.add(f"{kind}_chan_mean", out.mean(axis=(1, 2)))
    for name, pair in found.items():
        for end, tensor in zip(("in", "out"), pair, strict=True):
            tensor = np.asarray(tensor)
            for kind, part in (("ref", tensor[:size]), ("live", tensor[size:])):
                case.add(f"{kind}/{name}/{end}_stats", stats(part))
                case.add(f"{kind}/{name}/{end}_grid", grid(part, 24))
    for name in norms:
        x = np.asarray(found[name][0][:size], "float64")
        case.add(f"{name}/mean", x.mean(axis=(0, 1, 2)))
        case.add(f"{name}/mean_sq", np.square(x).mean(axis=(0, 1, 2)))
    case.check(70)


def test_discriminator(precision):
    case = Comparison("g_discriminator")
    _, discriminator = recorded_networks()
    inputs = load("inputs")
    joint = np.concatenate([inputs["real_u8"], inputs["fake_u8"]]).astype("float32")
    joint = (joint * np.float32(2.0 / 255) - np.float32(1.0)).astype(precision)
    norms = [f"d_bn_{k}" for k in range(8)]
    found = _points(discriminator, [*norms, "d_h", "d_indiv_logits"], joint)
    h7, with_features = found.pop("d_h")
    logits = found.pop("d_indiv_logits")[1]
    activations = np.asarray(discriminator.get_layer("d_h").activations(h7))
    kernels = HYPER["nk"]
    case.add("h7", h7)
    case.add("activation", activations.transpose(2, 0, 1))
    case.add("f1", with_features[:, -2 * kernels : -kernels])
    case.add("f2", with_features[:, -kernels:])
    case.add("class_logits", logits)
    case.add("gan_logits", losses.gan_logits(logits))
    case.add("probs", keras.ops.sigmoid(losses.gan_logits(logits)))
    for name, pair in found.items():
        for end, tensor in zip(("in", "out"), pair, strict=True):
            case.add(f"{name}/{end}_stats", stats(tensor))
            case.add(f"{name}/{end}_grid", grid(tensor, 24))
    case.check(35)


def _train(gan, t):
    """One `train_step` on the batch of iteration t; the losses in the original's order."""
    images, labels, latents = batch(t)
    gan.latents = lambda *_: latents
    gan.reset_metrics()
    logs = gan.train_step((images, labels))
    return _losses({k: np.asarray(v) for k, v in logs.items()})


def _losses(report):
    real, fake, classes = (report[f"{k}_loss"] for k in ("real", "fake", "class"))
    return np.array([real, fake, classes, real + fake + classes, report["generator_loss"]])


def _each_variable(gan):
    """(the original's name, network's name, index among its trainable variables)."""
    for name in ("generator", "discriminator"):
        network = getattr(gan, name)
        places = {id(v): i for i, v in enumerate(network.trainable_variables)}
        for key in Comparison("h_train").arrays:
            kind, _, parameter = key.partition("/")
            if kind == "grad0_norm" and parameter.startswith(name[0]):
                if parameter not in HYPER["zero_gradient"]:
                    yield parameter, name, places[id(variable(network, parameter))]


def test_gradients(precision):
    case = Comparison("h_train")
    gan = recorded_gan()
    images, labels, latents = batch()
    report, gradients = gan.gradients(images, labels, latents)
    case.add("losses_0", _losses({k: np.asarray(v) for k, v in report.items()}))
    for parameter, name, index in _each_variable(gan):
        gradient = np.asarray(gradients[name][index], "float64")
        case.add(f"grad0_norm/{parameter}", np.sqrt(np.square(gradient).sum()))
        if f"grad0/{parameter}" in case:
            case.add(f"grad0/{parameter}", gradient)
        else:
            case.add(f"grad0_grid/{parameter}", grid(gradient, 64))
    case.check(2 * 64)


def test_three_iterations(precision):
    """The same batch at every iteration: losses, and the parameters after one and three.

    In float32 Adam turns the rounding of a gradient near 0 into a part of a step of 0.0004, another
    part on every machine: after three steps the parameters are compared in the mean there.
    """
    case = Comparison("h_train")
    gan = recorded_gan()
    start = {
        name: [np.asarray(v, "float64") for v in getattr(gan, name).trainable_variables]
        for name in ("generator", "discriminator")
    }
    for t in range(3):
        case.add(f"losses_{t}", _train(gan, 0))
        if t == 1:
            continue
        for parameter, name, index in _each_variable(gan):
            value = np.asarray(getattr(gan, name).trainable_variables[index], "float64")
            whole = f"after{t + 1}/{parameter}" in case
            key = f"after{t + 1}/{parameter}" if whole else f"after{t + 1}_grid/{parameter}"
            found = value if whole else grid(value, 64)
            if t == 0 or precision == "float64":
                case.add(key, found)
                moved = np.sqrt(np.square(value - start[name][index]).sum())
                allowed = 1e-7 * np.sqrt(value.size)
                case.add(f"after{t + 1}_delta_norm/{parameter}", moved, allowed)
            else:
                difference = np.sqrt(np.square(found - case.arrays[key]).mean())
                assert difference < 2e-5, f"{key}: {difference:.1e}"
    images, labels, latents = batch()
    report, _ = gan.gradients(images, labels, latents)
    case.add("losses_3", _losses({k: np.asarray(v) for k, v in report.items()}))
    # Updating one player after the other would give other losses.
    assert np.abs(case.arrays["losses_1"] - case.arrays["sequential/losses_1"]).max() > 0.1
    case.check(2 * 64)


def test_varied_batches(precision):
    case = Comparison("h_train")
    gan = recorded_gan()
    for t in range(3):
        case.add(f"varied/losses_{t}", _train(gan, t))
    case.check(3)


def test_two_towers(precision):
    """The mean of two batches' gradients, each with its own statistics."""
    case = Comparison("j_two_towers")
    gan = recorded_gan()
    towers = [gan.gradients(*batch(t)) for t in (0, 1)]
    case.add("g_losses", [r["generator_loss"] for r, _ in towers])
    case.add("d_losses", [r["discriminator_loss"] for r, _ in towers])
    for parameter, name, index in _each_variable(gan):
        mean = np.mean([np.asarray(g[name][index], "float64") for _, g in towers], axis=0)
        case.add(f"grad_norm/{parameter}", np.sqrt(np.square(mean).sum()))
        if f"grad_grid/{parameter}" in case:
            case.add(f"grad_grid/{parameter}", grid(mean, 16))
    case.check(64)


def test_names_of_the_inputs():
    generator, _ = recorded_networks()
    assert [x.name for x in generator.inputs] == list(LATENTS)
