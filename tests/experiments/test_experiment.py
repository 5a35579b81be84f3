"""The interface of experiments: what carries out which recipe, the steps from data to model."""

import dataclasses

import keras
import numpy as np
import pytest

from improved_gan_tf import data, experiments, images, networks
from improved_gan_tf.runs.folder import RunFolder
from tests.helpers.one_line import refusal_of

TINY = {"generator": {"units": [8], "latent_dim": 5}, "discriminator": {"units": [8, 8]}}


def _recipe(**values):
    tiny = experiments.override(experiments.get("digits"), **TINY, jit_compile=False)
    return experiments.override(tiny, **values)


@pytest.mark.parametrize("name", experiments.RECIPES)
def test_every_recipe_has_its_experiment(name):
    found = experiments.experiment(name)
    imagenet = name in ("imagenet", "cifar10-samples")
    kind = experiments.ImageNetExperiment if imagenet else experiments.SemiSupervisedExperiment
    assert type(found) is kind and found.recipe is experiments.get(name)
    assert (found.baseline() is not None) == (name == "digits")


def test_a_recipe_of_ones_own():
    """It needs no entry in a table: its class says what carries it out."""
    own = dataclasses.replace(_recipe(), name="own")
    assert type(experiments.experiment(own)) is experiments.SemiSupervisedExperiment
    assert experiments.build(own).generator.input_shape == (None, 5)


def test_the_supervised_baseline():
    baseline = experiments.experiment("digits").baseline()
    assert (baseline.objective, baseline.baseline) == ("supervised", False)
    assert baseline.epochs == experiments.get("digits").epochs
    assert experiments.experiment(baseline).title == "supervised-only baseline"


def test_networks_take_the_sizes_of_the_data():
    chosen = experiments.experiment(_recipe())
    generator, discriminator = chosen.networks()
    assert generator.output_shape == (None, 8, 8, 1) and discriminator.output_shape == (None, 10)
    generator, discriminator = chosen.networks((6, 4, 3), 7)
    assert generator.output_shape == (None, 6, 4, 3)
    assert discriminator.input_shape == (None, 6, 4, 3) and discriminator.output_shape == (None, 7)


def test_networks_that_cannot_be_made():
    def networks_of(**values):
        return experiments.experiment(_recipe(**values)).networks()

    refused = refusal_of(networks_of)
    refused(
        r"no network 'denes' \(did you mean 'dense'\?\); choose one of dense, ", network="denes"
    )
    refused(
        r"the dense generator has no value 'unit' \(did you mean 'units'\?\); .* latent_dim, units",
        generator={"unit": [3]},
    )
    refused("the dense discriminator cannot be made: width must be", discriminator={"width": 0})


def test_other_networks():
    """What an experiment overrides is used by everything that builds."""

    class Other(experiments.SemiSupervisedExperiment):
        def networks(self, image_shape=None, num_classes=None):
            generator, _ = super().networks(image_shape, num_classes)
            return generator, networks.dense.discriminator(image_shape, num_classes, [6, 4])

    chosen = Other(_recipe(batch_size=100, epochs=2))
    loaded = chosen.load_data()
    gan = chosen.model(*chosen.networks(loaded.image_shape, loaded.num_classes), seed=1)
    chosen.compile(gan, loaded.steps_per_epoch)
    chosen.initialize(gan, loaded)
    assert gan.features.output_shape == (None, 4)
    chosen.fit(gan, loaded, 1, [])
    assert int(gan.average_steps) == 12
    assert set(chosen.evaluate(gan, loaded)) == {
        "test_images",
        "test_error",
        "test_error_current",
        "test_error_original_average",
    }


@pytest.mark.parametrize("difference", [-1, 1])
def test_logits_that_are_not_one_per_class(difference):
    class Other(experiments.SemiSupervisedExperiment):
        def networks(self, image_shape=None, num_classes=None):
            return super().networks(image_shape, num_classes + difference)

    own = dataclasses.replace(_recipe(), experiment=Other)
    refusal_of(experiments.build)(
        f"digits: the discriminator returns {10 + difference} logits, but for the 10 classes",
        own,
        experiments.load_data("digits"),
    )


def test_build_takes_no_name_of_data():
    refusal_of(experiments.build)("build takes loaded data, not a name", "digits", "digits")


def test_build_without_data_and_with():
    """Both have the same initial weights, but for what the data initialize."""
    recipe = _recipe()
    loaded = experiments.load_data(recipe)
    with_data, without = experiments.build(recipe, loaded), experiments.build(recipe)
    for one, other in zip(with_data.generator.weights, without.generator.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    images = loaded.initialization_images
    before, after = (np.std(gan.discriminator(images)) for gan in (without, with_data))
    assert before < 0.3 and 0.5 < after < 2  # 1 where noise and dropout are on, as they were
    again = experiments.build(recipe, loaded, seed=recipe.seed)
    other = experiments.build(recipe, loaded, seed=recipe.seed + 1)
    kernels = [np.asarray(gan.generator.weights[0]) for gan in (with_data, again, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0.01


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision(precision):
    gan = experiments.build(_recipe(mixed_precision=precision))
    assert gan.generator.layers[1].compute_dtype == precision
    scaled = isinstance(gan.generator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "float16")
    assert keras.config.dtype_policy().name == "float32"  # as it was


@pytest.mark.parametrize("kind", ["digits", "imagenet"])
def test_images_are_resized(kind, tmp_path):
    """`image_size` and `resize` reach the data of both kinds."""
    wide = np.zeros((40, 8, 16, 1), np.uint8)
    wide[:, :, :4] = 255  # white at the left: outside the middle square
    file = tmp_path / "wide.npz"
    labels = np.arange(40) % 2
    np.savez(file, x_train=wide, y_train=labels, x_test=wide, y_test=labels)
    values = {"data": f"npz:{file}", "image_size": 8, "batch_size": 20}
    brightness = {}
    for resize in ("square", "stretch"):
        recipe = experiments.override(experiments.get(kind), resize=resize, **values)
        loaded = experiments.load_data(recipe)
        assert loaded.image_shape == (8, 8, 1)
        images, _ = next(iter(loaded.test))
        low, high = loaded.image_range
        brightness[resize] = (float(np.asarray(images).mean()) - low) / (high - low)
    assert brightness["square"] == 0 and 0.2 < brightness["stretch"] < 0.3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run as `train` leaves it, after one epoch."""
    out = tmp_path_factory.mktemp("runs") / "run"
    experiments.train(_recipe(epochs=1, baseline=False), out, verbose=False)
    return out


def _pixels(opened):
    return np.stack(list(opened.images(lambda image: image, 1)))


def test_open_generator(run):
    """A run's folder and its exported generator draw the same kind of images, by count and seed."""
    _, gan, epochs = experiments.load_generator(run)
    assert epochs == 1
    opened = experiments.open_generator(run, count=120, seed=3)
    assert opened.name == f"{run} (digits, epoch 1) (seed 3)"
    drawn = _pixels(opened)
    assert drawn.shape == (120, 8, 8, 1)
    np.testing.assert_array_equal(drawn, _pixels(opened))
    first = int(np.random.SeedSequence((3, 0)).generate_state(1)[0] >> 1)
    expected = images.to_uint8(gan.sample(100, first), *gan.image_range).astype(float)
    assert np.abs(drawn[:100] - expected).max() <= 0.5
    exported = experiments.open_generator(run / "generator", count=120, seed=3)
    assert exported.image_range == gan.image_range
    saved = _pixels(exported)
    assert saved.shape == (120, 8, 8, 1) and abs(saved.mean() - drawn.mean()) < 5


def test_open_generator_refuses_other_folders(run, tmp_path):
    refused = refusal_of(experiments.open_generator)
    refused("cannot be loaded as a SavedModel", tmp_path)
    started = RunFolder(tmp_path / "started")
    started.start(RunFolder(run).config())
    refused("has no checkpoint yet; train it first", started.path)


def test_load_generator_needs_the_sizes(run, tmp_path):
    folder = RunFolder(tmp_path / "run")
    config = RunFolder(run).config()
    del config["data"]["image_shape"]
    folder.start(config)
    folder.save_checkpoint(experiments.load_generator(run)[1], 1)
    refusal_of(experiments.load_generator)(
        "config.json does not say what its data are", folder.path
    )


def test_values_as_keywords():
    loaded = data.load("digits", batch_size=50)
    sizes = {"generator": {"units": [4]}, "discriminator": {"units": [4, 4]}, "jit_compile": False}
    gan = experiments.build("digits", loaded, learning_rate=0.001, **sizes)
    np.testing.assert_allclose(float(gan.discriminator_optimizer.learning_rate), 0.001)
    assert gan.generator.layers[1].units == 4
    refusal_of(experiments.build)("did you mean 'learning_rate'", "digits", loaded, learningrate=1)
