"""`ImageNetGAN` on small images: what it computes beside the recordings, files, sampling, runs."""

import csv
import json

import checkpoints
import keras
import numpy as np
import pytest
import tensorflow as tf

from improved_gan_tf import cli, data, experiments, export, layers, losses, models, networks
from improved_gan_tf.errors import UserError
from improved_gan_tf.run_folder import RunFolder

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
        assert -1 <= x.min() and x.max() < 1
        np.testing.assert_allclose([x.mean(), x.var()], [0, 1 / 3], atol=0.02)
    for other in ((1, 2, 4), (1, 3, 3), (2, 2, 3)):
        assert not np.array_equal(gan.latents(5, *other)[0], z[0][:5])
    np.testing.assert_array_equal(gan.latents(500, 1, 2, 3)[2], z[2])


def test_running_error():
    """The mean of the first hundred steps, then an average of rate .01."""
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


def test_keras_file_goes_on_as_the_model_would(tmp_path):
    gan = small_gan()
    pairs = [batch(seed=s) for s in range(4)]
    step = tf.function(gan.train_step)
    for pair in pairs[:2]:
        step(pair)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.get_config().keys() == gan.get_config().keys()
    again = tf.function(loaded.train_step)
    for pair in pairs[2:]:
        step(pair), again(pair)
    for one, other in zip(loaded.variables, gan.variables, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_sampling_leaves_out_the_reference_batch():
    gan = small_gan()
    z = gan.latent_vectors(21, seed=4)
    drawn = gan.sample(21, seed=4)
    assert drawn.shape == (21, 8, 8, 1)
    np.testing.assert_allclose(drawn, gan.generator(z), atol=1e-5)
    np.testing.assert_array_equal(drawn, gan.sample(21, seed=4))
    assert np.abs(drawn - gan.sample(21, seed=5)).max() > 1e-3
    with pytest.raises(ValueError, match="at least 1"):
        gan.sample(0)


def test_export_by_tensorflow_alone(tmp_path):
    """The served generator equals the trained one, for any batch size."""
    gan = small_gan()
    path = export.saved_model(gan.serving_generator(), tmp_path / "g", gan.latent_range)
    loaded = tf.saved_model.load(str(path))
    for n in (1, 5):
        z = [tf.constant(x) for x in gan.latent_vectors(n, seed=n)]
        np.testing.assert_allclose(loaded.serve(*z), gan.generator(z), atol=1e-5)
        named = {x.name: value for x, value in zip(gan.generator.inputs, z, strict=True)}
        (served,) = loaded.signatures["serve"](**named).values()
        np.testing.assert_array_equal(served, loaded.serve(*z))
    drawn = loaded.sample(3, 7)
    assert drawn.shape == (3, 8, 8, 1)
    np.testing.assert_array_equal(drawn, loaded.sample(3, 7))
    assert np.abs(drawn - loaded.sample(3, 8)).max() > 1e-4


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


def test_networks_that_do_not_fit():
    generator = networks.imagenet.generator(reference_size=4, **SMALL)
    other = networks.imagenet.discriminator((16, 16, 1), 10, width=0.125)
    with pytest.raises(ValueError, match="takes"):
        models.ImageNetGAN(generator, other)
    fitting = networks.imagenet.discriminator(num_classes=10, **SMALL)
    with pytest.raises(ValueError, match="at least 0"):
        models.ImageNetGAN(generator, fitting, seed=-1)
    shared = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="an optimizer each"):
        models.ImageNetGAN(generator, fitting).compile(shared, shared)


def test_real_size():
    """Shapes and numbers of parameters of the original's graph at its full size."""
    from imagenet_golden import INDEX, variable

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


# Runs, on the embedded digits.
OPTIONS = ["--data", "digits", "--set", "image_size=null", "--width", "0.125", "--batch-size", "20"]
OPTIONS += ["--set", "steps_per_epoch=5", "--set", "generator.reference_size=4", "--quiet"]
OPTIONS += ["--set", "discriminator.minibatch_dims=3"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("imagenet") / "run"
    assert cli.main(["train", "imagenet", "--out", str(out), "--epochs", "3", *OPTIONS]) == 0
    return out


def test_run_folder(run):
    config = json.loads((run / "config.json").read_text())
    assert config["replicas"] == 1 and config["data"]["train_images"] == 1297
    with open(run / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["steps"] for row in rows] == ["5", "10", "15"]
    assert {"real_loss", "running_error", "val_error"} <= {k for k, v in rows[-1].items() if v}
    results = json.loads((run / "results.json").read_text())
    assert results["steps"] == 15 and results["class_loss"] == float(rows[-1]["class_loss"])
    assert (run / "generator/saved_model.pb").is_file()
    assert (run / "samples/epoch-0003.png").is_file()


def test_resume_is_exact(run, tmp_path):
    out = tmp_path / "run"
    begin = ["train", "imagenet", "--out", str(out)]
    assert cli.main([*begin, "--epochs", "2", *OPTIONS]) == 0
    assert cli.main([*begin, "--resume", "--epochs", "3", "--quiet"]) == 0
    last = "checkpoints/epoch-0003.weights.h5"
    checkpoints.assert_same(out / last, run / last)


def test_commands_on_a_run(run, tmp_path, capsys):
    assert cli.main(["evaluate", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test_images"] == 500
    with open(run / "log.csv", newline="") as stream:
        last = list(csv.DictReader(stream))[-1]
    assert found["error"] == pytest.approx(float(last["val_error"]), abs=1e-5)
    assert cli.main(["evaluate", str(run)]) == 0
    assert "top-1 error" in capsys.readouterr().out
    sample = ["sample", str(run), "--count", "4", "--out"]
    for name in ("grid.png", "images.npz", "walk.gif"):
        assert cli.main([*sample, str(tmp_path / name)]) == 0
    with np.load(tmp_path / "images.npz") as arrays:
        assert arrays["images"].shape == (4, 8, 8, 1)
        assert arrays["h1z"].shape == (4, 8, 8, 8)
    assert cli.main([*sample, str(tmp_path / "x.png"), "--batch-statistics"]) == 2
    assert "never uses the other images" in capsys.readouterr().err
    assert cli.main(["export", str(run), "--out", str(tmp_path / "generator")]) == 0
    assert cli.main(["report", str(run)]) == 0
    page = (run / "report/report.html").read_text()
    assert "loss on generated images" in page and "Semi-supervised" not in page


def test_damaged_data_are_named(tmp_path):
    """Damage that the opening cannot see: training stops and the file is named."""
    out = tmp_path / "run"
    recipe = experiments.override(
        experiments.get("imagenet"), data="digits", image_size=None, batch_size=20,
        steps_per_epoch=2, epochs=1, generator={"width": 0.125}, discriminator={"width": 0.125},
    )
    stream = data.load_stream("digits", image_size=None, batch_size=20)

    def broken(*_):
        return stream.train().map(lambda x, y: (tf.debugging.check_numerics(x / 0.0, "bad"), y))

    class Broken:
        def __getattr__(self, name):
            return getattr(stream, name)

        def train(self, *arguments):
            return broken()

        def check(self):
            raise UserError("records:x: train-00001 cannot be read from record 17 on")

    from improved_gan_tf.experiments import imagenet

    gan = experiments.build(recipe, stream)
    with pytest.raises(UserError, match="train-00001"):
        imagenet.fit(gan, recipe, Broken(), 0, [], tf.distribute.get_strategy())
    assert not RunFolder(out).path.exists()


def _bad(*arguments):
    return pytest.param(arguments[:-1], arguments[-1], id=arguments[-1][:40])


@pytest.mark.parametrize(
    "arguments, message",
    [
        _bad("--devices", "0", "--devices must be at least 1"),
        _bad("--devices", "1000", "give at most"),
        _bad("--set", "smoothing=2", "smoothing must be in [0, 1)"),
        _bad("--set", "steps_per_epoch=0", "steps_per_epoch must be at least 1"),
        _bad("--data", "mnist", "--data-dir", "/nowhere", "mnist: not found in /nowhere"),
        _bad("--data", "records:/nowhere", "/nowhere"),
        _bad("--batch-size", "5000", "batch size 5000"),
        _bad("--set", "image_size=28", "square images of 8, 16, 32, 64 or 128"),
    ],
)
def test_bad_input(arguments, message, tmp_path, capsys):
    out = tmp_path / "run"
    assert cli.main(["train", "imagenet", "--out", str(out), *OPTIONS, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "TF_CONFIG is not JSON"),
        ("[]", "names no workers"),
        ('{"cluster": {"worker": []}}', "names no workers"),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}}', "tasks of type 'ps'"),
        ('{"cluster": {"worker": ["localhost"]}}', "no list of host:port"),
        ('{"cluster": {"worker": ["a:99999"]}}', "no list of host:port"),
        ('{"cluster": {"worker": ["a:1"]}}', "the task None is not in"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "not in its"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "not in its"),
    ],
)
def test_bad_cluster(text, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    out = tmp_path / "run"
    assert cli.main(["train", "imagenet", "--out", str(out), *OPTIONS]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not out.exists()


def test_only_imagenet_is_distributed(tmp_path, capsys, monkeypatch):
    digits = ["train", "digits", "--out", str(tmp_path / "run")]
    assert cli.main([*digits, "--devices", "2"]) == 2
    assert "only imagenet is distributed" in capsys.readouterr().err
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}}')
    assert cli.main(digits) == 2
    assert "TF_CONFIG is set" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_frozen_generator_is_the_same_function():
    gan = small_gan()
    frozen = layers.freeze_reference(gan.generator)
    z = gan.latents(5, 9)
    np.testing.assert_allclose(frozen(z), gan.generator(z), atol=1e-5)
    assert losses.gan_logits(gan.discriminator(np.zeros((4, 8, 8, 1)))).shape == (4,)
