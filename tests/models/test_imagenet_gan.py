"""`ImageNetGAN` on small images: what it computes apart from the recordings."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import layers, losses, models, networks

SMALL = {"width": 0.125, "image_shape": (8, 8, 1)}


def small_gan(seed=3, **values):
    keras.utils.set_random_seed(seed)
    generator = networks.imagenet.generator(reference_size=4, **SMALL)
    discriminator = networks.imagenet.discriminator(num_classes=10, minibatch_dims=3, **SMALL)
    gan = models.ImageNetGAN(generator, discriminator, seed=seed, **values)
    gan.compile()
    return gan


def batch(n=6, seed=0):
    rng = np.random.RandomState(seed)
    images = rng.uniform(-1, 1, (n, 8, 8, 1)).astype("float32")
    return tf.constant(images), tf.constant(rng.randint(0, 10, n).astype("int32"))


def test_losses_by_the_formulas():
    """The report against plain NumPy on the discriminator's logits of the same joint batch."""
    gan = small_gan(noise=0.0)
    images, labels = batch()
    latents = gan.latents(6, 1, 2)
    report, _ = gan.gradients(images, labels, latents)
    joint = np.concatenate([images, gan.generator(latents)])
    logits = np.asarray(gan.discriminator(joint), "float64")
    u = np.log(np.exp(logits[:, :-1]).sum(1)) - logits[:, -1]
    p = 1 / (1 + np.exp(-u))
    real, fake = p[:6], p[6:]

    def kl(p, t):
        return np.mean(t * np.log(t / p) + (1 - t) * np.log((1 - t) / (1 - p)))

    log_class = logits[:6] - np.log(np.exp(logits[:6]).sum(1, keepdims=True))
    expected = {
        "real_loss": kl(real, 0.75),
        "fake_loss": -np.mean(np.log(1 - fake)),
        "class_loss": -np.mean(log_class[np.arange(6), labels]),
        "generator_loss": kl(fake, 0.375),
        "error": np.mean(logits[:6].argmax(1) != labels),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(report[name], value, rtol=2e-5, atol=1e-6, err_msg=name)
    whole = sum(expected[f"{name}_loss"] for name in ("real", "fake", "class"))
    np.testing.assert_allclose(report["discriminator_loss"], whole, rtol=1e-5)


def test_step_is_simultaneous_and_reported_before_it():
    gan = small_gan()
    images, labels = batch()
    words = (gan.seed, 0, 0)
    report, gradients = gan.gradients(images, labels, gan.latents(6, *words), words)
    before = {n: [np.array(v) for v in getattr(gan, n).trainable_variables] for n in gradients}
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    logs = gan.train_step((images, labels))
    for name in ("real_loss", "fake_loss", "class_loss", "generator_loss"):
        np.testing.assert_allclose(logs[name], report[name], rtol=1e-6)
    for name, values in before.items():
        variables = getattr(gan, name).trainable_variables
        for old, gradient, v in zip(values, gradients[name], variables, strict=True):
            np.testing.assert_allclose(v, old - 0.1 * gradient, rtol=1e-5, atol=1e-6)


def test_noise_reaches_the_discriminator_alone_and_only_in_training():
    quiet, noisy = small_gan(noise=0.0), small_gan(noise=0.5)
    images, labels = batch()
    latents = quiet.latents(6, 1)
    one = [g.gradients(images, labels, latents, (0, 0, 0))[0] for g in (quiet, noisy)]
    assert abs(one[0]["real_loss"] - one[1]["real_loss"]) > 1e-5
    off = [g.gradients(images, labels, latents)[0]["real_loss"] for g in (quiet, noisy)]
    np.testing.assert_array_equal(*off)
    tests = [g.test_step((images, labels))["real_loss"] for g in (quiet, noisy)]
    np.testing.assert_array_equal(*tests)


def test_latents():
    gan = small_gan()
    z = gan.latents(500, 1, 2, 3)
    assert [x.shape for x in z] == [(500, 1024), (500, 4, 4, 8), (500, 8, 8, 8)]
    for x in z:
        x = np.asarray(x)
        assert x.min() >= -1 and x.max() < 1
        np.testing.assert_allclose([x.mean(), x.var()], [0, 1 / 3], atol=0.02)
    for other in ((1, 2, 4), (1, 3, 3), (2, 2, 3)):
        assert not np.array_equal(gan.latents(5, *other)[0], z[0][:5])
    np.testing.assert_array_equal(gan.latents(500, 1, 2, 3)[2], z[2])


def test_running_error():
    """The mean of the first hundred steps, then an average of rate 0.01."""
    gan = small_gan()
    rng = np.random.RandomState(1)
    errors = rng.uniform(size=150).astype("float32")
    expected = 0.0
    for t, error in enumerate(errors):
        gan._update_running_error(tf.constant(error), tf.constant(t))
        expected += max(0.01, 1 / (t + 1)) * (error - expected)
        if t == 99:
            np.testing.assert_allclose(gan.running_error, errors[:100].mean(), rtol=1e-5)
    np.testing.assert_allclose(gan.running_error, expected, rtol=1e-5)


def test_sampling_leaves_out_the_reference_batch():
    gan = small_gan()
    z = gan.latent_vectors(21, seed=4)
    drawn = gan.sample(21, seed=4)
    assert drawn.shape == (21, 8, 8, 1)
    np.testing.assert_allclose(drawn, gan.generator(z), atol=1e-5)


@pytest.mark.long
def test_mixed_precision_and_jit_train():
    images, labels = batch(8)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        low = small_gan()
    finally:
        keras.config.set_dtype_policy("float32")
    whole = small_gan()
    compiled = small_gan()
    runs = [
        tf.function(low.train_step)((images, labels)),
        tf.function(whole.train_step)((images, labels)),
        tf.function(compiled.train_step, jit_compile=True)((images, labels)),
    ]
    for name in ("real_loss", "fake_loss", "class_loss", "generator_loss"):
        np.testing.assert_allclose(runs[0][name], runs[1][name], rtol=0.1, err_msg=name)
        np.testing.assert_allclose(runs[2][name], runs[1][name], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"smoothing": 1.0}, "smoothing must be in"),
        ({"smoothing": -0.1}, "smoothing must be in"),
        ({"generator_target": 0.0}, "generator_target"),
        ({"generator_target": 1.5}, "generator_target"),
    ],
)
def test_bad_targets(values, message):
    with pytest.raises(ValueError, match=message):
        small_gan().compile(**values)


def test_negative_seed_and_noise_are_refused():
    fitting = small_gan()
    for values, message in (
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"noise": -0.1}, "noise must be a finite number of at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            models.ImageNetGAN(fitting.generator, fitting.discriminator, **values)


def test_real_size():
    """Shapes and numbers of parameters of the original's graph at its full size."""
    from tests.helpers.imagenet_golden import INDEX, variable

    real = INDEX["layers_real_size"]
    generator = networks.imagenet.generator()
    discriminator = networks.imagenet.discriminator()
    counts = [
        sum(int(np.prod(v.shape)) for v in network.trainable_variables)
        for network in (generator, discriminator)
    ]
    assert counts == [real["trainable_g"], real["trainable_d"]]
    for name, shape, _, trainable in real["variables"]:
        if trainable:
            network = generator if name.startswith("g_") else discriminator
            assert list(variable(network, name).shape) == shape, name
        elif name.endswith("/z"):
            layer = generator.get_layer(f"{name.removesuffix('/z')}_reference")
            assert list(layer.reference.shape) == shape, name


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_sizes(size):
    shape = (size, size, 3)
    generator = networks.imagenet.generator(shape, width=0.0625, reference_size=2)
    discriminator = networks.imagenet.discriminator(shape, 7, width=0.0625)
    assert generator.output_shape == (None, *shape)
    assert len(generator.inputs) == {8: 3, 16: 4, 32: 5, 64: 6, 128: 7}[size]
    assert discriminator.output_shape == (None, 8)
    assert discriminator.get_layer("d_h6_conv").output.shape[1:3] == (4, 4)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 16, 3), (256, 256, 3)])
def test_other_sizes_are_refused(shape):
    for make in (networks.imagenet.generator, networks.imagenet.discriminator):
        with pytest.raises(ValueError, match="square images of 8, 16, 32, 64 or 128"):
            make(shape)
        with pytest.raises(ValueError, match="width"):
            make((8, 8, 1), width=0.0)


def test_frozen_generator_is_the_same_function():
    gan = small_gan()
    frozen = layers.freeze_reference(gan.generator)
    z = gan.latents(5, 9)
    np.testing.assert_allclose(frozen(z), gan.generator(z), atol=1e-5)
    assert losses.gan_logits(gan.discriminator(np.zeros((4, 8, 8, 1)))).shape == (4,)
