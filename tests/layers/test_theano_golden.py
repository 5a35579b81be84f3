"""Our layers against arrays recorded from the original's, forward, backward and initialisation.

Tolerances are relative to an array's largest value (see `reference.cases.close`). In float64 1e-9:
rounding is about 1e-15 a term, so any order of summation passes and no other formula does. In
float32 1e-4: rounding is 6e-8 a term, and the sums over up to a few hundred terms, the division by
a batch's standard deviation and exp(-distance) enlarge it.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers as ours
from improved_gan_tf.networks.activations import leaky_relu
from reference import layouts
from reference.cases import close, entries, load, name

PRECISIONS = {"float64": 1e-9, "float32": 1e-4}

pytestmark = pytest.mark.parametrize("precision", PRECISIONS)


def activation(which):
    """Keras' name of an activation, or the networks' leaky relu of slope .2."""
    if which == "lrelu":
        return leaky_relu
    return {"identity": "linear"}.get(which, which)


class Case:
    """A layer with its arrays in our layouts, its gradients, and the comparison."""

    def __init__(self, layer, precision, x, before=None):
        self.layer, self.before, self.precision = layer, before, precision
        self.x = self.tensor(x)
        self.layer(self.input(self.x))  # builds it

    def tensor(self, x):
        return tf.constant(layouts.images(np.asarray(x)), self.precision)

    def input(self, x):
        return x if self.before is None else self.before(x)

    def __call__(self, x=None, training=False):
        x = self.x if x is None else self.tensor(x)
        return self.layer(self.input(x), training=training)

    def gradients(self, upstream, variables, training=False):
        """Gradients of sum(output * upstream) with respect to x and to the variables.

        A variable that the layer does not train is read from its `value`, which a tape follows
        once it is told to.
        """
        values = [v.value for v in variables]
        with tf.GradientTape() as tape:
            tape.watch([self.x, *values])
            output = self.layer(self.input(self.x), training=training)
            loss = tf.reduce_sum(output * self.tensor(upstream))
        return tape.gradient(loss, [self.x, *values])

    def close(self, actual, recorded):
        close(actual, recorded, PRECISIONS[self.precision])

    def close_images(self, actual, recorded):
        self.close(actual, layouts.images(recorded))

    def initialize(self, x):
        # A model of one layer, to go through the public function.
        inputs = keras.Input(self.input(self.x).shape[1:], dtype=self.precision)
        model = keras.Model(inputs, self.layer(inputs))
        return ours.initialize_from_data(model, self.input(self.tensor(x)))


# ---- weight normalisation -----------------------------------------------------------------------


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
    case = Case(layer, precision, a["x"], before)
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
    if hyper["g"] is None:  # the original without g has no initialisation either
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
    case = Case(layer, precision, a["x"], keras.layers.Flatten(dtype=precision))
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


@pytest.mark.parametrize("entry", entries("l2normalize"), ids=name)
def test_l2normalize(entry, precision):
    """The last layer of the MNIST generator: a trained g and no data-dependent initialisation."""
    hyper, a = entry["hyper"], load(entry["file"])
    kind = "dense" if hyper["kind"] == "dense" else "conv3_s1_p1"
    layer, before, kernel = weight_normed(
        kind, len(a["b"]), precision, hyper["nonlinearity"], train_scale=True, initial_stddev=None
    )
    case = Case(layer, precision, a["x"], before)
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
    with pytest.raises(ValueError, match="to initialise"):
        case.initialize(a["x"])
    case.close_images(case(), a["out_init_true"])


# ---- minibatch discrimination -------------------------------------------------------------------


@pytest.mark.parametrize("tiles", ["one tile", "a row a tile"])
@pytest.mark.parametrize("entry", entries("MinibatchLayer"), ids=name)
def test_minibatch_discrimination(entry, precision, tiles, monkeypatch):
    from improved_gan_tf.layers import minibatch_discrimination

    if tiles == "a row a tile":  # what a large batch would do
        monkeypatch.setattr(minibatch_discrimination, "_ONE_TILE", 1)
        monkeypatch.setattr(minibatch_discrimination, "_TILE", 1)
    hyper, a = entry["hyper"], load(entry["file"])
    layer = ours.MinibatchDiscrimination(
        hyper["num_kernels"], hyper["dim_per_kernel"], dtype=precision
    )
    rows = slice(None)
    if a["x"].ndim == 4:
        rows = layouts.channels_first_rows(a["x"].shape[1:])
    case = Case(layer, precision, a["x"])
    theta, scale, b = layer.theta, layer.log_weight_scale, layer.bias
    # Columns of the output: the inputs in our order, then the features.
    inputs = len(a["theta"])
    columns = np.concatenate([np.arange(inputs)[rows], np.arange(inputs, a["R"].shape[1])])

    def forward(recorded, x=None):
        case.close(case(x), recorded[:, columns])

    def backward(prefix):
        dx, dtheta, dscale, db = case.gradients(a["R"][:, columns], [theta, scale, b])
        case.close_images(dx, a[f"{prefix}grad_x"])
        case.close(dtheta, a[f"{prefix}grad_theta"][rows])
        case.close(dscale, a[f"{prefix}grad_log_weight_scale"])
        case.close(db, a[f"{prefix}grad_b"])

    assert len(layer.trainable_variables) == len(hyper["trainable_params"])
    np.testing.assert_array_equal(b, np.full(b.shape, -1.0))  # the defaults that initB starts from
    np.testing.assert_array_equal(scale, np.zeros(scale.shape))
    theta.assign(a["theta"][rows])
    for start in ("initB", "initA"):
        if start == "initA":
            scale.assign(a["log_weight_scale0"])
            b.assign(a["b0"])
            forward(a["out_plain"])
            backward("")
        output = case.initialize(a["x"])
        case.close(output, a[f"{start}_out"][:, columns])
        case.close(scale, a[f"{start}_log_weight_scale"])
        case.close(b, a[f"{start}_b"])
        forward(a[f"{start}_after_x"])
        forward(a[f"{start}_after_x2"], a["x2"])
        backward(f"{start}_after_")


# ---- batch normalisation ------------------------------------------------------------------------


@pytest.mark.parametrize("entry", entries("BatchNormLayer"), ids=name)
def test_batch_normalization(entry, precision):
    hyper, a = entry["hyper"], load(entry["file"])
    gain = hyper["g"] is not None
    norm = ours.UnbiasedBatchNormalization(scale=gain, dtype=precision)
    layer = keras.Sequential(
        [norm, keras.layers.Activation(activation(hyper["nonlinearity"]), dtype=precision)]
    )
    case = Case(layer, precision, a["x1"])
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


@pytest.mark.parametrize("entry", entries("batch_norm wrapper"), ids=name)
def test_layer_with_batch_normalization(entry, precision):
    """A layer without bias and activation, the normalisation, the activation: the generators'."""
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
    case = Case(layer, precision, a["x"])
    inner.kernel.assign(kernel(a["W"]))
    norm.beta.assign(a["b"])
    case.close_images(case(training=True), a["out_train"])
    dx, dw, db = case.gradients(a["R"], [inner.kernel, norm.beta], training=True)
    case.close_images(dx, a["grad_x"])
    case.close(dw, kernel(a["grad_W"]))
    case.close(db, a["grad_b"])
