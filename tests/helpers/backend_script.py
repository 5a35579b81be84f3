"""Layers, losses, optimizer and networks under the backend that KERAS_BACKEND names.

Run by tests/conformance/test_backends.py in a process of its own. Compares with the recorded
arrays, and saves and loads.

Prints "ok NAME" for every check that holds; the first that fails ends the process.
"""

import sys
import tempfile

import keras
import ml_dtypes
import numpy as np
from keras import ops

from improved_gan_tf import layers as ours
from improved_gan_tf import losses, networks
from improved_gan_tf.optimizers import InnerEpsilonAdam, debiased, update_average
from improved_gan_tf.regularizers import HistoricalAveraging
from reference import averaging as averages
from reference import historical_averaging, layouts
from tests.helpers.golden import close, load, load_imagenet

# float32, as in tests.helpers.golden.
RTOL = 1e-4


def value(x):
    return ops.convert_to_numpy(x)


def check(actual, recorded):
    close(value(actual), recorded, RTOL)


def f32(x):
    return np.asarray(x, "float32")


def gradients(model, x, upstream):
    """Minus the change of each trainable variable in one step of rate 1 on sum(output * upstream).

    Through `fit`, because every backend differentiates in its own way.
    """
    before = [value(v) for v in model.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), loss=lambda r, y: ops.sum(r * y))
    # In order: reference examples and real ones come first.
    model.fit(f32(x), f32(upstream), batch_size=len(x), shuffle=False, verbose=0)
    after = [value(v) for v in model.trainable_variables]
    for v, old in zip(model.trainable_variables, before, strict=True):
        v.assign(old)
    return {v.name: a - b for v, a, b in zip(model.trainable_variables, before, after, strict=True)}


def model_of(shape, *stack):
    x = inputs = keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


def weight_norm(file, layer, before, kernel, initial_stddev):
    a = load(file)
    layer = ours.WeightNorm(layer, train_scale=True, initial_stddev=initial_stddev)
    x, x2 = (f32(layouts.images(a[k])) for k in ("x", "x2"))
    model = model_of(x.shape[1:], *before, layer)
    layer.layer.kernel.assign(kernel(a["W"]))
    layer.layer.bias.assign(a["b0"])
    layer.g.assign(a["g0"])
    check(model(x), layouts.images(a["out_plain"]))
    found = gradients(model, x, layouts.images(a["R"]))
    close(found["kernel"], kernel(a["grad_W"]), RTOL)
    close(found["g"], a["grad_g"], RTOL)
    close(found["bias"], a["grad_b"], RTOL)
    check(ours.initialize_from_data(model, x), layouts.images(a["initA_out"]))
    check(layer.g, a["initA_g"])
    check(layer.layer.bias, a["initA_b"])
    check(model(x2), layouts.images(a["initA_after_x2"]))


def check_weight_norm():
    dense = keras.layers.Dense(5, activation="leaky_relu")
    weight_norm("wn_dense_std01_gtrain.npz", dense, [], np.asarray, 0.1)
    conv = keras.layers.Conv2D(5, 3, strides=2)
    pad = [keras.layers.ZeroPadding2D(1)]
    kernel = layouts.convolution_kernel
    weight_norm("wn_conv3_s2_p1_even_std01_gtrain.npz", conv, pad, kernel, 0.1)
    transposed = ours.CenteredConv2DTranspose(3, 5, 2, activation="tanh")
    kernel = layouts.deconvolution_kernel
    weight_norm("wn_deconv5_s2_std1_gfix.npz", transposed, [], kernel, 1.0)


def check_matmul_precision():
    """Against NumPy: both factors of every product are rounded, the sums are not."""

    def rounded(x):
        return np.asarray(x).astype(ml_dtypes.bfloat16).astype("float64")

    random = np.random.RandomState(0)
    x, upstream = random.normal(size=(4, 30)), random.normal(size=(4, 5))
    layer = ours.Dense(5, matmul_precision="bfloat16")
    model = model_of((30,), layer)
    kernel = value(layer.kernel)
    close(value(model(f32(x), training=True)), rounded(f32(x)) @ rounded(kernel), RTOL)
    found = gradients(model, x, upstream)
    close(found["kernel"], rounded(f32(x)).T @ rounded(f32(upstream)), RTOL)
    close(found["bias"], upstream.sum(axis=0), RTOL)


def check_minibatch_discrimination():
    a = load("mb_n8.npz")
    layer = ours.MinibatchDiscrimination(4, 5)
    model = model_of((6,), layer)
    layer.theta.assign(a["theta"])
    check(ours.initialize_from_data(model, f32(a["x"])), a["initB_out"])
    check(layer.bias, a["initB_b"])
    layer.log_weight_scale.assign(a["log_weight_scale0"])
    layer.bias.assign(a["b0"])
    check(model(f32(a["x"])), a["out_plain"])
    found = gradients(model, a["x"], a["R"])
    for name in ("theta", "log_weight_scale"):
        close(found[name], a[f"grad_{name}"], RTOL)
    close(found["bias"], a["grad_b"], RTOL)


def check_batch_normalization():
    a = load("bn_4d_gnone_relu.npz")
    layer = ours.UnbiasedBatchNormalization()
    model = model_of((5, 4, 3), layer, keras.layers.Activation("relu"))
    layer.beta.assign(a["b0"])
    for i in (1, 2, 3):
        x = f32(layouts.images(a[f"x{i}"]))
        check(model(x, training=True), layouts.images(a[f"out_train_{i}"]))
    check(layer.moving_mean, a["mean_after_3"])
    check(layer.moving_variance, a["var_after_3"])
    check(model(f32(layouts.images(a["x1"]))), layouts.images(a["det_after_3"]))


def check_gaussian_noise():
    layer = ours.HashedGaussianNoise(2.0, seed=3)
    x = np.full((100, 300), 5.0, "float32")
    noise = value(layer(x, training=True)) - 5
    # 30,000 draws: five standard errors of the mean and of the standard deviation.
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 2], atol=0.06)
    assert not np.array_equal(value(layer(x, training=True)) - 5, noise)
    np.testing.assert_array_equal(value(layer(x)), x)
    # The draws are the same on every backend, up to the rounding of log and of 5 + noise.
    np.testing.assert_allclose(noise[0, :3], [2.195127, 0.448932, 2.323254], atol=1e-5)


def check_virtual_batch_norm():
    for case, options in {
        "a_vbn_4d_half2": {"half": 2},
        "a_vbnl_2d": {"gain": "exp"},
        "a_vbnlp_4d": {"gain": "exp", "per_pixel": True},
        "a_vbn_1d": {},
    }.items():
        a = load_imagenet(case)
        size = len(a["ref_in"])
        layer = ours.VirtualBatchNorm(size, **options)
        x = np.concatenate([a["ref_in"], a["live_in"]])
        model = model_of(x.shape[1:], layer)
        name = "gamma_driver" if "gain" in options else "gamma"
        getattr(layer, name).assign(a[name])
        layer.beta.assign(a["beta"])
        close(value(model(x))[:size], a["ref_out"], RTOL)
        close(value(model(x))[size:], a["live_out"], RTOL)
        found = gradients(model, x, np.concatenate([0 * a["Rref"], a["R"]]))
        close(found[name], a[f"live/d_{name}"], RTOL)
        close(found["beta"], a["live/d_beta"], RTOL)
        check(layer.freeze_reference(ops.convert_to_tensor(x[:size]))(a["live_in"]), a["live_out"])


def check_freeze_reference():
    model = model_of(
        (4, 4, 2),
        ours.ReferenceBatch(3),
        keras.layers.Conv2D(5, 3, padding="same"),
        ours.VirtualBatchNorm(3),
        keras.layers.ReLU(),
        keras.layers.Conv2D(2, 3),
        ours.VirtualBatchNorm(3),
        ours.DropReference(3),
    )
    x = f32(np.random.RandomState(0).randn(4, 4, 4, 2))
    frozen = ours.freeze_reference(model)
    np.testing.assert_allclose(value(frozen(x)), value(model(x)), rtol=1e-5, atol=1e-5)
    with tempfile.TemporaryDirectory() as folder:
        frozen.save(f"{folder}/frozen.keras")
        loaded = keras.models.load_model(f"{folder}/frozen.keras")
        np.testing.assert_allclose(value(loaded(x)), value(frozen(x)), rtol=1e-6, atol=1e-6)


def check_cross_batch_norm():
    a = load_imagenet("b_batch_norm_cross_4d")
    layer = ours.CrossBatchNorm()
    model = model_of(a["x"].shape[1:], layer)
    names = "gamma0", "beta0", "gamma1", "beta1"
    for name in names:
        getattr(layer, name).assign(a[name])
    check(model(a["x"]), a["out"])
    found = gradients(model, a["x"], a["R"])
    for name in names:
        close(found[name], a[f"d_{name}"], RTOL)


def check_split_batch_norm():
    x, layer = np.random.RandomState(0).randn(6, 3, 3, 4), ours.SplitBatchNorm()
    model = model_of(x.shape[1:], layer)
    layer.gamma.assign(np.ones(4))
    halves = [(half - half.mean((0, 1, 2))) / half.std((0, 1, 2)) for half in np.split(x, 2)]
    close(value(model(f32(x))), np.concatenate(halves), 1e-4, atol=1e-4)


def check_joint_minibatch_discrimination():
    a = load_imagenet("d_minibatch_b3_dup")
    rows, kernels, dims = a["activation"].shape
    inputs = kernels * dims
    x = a["activation"].reshape(rows, inputs)
    layer = ours.JointMinibatchDiscrimination(kernels, dims)
    model = model_of((inputs,), layer)
    layer.kernel.assign(np.eye(inputs))
    check(model(x), np.concatenate([x, a["f1"], a["f2"]], axis=1))
    found = gradients(model, x, np.concatenate([0 * x, a["R1"], a["R2"]], axis=1))
    # The change of a kernel with ones in it is rounded to 6e-8.
    close(found["kernel"], x.T @ a["d_activation"].reshape(rows, inputs), RTOL, atol=1e-6)


def check_initialization_in_mixed_precision():
    """What a layer assigns in a `call` of low precision must reach the variables themselves."""
    x = f32(np.random.RandomState(0).normal(1, 3, (40, 6)))
    for layer in (
        ours.WeightNorm(keras.layers.Dense(5), dtype="mixed_bfloat16"),
        ours.MinibatchDiscrimination(5, dtype="mixed_bfloat16"),
    ):
        found = value(ours.initialize_from_data(model_of((6,), layer), x)).astype("float32")[:, -5:]
        np.testing.assert_allclose(found.mean(0), np.zeros(5), atol=0.02, err_msg=layer.name)
        if isinstance(layer, ours.WeightNorm):
            np.testing.assert_allclose(found.std(0), np.ones(5), atol=0.02)


def check_imagenet_losses():
    a = load_imagenet("e_losses")
    logits, labels = f32(a["unit/class_logits"]), a["unit/labels"]
    gan = losses.gan_logits(ops.convert_to_tensor(logits))
    check(gan, a["unit/gan_logits"])
    real, fake = gan[:4], gan[4:]
    classes = losses.supervised(labels, ops.convert_to_tensor(logits[:4]))
    check(losses.one_sided_discriminator(real, fake) + classes, a["unit/d_loss"])
    check(losses.smoothed_generator(fake), a["unit/g_loss"])
    a = load_imagenet("e_sigmoid_kl")
    for target in ("0.75", "0.375", "0", "1"):
        found = losses.sigmoid_kl(ops.convert_to_tensor(a["logits"]), float(target))
        check(found, a[f"kl_t{target}"])


def check_losses():
    a = load("losses_moderate.npz")
    labels = a["labels"]
    lab, unl, fake = (ops.convert_to_tensor(f32(a[f"logits_{k}"])) for k in ("lab", "unl", "fake"))
    real, generated = (ops.convert_to_tensor(f32(a[f"feat_{k}"])) for k in ("real", "fake"))
    check(losses.log_sum_exp(lab), a["lse_lab"])
    check(losses.supervised(labels, lab), a["mnist_loss_lab"])
    check(losses.unsupervised(unl, fake), a["mnist_loss_unl"])
    check(losses.minibatch_generator(fake), a["mbd_loss_gen"])
    check(losses.error_rate(labels, lab), a["mnist_train_err"])
    check(losses.feature_matching(real, generated), a["fm_sq"])
    check(losses.feature_matching(real, generated, "absolute"), a["fm_abs"])


def check_optimizer():
    a = load("adam_given_mom05.npz")
    variables = [keras.Variable(f32(a[f"p{i}_0"])) for i in (0, 1)]
    optimizer = InnerEpsilonAdam(0.003, beta_1=0.5)
    for s in range(1, 6):
        optimizer.apply([ops.convert_to_tensor(f32(a[f"g{i}_{s}"])) for i in (0, 1)], variables)
    for i in (0, 1):
        check(variables[i], a[f"p{i}_5"])
    history = np.random.RandomState(0).randn(10, 3)
    variable, mean = keras.Variable(f32(history[0])), keras.Variable(np.zeros(3, "float32"))
    for p in history:
        variable.assign(f32(p))
        update_average([mean], [variable], 0.01)
    check(debiased([mean], [variable], 0.01, 10)[0], averages.debiased(history, 0.01))


def check_historical_averaging():
    """A layer's weights that `fit` pulls to their past, whose mean a callback updates."""
    averaging = HistoricalAveraging(0.3)
    layer = keras.layers.Dense(2)
    model = model_of((3,), layer)
    averaging.build(layer.trainable_variables)
    past = [[f32(np.random.RandomState(t).randn(*s)) for s in ((3, 2), (2,))] for t in range(4)]
    for values in past:
        averaging.update([ops.convert_to_tensor(x) for x in values])
    now = [value(v) for v in layer.trainable_variables]
    pairs = list(zip(now, zip(*past, strict=True), strict=True))
    expected = sum(historical_averaging.penalty(x, list(xs), 0.3) for x, xs in pairs)
    check(averaging.penalty(layer.trainable_variables), expected)

    def loss(r, y):
        return averaging.penalty(layer.trainable_variables) + 0 * ops.sum(y)

    model.compile(keras.optimizers.SGD(1.0), loss=loss)
    model.fit(np.zeros((1, 3), "float32"), np.zeros((1, 2), "float32"), verbose=0)
    for variable, (x, xs) in zip(layer.trainable_variables, pairs, strict=True):
        gradient = historical_averaging.gradient(x, list(xs), 0.3)
        # A difference of parameters, rounded to 6e-8 of their size.
        close(x - value(variable), gradient, RTOL)
    model.averaging = averaging
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/model.weights.h5")
        averaging.update(layer.trainable_variables)
        model.load_weights(f"{folder}/model.weights.h5")
    assert int(averaging.count) == 4
    check(averaging.means[1], np.mean([x[1] for x in past], axis=0))


def check_networks():
    """Forward, data-dependent initialization, one step of `fit`, and the same after a file."""
    small = {
        "digits": (
            networks.dense,
            {"image_shape": (8, 8, 1), "units": (16, 12)},
            {"image_shape": (8, 8, 1), "units": (16, 12, 8)},
        ),
        "mnist": (networks.dense, {"units": (16, 12)}, {"units": (16, 8), "minibatch_kernels": 3}),
        "cifar10": (
            networks.convolutional,
            {"channels": (8, 6, 4)},
            {"channels": (4, 6), "minibatch_kernels": 3, "input_noise": 0.2},
        ),
    }
    rng = np.random.RandomState(0)
    for name, (module, generator, discriminator) in small.items():
        generator = module.generator(**generator)
        discriminator = module.discriminator(**discriminator)
        z = f32(rng.uniform(size=(6, generator.input_shape[-1])))
        images = value(generator(z))
        ours.initialize_from_data(discriminator, images)
        discriminator.compile(
            InnerEpsilonAdam(1e-3, beta_1=0.5), loss=losses.supervised, metrics=[losses.error_rate]
        )
        history = discriminator.fit(images, rng.randint(0, 10, 6), verbose=0)
        assert np.isfinite(history.history["loss"][0]), name
        with tempfile.TemporaryDirectory() as folder:
            for model, x in ((generator, z), (discriminator, images)):
                path = f"{folder}/{name}-{model.name}.keras"
                model.save(path)
                loaded = keras.models.load_model(path)
                np.testing.assert_allclose(value(loaded(x)), value(model(x)), rtol=1e-6, atol=1e-6)


def main():
    assert keras.backend.backend() == sys.argv[1], keras.backend.backend()
    assert sys.argv[1] == "tensorflow" or "tensorflow" not in sys.modules
    for name, function in list(globals().items()):
        if name.startswith("check_"):
            function()
            print("ok", name.removeprefix("check_"), flush=True)


if __name__ == "__main__":
    main()
