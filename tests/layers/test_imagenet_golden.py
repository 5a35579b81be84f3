"""The ImageNet model's layers and losses against arrays recorded from the original's code.

The original ran in float32, and its index says how far each array is from a float64 run of the
same graph; what is allowed, 10 times that and 1e-6 of the largest value, is the index's rule
(`reference.cases.within_noise`). It holds for our float64 and for our float32. In float64 the
oracles of `reference/` are compared with too, to 1e-9 as in tests/layers/test_theano_golden.py.

`batch_norm_first_half`, `batch_norm_second_half` and the plain `batch_norm` of case b have no layer
here, because no published network uses them; their oracles are in tests/reference/test_oracles.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from improved_gan_tf import losses
from improved_gan_tf.networks.activations import leaky_relu
from reference import convolution, cross_batch_norm, joint_minibatch, virtual_batch_norm
from reference import losses as loss_oracle
from reference.cases import close, imagenet_cases, imagenet_index, load_imagenet, within_noise

both_precisions = pytest.mark.parametrize("precision", ["float64", "float32"])


class Case:
    """The arrays of a case, and the comparison of one of ours with what was recorded."""

    def __init__(self, case, precision):
        self.case, self.precision = case, precision
        self.hyper = imagenet_index()[case]["hyper"]
        # float64 for the oracles' sake: every float32 is one.
        self.arrays = {
            key: a.astype(float) if a.dtype.kind == "f" else a
            for key, a in load_imagenet(case).items()
        }

    def __getitem__(self, array):
        return self.arrays[array]

    def tensor(self, x):
        return tf.constant(np.asarray(x), self.precision)

    def check(self, actual, array, oracle=None, rows=...):
        """`actual` against the recorded array, and in float64 against the oracle's."""
        within_noise(actual, self.case, array, self[array][rows])
        if oracle is not None and self.precision == "float64":
            close(actual, oracle)


def gradients(layer, x, upstream, variables):
    """Gradients of sum(layer(x) * upstream) with respect to x and to the variables."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) * upstream)
    return tape.gradient(loss, [x, *(v.value for v in variables)])


# ---- normalisations -----------------------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("case", imagenet_cases("a_"))
def test_virtual_batch_norm(case, precision):
    case = Case(case, precision)
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
        dx, dgamma, dbeta = gradients(
            layer, x, case.tensor(np.concatenate(upstreams)), [driver, layer.beta]
        )
        case.check(dx[:size], f"{prefix}/d_ref_in", expected["reference"])
        if on_live:
            case.check(dx[size:], "live/d_live_in", expected["live"])
        else:  # nothing of the reference rows depends on the live ones
            np.testing.assert_array_equal(dx[size:], 0)
        for found, array, key in ((dgamma, name, "gamma"), (dbeta, "beta", "beta")):
            found = np.reshape(found, a[array].shape)
            case.check(found, f"{prefix}/d_{array}", expected[key])

    frozen = layer.freeze_reference(x[:size])
    case.check(np.reshape(frozen.reference_mean, a["mean"].shape), "mean")
    case.check(np.reshape(frozen.reference_mean_square, a["mean_sq"].shape), "mean_sq")
    case.check(frozen(x[size:]), "live_out")


@both_precisions
@pytest.mark.parametrize("case", imagenet_cases("b_batch_norm_cross"))
def test_cross_batch_norm(case, precision):
    case = Case(case, precision)
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
    dx, *found = gradients(layer, x, case.tensor(a["R"]), variables.values())
    case.check(dx, "d_x", expected["x"])
    for key, gradient in zip(variables, found, strict=True):
        case.check(gradient, f"d_{key}", expected[key])


# ---- linear maps and leaky relu -----------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("which", list(imagenet_index()["c_ops"]["hyper"]))
def test_convolutions(which, precision):
    """Keras' own layers with padding "same" are the original's conv2d and deconv2d."""
    case = Case("c_ops", precision)
    settings = case.hyper[which]
    k, stride = settings["kernel"], settings["stride"]
    x, w, b = (case[f"{which}/{key}"] for key in ("x", "w", "biases"))
    common = {"strides": stride, "padding": "same", "dtype": precision}
    if which.startswith("conv2d"):
        layer = keras.layers.Conv2D(len(b), k, **common)
        expected = convolution.conv2d_same(x, w, stride)
    else:
        size = tuple(settings["output_shape"][1:3])
        if size != tuple(stride * n for n in x.shape[1:3]):
            # An odd size, which no network here has, must be asked for.
            common["output_padding"] = 0
        layer = keras.layers.Conv2DTranspose(len(b), k, **common)
        expected = convolution.conv2d_transpose_same(x, w, size, stride)
    layer.build(x.shape)
    layer.kernel.assign(w)
    layer.bias.assign(b)
    case.check(layer(case.tensor(x)), f"{which}/out", expected + b)


@both_precisions
def test_linear(precision):
    case = Case("c_ops", precision)
    x, w, b = (case[f"linear/{key}"] for key in ("x", "Matrix", "bias"))
    layer = keras.layers.Dense(len(b), dtype=precision)
    layer.build(x.shape)
    layer.kernel.assign(w)
    layer.bias.assign(b)
    case.check(layer(case.tensor(x)), "linear/out", x @ w + b)


@both_precisions
@pytest.mark.parametrize("leak", [0.2, 0.1])
def test_leaky_relu(leak, precision):
    """max(x, leak x) is .5 (1 + leak) x + .5 (1 - leak) |x|, and so is its slope but at 0 (D3)."""
    case = Case("c_ops", precision)
    x = case.tensor(case["lrelu/x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        # .2 is the networks'.
        y = leaky_relu(x) if leak == 0.2 else keras.ops.maximum(x, leak * x)
    case.check(y, f"lrelu/leak{leak}/out")
    away = case["lrelu/x"] != 0
    case.check(tape.gradient(y, x)[away], f"lrelu/leak{leak}/grad", rows=away)


# ---- minibatch features -------------------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("tiles", ["one tile", "a row a tile"])
@pytest.mark.parametrize("case", imagenet_cases("d_"))
def test_joint_minibatch_discrimination(case, tiles, precision, monkeypatch):
    """The recorded activations are the input itself, by a unit matrix as kernel."""
    from improved_gan_tf.layers import minibatch_discrimination

    if tiles == "a row a tile":  # what a large batch would do
        monkeypatch.setattr(minibatch_discrimination, "_ONE_TILE", 1)
        monkeypatch.setattr(minibatch_discrimination, "_TILE", 1)
    case = Case(case, precision)
    m = case["activation"]
    rows, kernels, dims = m.shape
    layer = ours.JointMinibatchDiscrimination(kernels, dims, dtype=precision)
    x = case.tensor(m.reshape(rows, -1))
    layer(x)
    layer.kernel.assign(np.eye(kernels * dims))
    layer.bias.assign(np.zeros(kernels * dims))
    features = layer(x)[:, kernels * dims :]
    np.testing.assert_array_equal(layer(x)[:, : kernels * dims], x)
    expected = joint_minibatch.forward(m)
    for i, found in enumerate(np.split(features, 2, axis=1)):
        case.check(found, f"f{i + 1}", expected[i])
    upstream = np.concatenate([np.zeros(x.shape), case["R1"], case["R2"]], axis=1)
    dx, dw, db = gradients(layer, x, case.tensor(upstream), [layer.kernel, layer.bias])
    expected = joint_minibatch.gradients(m, case["R1"], case["R2"])
    case.check(np.reshape(dx, m.shape), "d_activation", expected)
    if precision == "float64":
        flat = expected.reshape(rows, -1)
        close(dw, m.reshape(rows, -1).T @ flat)
        np.testing.assert_allclose(db, 0, atol=1e-12)  # a common shift changes no distance


# ---- losses -------------------------------------------------------------------------------------


@both_precisions
@pytest.mark.parametrize("target", ["0.75", "0.375", "0", "1", "0.5"])
def test_sigmoid_kl(target, precision):
    case = Case("e_sigmoid_kl", precision)
    logits = case.tensor(case["logits"])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        kl = losses.sigmoid_kl(logits, float(target))
    exact = loss_oracle.sigmoid_kl(case["logits"], float(target))
    case.check(kl, f"kl_t{target}", exact)
    expected = loss_oracle.sigmoid(case["logits"]) - float(target)
    case.check(tape.gradient(kl, logits), f"grad_t{target}", expected)


@both_precisions
@pytest.mark.parametrize("kind", ["unit", "wide", "offset", "gen_extreme"])
def test_losses(kind, precision):
    case = Case("e_losses", precision)
    rows = case.hyper["B"]
    smoothing, target = case.hyper["d_label_smooth"], case.hyper["generator_target_prob"]
    logits = case.tensor(case[f"{kind}/class_logits"])
    labels = tf.constant(case[f"{kind}/labels"])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        gan = losses.gan_logits(logits)
        real, fake = gan[:rows], gan[rows:]
        classes = losses.supervised(labels, logits[:rows])
        d_loss = losses.one_sided_discriminator(real, fake, smoothing) + classes
        g_loss = losses.smoothed_generator(fake, target)
    exact = case[f"{kind}/class_logits"]
    gan_exact = loss_oracle.gan_logits(exact)
    case.check(gan, f"{kind}/gan_logits", gan_exact)
    case.check(tf.sigmoid(gan), f"{kind}/probs")
    case.check(tf.reduce_mean(losses.sigmoid_kl(real, 1 - smoothing)), f"{kind}/d_loss_real")
    case.check(tf.reduce_mean(losses.sigmoid_kl(fake, 0.0)), f"{kind}/d_loss_fake")
    class_exact = loss_oracle.supervised(case[f"{kind}/labels"], exact[:rows])
    case.check(classes, f"{kind}/d_loss_class", class_exact)
    expected = loss_oracle.one_sided_discriminator(gan_exact[:rows], gan_exact[rows:]) + class_exact
    case.check(d_loss, f"{kind}/d_loss", expected)
    case.check(g_loss, f"{kind}/g_loss", loss_oracle.smoothed_generator(gan_exact[rows:]))
    for player, loss in (("d", d_loss), ("g", g_loss)):
        gradient = tape.gradient(loss, logits).numpy()
        case.check(gradient[:, -1], f"{kind}/d_{player}_loss_gencol")
        case.check(gradient[:, :8], f"{kind}/d_{player}_loss_first8")
        at_labels = gradient[np.arange(rows), labels]
        case.check(at_labels, f"{kind}/d_{player}_loss_label")
        case.check(np.linalg.norm(gradient, axis=1), f"{kind}/d_{player}_loss_rownorm")
    # The defaults are the original's.
    default = losses.one_sided_discriminator(real, fake) + classes
    np.testing.assert_array_equal(default, d_loss)
    np.testing.assert_array_equal(losses.smoothed_generator(fake), g_loss)


def test_losses_are_those_of_the_explicit_softmax():
    """D = 1 - p(y = K+1 | x) of a softmax over all K+1 logits."""
    rng = np.random.RandomState(0)
    real, fake = 3 * rng.randn(2, 6, 5)
    d_real, d_fake = (1 - loss_oracle.softmax(x)[:, -1] for x in (real, fake))
    gan_real, gan_fake = (losses.gan_logits(tf.constant(x)) for x in (real, fake))
    np.testing.assert_allclose(tf.sigmoid(gan_real), d_real, rtol=1e-12)

    def divergence(t, d):
        return np.mean(t * np.log(t / d) + (1 - t) * np.log((1 - t) / (1 - d)))

    expected = divergence(0.9, d_real) - np.mean(np.log(1 - d_fake))
    found = losses.one_sided_discriminator(gan_real, gan_fake, smoothing=0.1)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    found = losses.smoothed_generator(gan_fake, target=0.4)
    np.testing.assert_allclose(found, divergence(0.4, d_fake), rtol=1e-10)


@both_precisions
@pytest.mark.parametrize("target", [0.0, 0.375, 1.0])
def test_sigmoid_kl_at_extremes(target, precision):
    """Finite with finite gradients, linear far out, and 0 where sigmoid(l) is the target."""
    logits = tf.constant([-1e4, -100.0, 0.0, 100.0, 1e4], precision)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        kl = losses.sigmoid_kl(logits, target)
    expected = loss_oracle.sigmoid_kl(logits.numpy().astype(float), target)
    np.testing.assert_allclose(kl, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(
        tape.gradient(kl, logits), [-target, -target, 0.5 - target, *2 * [1 - target]], atol=1e-7
    )
    if 0 < target < 1:
        at_target = tf.constant([np.log(target / (1 - target))], precision)
        np.testing.assert_allclose(losses.sigmoid_kl(at_target, target), 0, atol=2e-7)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_outside_their_range(value):
    logits = tf.zeros(3)
    with pytest.raises(ValueError, match=r"target must lie in 0 \.\. 1, not"):
        losses.sigmoid_kl(logits, value)
    with pytest.raises(ValueError, match="target must lie"):
        losses.smoothed_generator(logits, target=value)
    with pytest.raises(ValueError, match="smoothing must lie"):
        losses.one_sided_discriminator(logits, logits, smoothing=value)
